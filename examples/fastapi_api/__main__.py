"""How is it run? ``python -m examples.fastapi_api``, then open /docs."""

import uvicorn
from examples.fastapi_api.app import Settings, create_app

if __name__ == "__main__":
    settings = Settings.from_env()
    print(f"{settings.address}/docs  (log in as ann or bob, password: correct horse)")
    uvicorn.run(create_app(settings), port=settings.port)
