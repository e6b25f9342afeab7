"""Integrations with their secrets, opened once for each time that they changed."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from domain.log.seals import Seals
from projections.integrations.stored import Opened, Row, open_all

OPENED_MAX = 1_000


class Opening:
    """What was opened lately is remembered: whose key is destroyed has no row any more."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._opened: OrderedDict[tuple[str, int], Opened | None] = OrderedDict()

    async def open(self, rows: Sequence[Row]) -> dict[str, Opened | None]:
        """By their ids; None for one whose key is destroyed already."""
        asked = {(row.integration_id, row.last_position): row for row in rows}
        unknown = [row for key, row in asked.items() if key not in self._opened]
        if unknown:
            # Keys are looked up, for which threads have connections of their own.
            opened = await asyncio.to_thread(open_all, self._seals, unknown)
            for row, one in zip(unknown, opened, strict=True):
                self._opened[row.integration_id, row.last_position] = one
        found = {}
        for key in asked:
            self._opened.move_to_end(key)
            found[key[0]] = self._opened[key]
        while len(self._opened) > OPENED_MAX:
            self._opened.popitem(last=False)
        return found
