"""How often somebody may do something: counted in windows of time, in bounded memory."""

from collections.abc import Callable, Hashable
from time import monotonic


class RateLimit:
    """At most so many times a window for each key.

    Everything is forgotten when the window ends, or early when more keys came than we care to
    remember: an attacker with many names makes the limit milder, never our memory larger.
    """

    def __init__(
        self,
        times_max: int,
        window_s: float,
        keys_max: int = 100_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._times_max = times_max
        self._window_s = window_s
        self._keys_max = keys_max
        self._clock = clock
        self._ends = 0.0
        self._times: dict[Hashable, int] = {}

    def take(self, key: Hashable) -> bool:
        """Count one more; False if it is one too many."""
        times = self._now().get(key, 0) + 1
        self._times[key] = times
        return times <= self._times_max

    def is_spent(self, key: Hashable) -> bool:
        """Whether the next one would be one too many; counts nothing."""
        return self._now().get(key, 0) >= self._times_max

    def _now(self) -> dict[Hashable, int]:
        now = self._clock()
        if now >= self._ends or len(self._times) >= self._keys_max:
            self._times = {}
            self._ends = now + self._window_s
        return self._times
