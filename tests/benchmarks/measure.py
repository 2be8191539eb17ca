"""How is a ratio measured on a noisy machine? Interleaved, the minimum of each."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ROUNDS = 15
ROUND_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times are seconds, *target* is a ratio to the peer."""

    work: str
    ours: float
    peer: str
    theirs: float
    target: float | None = None

    @property
    def ratio(self) -> float:
        """Return our time over theirs."""
        return self.ours / self.theirs

    def __str__(self) -> str:
        verdict = ""
        if self.target is not None:
            verdict = "met" if self.ratio <= self.target else "MISSED"
        target = "" if self.target is None else f"≤ 1/{1 / self.target:.1f}"
        return (
            f"{self.work:<46} {self.ours * 1e6:>9.2f} µs   {self.peer:<26}"
            f"{self.theirs * 1e6:>9.2f} µs   1/{1 / self.ratio:<6.2f} "
            f"{target:<8} {verdict}"
        )


def race(*contestants: Callable[[], object]) -> list[float]:
    """Return the best time per call of each, taking turns so that noise hits all."""
    numbers = [_number(each) for each in contestants]
    best = [float("inf")] * len(contestants)
    for _ in range(ROUNDS):
        for n, contestant in enumerate(contestants):
            best[n] = min(best[n], _time(contestant, numbers[n]))
    return best


def arace(*contestants: Callable[[], Awaitable[object]]) -> list[float]:
    """Do the same for coroutine functions, each awaited in a row in one loop."""

    def driven(contestant: Callable[[], Awaitable[object]]) -> Callable[[], object]:
        async def many(number: int) -> None:
            """Await the contestant *number* times."""
            for _ in range(number):
                await contestant()

        return lambda: runner.run(many(100))

    with asyncio.Runner() as runner:
        return [each / 100 for each in race(*map(driven, contestants))]


def _number(contestant: Callable[[], object]) -> int:
    number = 1
    while True:
        # The best of three: one hiccup would leave a number far too small.
        spent = min(_time(contestant, number) for _ in range(3)) * number
        if spent > ROUND_SECONDS / 4:
            return max(1, int(number * ROUND_SECONDS / spent))
        number *= 4


def _time(contestant: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        contestant()
    return (time.perf_counter() - start) / number
