"""
How is it run? Beside its issuer, which logs people in and publishes its keys.

::

    resilient-auth keys generate keys.json
    AUTH_KEYS="$(cat keys.json)" python -m examples.fastapi_api
    ISSUER=http://localhost:8000 PORT=8001 python -m examples.verify_only_service
"""

import uvicorn
from examples.verify_only_service.app import Settings, create_app

if __name__ == "__main__":
    settings = Settings.from_env()
    print(f"http://localhost:{settings.port}/docs  (tokens of {settings.issuer})")
    uvicorn.run(create_app(settings), port=settings.port)
