"""What must be true before an application serves? Each adapter asks at its start."""

from typing import Protocol

from resilient_auth.core import arguments


class RequiredAtStart(Protocol):
    """A condition of the start, such as a `ModelCheck`."""

    def require(self) -> None:
        """Raise `ConfigError`, which says what to change, unless all is well."""
        ...


def checked(models: RequiredAtStart | None) -> RequiredAtStart | None:
    """Return *models*; raises `ConfigError` for what is no condition."""
    if models is not None:
        arguments.methods("models", models, "require")
    return models
