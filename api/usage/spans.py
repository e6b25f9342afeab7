"""Days that somebody asks for, and rows as a table of text."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from io import StringIO
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.views import PER_PAGE_DEFAULT, PageNumber, PageRows

CSV = "text/csv"
CSV_ROWS_MAX = 100_000  # of one reply
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 12, 31)


# A day that there is, of four digits of year; in February, 29 of any year.
DAY = (
    "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))"
)
DayWanted = Annotated[str, Meta(pattern=rf"^({DAY})?$(?!\n)")]


class SpanWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`from` and `to` are days, both included. `format` may be `csv`."""

    from_: DayWanted = ""
    to: DayWanted = ""
    format: Literal["json", "csv"] = "json"
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT

    def parameters(self) -> dict[str, object]:
        """For SQL: start, end, rows and before."""
        rows = CSV_ROWS_MAX if self.format == "csv" else self.per_page
        return {
            "start": day_of(self.from_) or FIRST_DAY,
            "end": day_of(self.to) or LAST_DAY,
            "rows": rows,
            "before": (self.page - 1) * rows,
        }


def day_of(given: str) -> date | None:
    """None for no day. 29 February of a year that has none is the 28th."""
    if not given:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        return date(int(given[:4]), 2, 28)


def as_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(names)
    table.writerows(rows)
    return text.getvalue()
