"""What may be given as ``on_refresh``? Plain functions, or awaited ones too."""

from collections.abc import Awaitable, Callable, Mapping

from resilient_auth.core.arguments import described, is_awaited
from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError

Said = Mapping[str, object] | None
OnRefresh = Callable[[Session], Said]
AsyncOnRefresh = Callable[[Session], Awaitable[Said]]


def as_on_refresh(given: OnRefresh | None) -> OnRefresh | None:
    """Return *given*; `ConfigError` if it would have to be awaited."""
    _callable(given)
    if given is not None and is_awaited(given):
        raise ConfigError("on_refresh is asynchronous: use AsyncAuth.")
    return given


def as_async_on_refresh(
    given: OnRefresh | AsyncOnRefresh | None,
) -> AsyncOnRefresh | None:
    """Return *given* as a function to be awaited."""
    _callable(given)
    if given is None:
        return None

    async def asked(session: Session) -> Said:
        said = given(session)
        return await said if isinstance(said, Awaitable) else said

    return asked


def _callable(given: object) -> None:
    if given is not None and not callable(given):
        raise ConfigError(f"on_refresh takes a function, not {described(given)}.")
