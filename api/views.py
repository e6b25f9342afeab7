"""What several replies are made of."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

PER_PAGE_DEFAULT = 25
PER_PAGE_MAX = 100
PAGE_MAX = 1_000_000

PageNumber = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
PageRows = Annotated[int, Meta(ge=1, le=PER_PAGE_MAX)]


class Page(Struct, frozen=True):
    """Where a list stands."""

    page: int
    per_page: int
    total: int
    total_pages: int


class Done(Struct, frozen=True):
    ok: bool = True


class Said(Struct, frozen=True):
    message: str
    ok: bool = True


def page_of(page: int, per_page: int, total: int) -> Page:
    return Page(page, per_page, total, max(1, -(-total // per_page)))


def stamp(moment: datetime) -> str:
    """A time as the API spells it: UTC, with milliseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def stamp_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def now() -> str:
    return stamp(datetime.now(UTC))


def like(part: str) -> str:
    """A pattern for LIKE that finds the part anywhere, with nothing special in it."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
