"""Does the provider take our key? Asked for real, at most every so often."""

import asyncio
from collections.abc import Awaitable, Callable

from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core import arguments
from resilient_auth.core.arguments import described
from resilient_auth.core.checks import CheckResult
from resilient_auth.errors import ConfigError
from resilient_auth.resilience.verdict import classify

_REFUSALS = frozenset({"auth", "permission", "quota"})


class KeyCheck:
    """
    Fails when the provider refuses our API key, or its quota is used up.

    *probe* makes a call that costs nothing, such as ``client.models.list``, and may be
    sync (it gets a thread) or async. It is made at most every *every* seconds. Trouble
    that says nothing about the key only warns: the circuit tells about that.
    """

    critical = False

    def __init__(
        self,
        probe: Callable[[], object],
        *,
        name: str = "llm_key",
        every: float = 600.0,
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        if not callable(probe):
            raise ConfigError(f"probe takes a callable, not {described(probe)}.")
        arguments.text("name", name)
        arguments.seconds("every", every)
        arguments.seconds("timeout", timeout)
        self.name: str = name
        self.timeout: float = timeout
        self._probe = probe
        self._every = every
        self._clock: Clock = SystemClock() if clock is None else clock
        self._asked_at = float("-inf")
        self._found = CheckResult("warn", "not asked yet")

    async def arun(self) -> CheckResult:
        """Return what the provider last said of the key, asking where that is due."""
        now = self._clock.monotonic()
        if now - self._asked_at >= self._every:
            self._found = await self._ask()
            # What warns is asked again at the next look, for the key is not judged.
            self._asked_at = float("-inf") if self._found.status == "warn" else now
        return self._found

    async def _ask(self) -> CheckResult:
        try:
            asked = (
                self._probe()
                if arguments.is_awaited(self._probe)
                else await asyncio.to_thread(self._probe)
            )
            if isinstance(asked, Awaitable):
                await asked
        except Exception as error:  # noqa: BLE001 - judged
            kind = classify(error).kind
            return CheckResult("fail" if kind in _REFUSALS else "warn", kind)
        return CheckResult("pass")
