"""
Is the service alive, and is it ready? Cached answers that a probe can ask at any rate.

Liveness depends on nothing, by construction: a restart does not mend a database.
Readiness asks its checks at most every *refresh* seconds, all at once, each with a time
limit of its own, and only one caller at a time: the others are given the last answer.
A check is red before it first passed and after *fail_after* failures in a row, and
green again after two successes. The public body says pass, warn or fail and no more;
the reasons go to the listeners. Format: draft-inadarei-api-health-check-06.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.checks import BADNESS, CheckResult, Status
from resilient_auth.core.text import write_object
from resilient_auth.core.view import Answer
from resilient_auth.errors import ConfigError
from resilient_auth.events import HealthChanged, Listener, tell

Probe = Callable[[], Awaitable[Answer]]

_RECOVER_AFTER = 2


class Check(Protocol):
    """One thing that readiness depends on; not *critical* means: warn, do not fail."""

    @property
    def name(self) -> str:
        """Return the public name, such as ``database``."""
        ...

    @property
    def critical(self) -> bool:
        """Say whether the service cannot serve without it."""
        ...

    @property
    def timeout(self) -> float:
        """Return the seconds after which the check has failed."""
        ...

    async def arun(self) -> CheckResult:
        """Look, and say what was found; may raise, which is a failure."""
        ...


class Health:
    """
    Liveness and readiness of one process; belongs to one event loop.

    Raises `ConfigError` for two checks of one name.
    """

    def __init__(
        self,
        checks: Iterable[Check],
        *,
        refresh: float = 5.0,
        fail_after: int = 2,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        arguments.seconds("refresh", refresh)
        arguments.count("fail_after", fail_after)
        if clock is not None:
            arguments.methods("clock", clock, "time", "monotonic")
        self._watched = tuple(
            _Watched(_checked(each), fail_after)
            for each in arguments.several("checks", checks)
        )
        if len({each.check.name for each in self._watched}) != len(self._watched):
            raise ConfigError("Two checks share one name; rename one.")
        self._refresh = refresh
        self._listeners = arguments.listeners_of(listeners)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    def routes(
        self, *, live: str = "/livez", ready: str = "/readyz"
    ) -> Mapping[str, Probe]:
        """Return path → coroutine function; an adapter's wrap serves them."""
        return {live: self.live, ready: self.ready}

    async def live(self) -> Answer:
        """Answer that this process runs; depends on nothing."""
        return _answer("pass", {})

    async def ready(self) -> Answer:
        """Answer from the last look, looking again where that is due."""
        if self._clock.monotonic() - self._looked_at >= self._refresh:
            await self._look_once()
        shown: dict[str, Status] = {
            each.check.name: each.shown for each in self._watched
        }
        return _answer(_worst(shown.values()), shown)

    async def _look_once(self) -> None:
        """Look, or wait for who looks; once there is an answer, nobody waits."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        elif self._looked_at > float("-inf"):
            return
        # A probe that hangs up must not take the look away from the others.
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        results = await asyncio.gather(*(each.look() for each in self._watched))
        self._looked_at = self._clock.monotonic()
        for watched, result in zip(self._watched, results, strict=True):
            previous = watched.shown if watched.seen else "starting"
            if watched.take(result):
                self._tell(watched, previous, result.reason)

    def _tell(self, watched: "_Watched", previous: str, reason: str) -> None:
        tell(
            self._listeners,
            HealthChanged(
                at=self._clock.time(),
                check=watched.check.name,
                critical=watched.check.critical,
                status=watched.shown,
                previous=previous,
                reason=reason,
            ),
        )


class BreakerCheck:
    """Warns while a circuit is open: the service serves on, without this provider."""

    critical = False
    timeout: float = 1.0

    def __init__(self, breakers: "HasSnapshot", *, name: str = "llm") -> None:
        arguments.methods("breakers", breakers, "snapshot")
        arguments.text("name", name)
        self.name: str = name
        self._breakers = breakers

    async def arun(self) -> CheckResult:
        """Return warn and the keys of the circuits that are not closed."""
        circuits = self._breakers.snapshot()
        bad = [key for key, each in circuits.items() if each.state != "closed"]
        if not bad:
            return CheckResult("pass")
        return CheckResult("warn", f"not closed: {', '.join(bad)}")


class HasState(Protocol):
    """A circuit: ``closed``, ``open`` or ``half_open``."""

    @property
    def state(self) -> str:
        """Return the state's name."""
        ...


class HasSnapshot(Protocol):
    """What `BreakerCheck` looks at: a `Resilience`."""

    def snapshot(self) -> Mapping[str, HasState]:
        """Return each circuit by its key."""
        ...


class _Watched:
    """One check with its memory: what is shown, and what speaks against it."""

    def __init__(self, check: Check, fail_after: int) -> None:
        self.check = check
        self.seen = False
        self.shown: Status = "fail" if check.critical else "warn"
        self._fail_after = fail_after
        self._against = 0
        self._running: asyncio.Task[CheckResult] | None = None

    async def look(self) -> CheckResult:
        """Run the check within its time limit; one that still runs is not run again."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(_run(self.check))
        # Not `asyncio.timeout`, which waits for whoever will not be cancelled.
        await asyncio.wait({self._running}, timeout=self.check.timeout)
        if not self._running.done():
            self._running.cancel()
            return CheckResult("fail", f"no answer in {self.check.timeout} s")
        if self._running.cancelled():
            return CheckResult("fail", "cancelled from inside")
        return self._running.result()

    def take(self, result: CheckResult) -> bool:
        """Take a result; say whether what is shown changed, or is shown at last."""
        first, self.seen = not self.seen, True
        status = result.status
        if status == "fail" and not self.check.critical:
            status = "warn"
        self._against = 0 if status == self.shown else self._against + 1
        better = BADNESS[status] < BADNESS[self.shown]
        needed = _RECOVER_AFTER if better else self._fail_after
        if not first and self._against < needed:
            return False
        self._against, self.shown = 0, status
        return True


def _checked(check: Check) -> Check:
    """Return *check*, once it is known to have all that a check has."""
    arguments.methods("A check", check, "arun")
    arguments.text("A check's name", check.name)
    arguments.flag("critical", check.critical)
    arguments.seconds("timeout", check.timeout)
    return check


async def _run(check: Check) -> CheckResult:
    """Run *check*; whatever it raises is a failure."""
    try:
        result: object = await check.arun()
    except Exception as error:  # noqa: BLE001 - a check that breaks has failed
        return CheckResult("fail", type(error).__name__)
    if isinstance(result, CheckResult):
        return result
    return CheckResult("fail", f"no CheckResult but {arguments.described(result)}")


def _worst(shown: Collection[Status]) -> Status:
    if "fail" in shown:
        return "fail"
    return "warn" if "warn" in shown else "pass"


def _answer(status: Status, checks: Mapping[str, Status]) -> Answer:
    body: dict[str, object] = {"status": status}
    if checks:
        body["checks"] = {
            name: [{"status": shown}] for name, shown in sorted(checks.items())
        }
    headers = [
        ("Content-Type", "application/health+json"),
        ("Cache-Control", "no-store"),
    ]
    if status == "fail":
        headers.append(("Retry-After", "5"))
    return Answer(503 if status == "fail" else 200, tuple(headers), write_object(body))
