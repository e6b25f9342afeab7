"""Days that somebody asks for, and rows as a table of text."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from io import StringIO
from typing import Literal

from msgspec import Struct

from api.views import PER_PAGE_DEFAULT, PageNumber, PageRows

CSV = "text/csv"
CSV_ROWS_MAX = 100_000  # of one reply
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 12, 31)


class SpanWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`from` and `to` are days, both included. `format` may be `csv`."""

    from_: date | None = None
    to: date | None = None
    format: Literal["json", "csv"] = "json"
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT

    def parameters(self) -> dict[str, object]:
        """For SQL: start, end, rows and before."""
        rows = CSV_ROWS_MAX if self.format == "csv" else self.per_page
        return {
            "start": self.from_ or FIRST_DAY,
            "end": self.to or LAST_DAY,
            "rows": rows,
            "before": (self.page - 1) * rows,
        }


def as_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(names)
    table.writerows(rows)
    return text.getvalue()
