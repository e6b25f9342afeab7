"""How many events a device may publish: so many a second in the long run, more now and then."""

EVENTS_PER_S_DEFAULT = 10.0
AT_ONCE = 100  # one full message
DEVICES_MAX = 200_000


class Allowance:
    """What each device has left, in bounded memory. Time is that of the messages, in seconds.

    A device that was not heard for a while has all of it: nothing need be remembered of it. Where
    more devices than we care to remember use theirs up, all of them have everything again.
    """

    def __init__(self, events_per_s: float, devices_max: int = DEVICES_MAX) -> None:
        """Without a limit where `events_per_s` is 0."""
        self._events_per_s = events_per_s
        self._devices_max = devices_max
        self._left: dict[str, tuple[float, float]] = {}  # and when

    @property
    def refusal(self) -> str:
        return f"too often: {self._events_per_s:g} events a second are the limit; try again later"

    def take(self, device_id: str, wanted: int, at_s: float) -> int:
        """So many of the events it may publish now; these count."""
        if not self._events_per_s:
            return wanted
        left, since_s = self._left.get(device_id, (AT_ONCE, at_s))
        left = min(AT_ONCE, left + max(0.0, at_s - since_s) * self._events_per_s)
        granted = min(wanted, int(left))
        if len(self._left) >= self._devices_max and device_id not in self._left:
            self._forget(at_s)
        self._left[device_id] = (left - granted, at_s)
        return granted

    def _forget(self, at_s: float) -> None:
        """Those who have everything again; if there are none, everybody."""
        full_s = AT_ONCE / self._events_per_s
        self._left = {
            device_id: (left, since_s)
            for device_id, (left, since_s) in self._left.items()
            if at_s - since_s < full_s
        }
        if len(self._left) >= self._devices_max:
            self._left = {}
