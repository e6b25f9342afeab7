"""Days that somebody asks for, and rows as a table of text."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from io import StringIO
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.problem import FieldInvalid
from api.views import PER_PAGE_DEFAULT, PageNumber, PageRows
from domain.meter import DAY_PATTERN

CSV = "text/csv"
CSV_ROWS_MAX = 100_000  # of one reply
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 12, 31)

DayWanted = Annotated[str, Meta(pattern=rf"{DAY_PATTERN}|^$(?!\n)")]


class SpanWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`from` and `to` are days, both included. `format` may be `csv`."""

    from_: DayWanted = ""
    to: DayWanted = ""
    format: Literal["json", "csv"] = "json"
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT

    def parameters(self) -> dict[str, object]:
        """For SQL: start, end, rows and before. Raises FieldInvalid."""
        rows = CSV_ROWS_MAX if self.format == "csv" else self.per_page
        return {
            "start": day_of(self.from_, "from", FIRST_DAY),
            "end": day_of(self.to, "to", LAST_DAY),
            "rows": rows,
            "before": (self.page - 1) * rows,
        }


def day_of(given: str, field: str, otherwise: date) -> date:
    """Raises FieldInvalid."""
    if not given:
        return otherwise
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise FieldInvalid(field=field, reason="there is no such day") from None


def as_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(names)
    table.writerows(rows)
    return text.getvalue()
