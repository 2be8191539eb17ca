"""What is served? Nothing: the models are asked about before."""

from examples.duplicate_models.models import Base
from starlette.applications import Starlette
from starlette.routing import Mount

from resilient_auth import (
    AsyncAuth,
    Deployment,
    Key,
    KeyRing,
    MemoryStore,
    ModelCheck,
    StarletteAuth,
    TokenPolicy,
)

ADDRESS = "http://localhost:8000"
models = ModelCheck(Base, packages=["examples.duplicate_models.imported"])
web = StarletteAuth(
    AsyncAuth(
        KeyRing([Key.generate("HS256")]),
        TokenPolicy(issuer=ADDRESS, audience="nobody"),
        store=MemoryStore(),
    ),
    Deployment.insecure_localhost(ADDRESS),
    authenticate=lambda _: None,
    models=models,
)
app = web.wrap(Starlette(routes=[Mount("/api/auth", routes=web.routes())]))
