"""How do the parts fit together? One function, which tests call too."""

import os
from dataclasses import dataclass

from examples.flask_site.lines import Base, Lines
from examples.flask_site.users import Users
from flask import Flask, Response, g, jsonify, render_template, request
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from resilient_auth import (
    Auth,
    Deployment,
    FlaskAuth,
    Key,
    KeyRing,
    ModelCheck,
    Refused,
    SQLAlchemyStore,
    TokenPolicy,
    engine_settings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the site stands, and where it keeps its rows."""

    port: int = 8000
    database: str = "sqlite:///lines.db"

    @classmethod
    def from_env(cls) -> "Settings":
        """Return what ``PORT`` and ``DATABASE_URL`` say."""
        return cls(
            port=int(os.environ.get("PORT", cls.port)),
            database=os.environ.get("DATABASE_URL", cls.database),
        )

    @property
    def address(self) -> str:
        """Return the site's origin."""
        return f"http://localhost:{self.port}"


def create_app(settings: Settings) -> Flask:
    """Return the application; its tables are made, and ann may log in."""
    engine = create_engine(settings.database, **engine_settings(settings.database))
    rows = sessionmaker(engine, expire_on_commit=False)
    store = SQLAlchemyStore(engine)
    Base.metadata.create_all(engine)
    store.create_schema()
    users = Users(rows)
    users.ensure("ann", "correct horse")

    policy = TokenPolicy(issuer=settings.address, audience="lines")
    web = FlaskAuth(
        Auth(_ring(), policy, store=store),
        Deployment.insecure_localhost(settings.address),
        authenticate=users.check,
        models=ModelCheck(Base, packages=["examples.flask_site"]),
    )
    app = Flask(__name__)
    web.init_app(app)
    _add_views(app, web, Lines(rows))
    return app


def _add_views(app: Flask, web: FlaskAuth, lines: Lines) -> None:
    @app.get("/")
    def page() -> str:
        who = web.optional()
        return render_template("page.html", lines=lines.newest(), who=who)

    @app.post("/lines")
    @web.required()
    def write() -> tuple[Response, int]:
        text = request.form.get("text", "")
        if not 0 < len(text) <= 200:
            raise Refused("request_invalid", "text is 1 to 200 characters.")
        lines.add(g.principal.subject, text)
        return jsonify(lines=lines.newest()), 201

    @app.post("/clear")
    @web.required(recent=60)
    def clear() -> Response:
        lines.clear()
        return jsonify(lines=[])


def _ring() -> KeyRing:
    """Return the ring in ``AUTH_KEYS``, or one that ends with the process."""
    if "AUTH_KEYS" in os.environ:
        return KeyRing.from_env("AUTH_KEYS")
    return KeyRing([Key.generate("HS256")])
