"""What may be given as ``on_refresh``? Plain functions, or awaited ones too."""

import inspect
from collections.abc import Awaitable, Callable, Mapping

from resilient_auth.core.sessions import Session
from resilient_auth.errors import ConfigError

Said = Mapping[str, object] | None
OnRefresh = Callable[[Session], Said]
AsyncOnRefresh = Callable[[Session], Awaitable[Said]]


def as_on_refresh(given: OnRefresh | None) -> OnRefresh | None:
    """Return *given*; `ConfigError` if it would have to be awaited."""
    if given is not None and _is_awaited(given):
        raise ConfigError("on_refresh is asynchronous: use AsyncAuth.")
    return given


def as_async_on_refresh(
    given: OnRefresh | AsyncOnRefresh | None,
) -> AsyncOnRefresh | None:
    """Return *given* as a function to be awaited."""
    if given is None:
        return None

    async def asked(session: Session) -> Said:
        said = given(session)
        return await said if isinstance(said, Awaitable) else said

    return asked


def _is_awaited(given: object) -> bool:
    return inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(
        getattr(given, "__call__", None)  # noqa: B004 - an object with async __call__
    )
