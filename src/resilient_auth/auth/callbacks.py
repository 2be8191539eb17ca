"""What may be given as ``on_refresh``? Plain functions, or awaited ones too."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from resilient_auth.core.arguments import described, is_awaited
from resilient_auth.core.outage import is_outage
from resilient_auth.core.sessions import Session
from resilient_auth.errors import AnswerError, ConfigError, Unavailable

Said = Mapping[str, object] | None
OnRefresh = Callable[[Session], Said]
AsyncOnRefresh = Callable[[Session], Awaitable[Said]]


def as_on_refresh(given: OnRefresh | None) -> OnRefresh | None:
    """Return *given*, its outages as 503; `ConfigError` if it must be awaited."""
    _callable(given)
    if given is None:
        return None
    if is_awaited(given):
        raise ConfigError("on_refresh is asynchronous: use AsyncAuth.")

    def asked(session: Session) -> Said:
        with _outages_are_503():
            return given(session)

    return asked


def as_async_on_refresh(
    given: OnRefresh | AsyncOnRefresh | None,
) -> AsyncOnRefresh | None:
    """Return *given* as a function to be awaited, its outages as 503."""
    _callable(given)
    if given is None:
        return None

    async def asked(session: Session) -> Said:
        with _outages_are_503():
            said = given(session)
            return await said if isinstance(said, Awaitable) else said

    return asked


def _callable(given: object) -> None:
    if given is not None and not callable(given):
        raise ConfigError(f"on_refresh takes a function, not {described(given)}.")


@contextmanager
def _outages_are_503() -> Iterator[None]:
    """Turn an outage of what the application asks into `Unavailable`; a bug stays."""
    try:
        yield
    except AnswerError:
        raise
    except Exception as error:
        if not is_outage(error):
            raise
        raise Unavailable(reason=f"on_refresh: {type(error).__name__}") from error
