"""How is it run? ``python -m examples.flask_site``, then open the address."""

from examples.flask_site.app import Settings, create_app

if __name__ == "__main__":
    settings = Settings.from_env()
    print(f"{settings.address}  (log in as ann, password: correct horse)")
    create_app(settings).run(port=settings.port)
