"""May one more retry go out? A token bucket that costs a success nothing."""

import threading

from resilient_auth.resilience.policy import RetryBudget


class Budget:
    """
    The retries that one key has left; may be asked from any thread.

    It is settled only when a retry is due: what calls and seconds have earned since is
    computed from the caller's counters, so that a call that succeeds never comes here.
    """

    __slots__ = ("_at", "_calls", "_lock", "_policy", "_tokens", "granted")

    def __init__(self, policy: RetryBudget, *, now: float) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._tokens = 10.0 * policy.per_second
        self._at = now
        self._calls = 0
        self.granted: int = 0

    def take(self, *, attempts: int, now: float) -> bool:
        """
        Spend one retry if there is one, at monotonic *now*.

        *attempts* counts all that ever went out for the key, retries included.
        """
        with self._lock:
            self._earn(attempts - self.granted, now)
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            self.granted += 1
            return True

    def _earn(self, calls: int, now: float) -> None:
        """Add what *calls* in all, and the time until *now*, have earned."""
        policy = self._policy
        earned = policy.ratio * max(0, calls - self._calls)
        earned += policy.per_second * max(0.0, now - self._at)
        self._tokens = min(policy.burst, self._tokens + earned)
        self._calls = max(calls, self._calls)
        self._at = max(now, self._at)
