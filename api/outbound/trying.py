"""Sending a request at once, to see what comes of it."""

from anyio import CapacityLimiter

from projections.deliveries.addresses import Reach
from projections.deliveries.sending import Limits, Outcome, send
from projections.integrations.request import Request

AT_ONCE_MAX = 32


class Trials:
    """Sends the requests, as far as deliveries go, and so many at a time."""

    def __init__(self, reach: Reach) -> None:
        self._limits = Limits(reach=reach)
        self._at_once = CapacityLimiter(AT_ONCE_MAX)

    async def send(self, request: Request) -> Outcome:
        """Never raises for what the world does."""
        async with self._at_once:
            return await send(request, self._limits)
