"""How does a stream go on, and how does it break? Up to a point, and then an ending."""

from collections.abc import Callable

from resilient_auth.testing.faults.bodies import Dialect
from resilient_auth.testing.faults.dates import http_date
from resilient_auth.testing.faults.framing import LAST_CHUNK, chunk, head
from resilient_auth.testing.faults.performance import Ending, Performance, Play

#: The events of a stream up to some point of it.
Upto = Callable[[Dialect], tuple[bytes, ...]]


def opened(dialect: Dialect) -> tuple[bytes, ...]:
    """Return what comes before the first text."""
    return (dialect.opening(),)


def midway(dialect: Dialect) -> tuple[bytes, ...]:
    """Return the events up to half of the text."""
    return (dialect.opening(), dialect.piece(dialect.scene.halves[0]))


def told(dialect: Dialect) -> tuple[bytes, ...]:
    """Return the events up to the end of the text, without the marker."""
    return (*midway(dialect), dialect.piece(dialect.scene.halves[1]))


def refused(dialect: Dialect) -> tuple[bytes, ...]:
    """Return the events up to the end of a refusal, without the marker."""
    return (dialect.opening(), dialect.refusal())


def nothing(dialect: Dialect) -> tuple[bytes, ...]:
    """Return no event."""
    del dialect
    return ()


def broken(upto: Upto, ending: Ending) -> Play:
    """Send the events up to a point; only `Ending.NEXT` ends the transfer cleanly."""
    return lambda dialect: _stream(dialect, *upto(dialect), ending=ending)


def finished(upto: Upto, reason: str) -> Play:
    """Send the events up to a point, and the marker with *reason*."""
    return lambda dialect: _stream(dialect, *upto(dialect), dialect.closing(reason))


def pulsing(dialect: Dialect) -> Performance:
    """Open the stream, and keep it alive."""
    pulse = chunk(dialect.keep_alive)
    return _stream(dialect, *opened(dialect), ending=Ending.PULSE, pulse=pulse)


def malformed(dialect: Dialect) -> Performance:
    """Send half of the text, and an event that is no JSON."""
    return _stream(dialect, *midway(dialect), dialect.malformed())


def failing(upto: Upto, fault: str) -> Play:
    """Send the events up to a point, and an error in the words for *fault*."""
    return lambda dialect: _stream(
        dialect, *upto(dialect), dialect.failure(dialect.said(fault))
    )


def _stream(
    dialect: Dialect,
    *events: bytes,
    ending: Ending = Ending.NEXT,
    pulse: bytes = b"",
) -> Performance:
    headers = {
        "date": http_date(dialect.scene.now),
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
        **dialect.headers(),
    }
    last = (LAST_CHUNK,) if ending is Ending.NEXT else ()
    chunks = (chunk(each) for each in events if each)
    return Performance((head(200, headers), *chunks, *last), ending, pulse)
