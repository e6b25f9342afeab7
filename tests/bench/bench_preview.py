"""What a release would do to a product of 100,000 devices, asked through HTTP.

The counts, which cost the same whatever the size of the fleet, and the list of every device, page
by page. The references, on one connection of PostgreSQL: a bare SELECT that counts the same rows,
and one that reads them.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import psycopg

from tests.bench.history import PRODUCT, Placed, of_device, of_product
from tests.bench.measure import server_line
from tests.bench.results import Result, main
from tests.bench.whole import get, in_turns_ms, put
from tests.cloud import Cloud, cloud

PROMISE = "the impact of a release on 100,000 devices, counted and listed"
DEVICES, DEVICES_QUICK = 100_000, 1_000
COUNTED, COUNTED_QUICK = 100, 3
LISTED, LISTED_QUICK = 5, 1
PER_PAGE = 1_000
PATH = f"/v1/products/{PRODUCT}/impact"
# Version 2 is everybody's target already, and nobody runs anything yet.
RELEASE = {"firmware_version": 1, "product_default": "true"}

COUNT = """
    SELECT cohort_id, running, count(*) FROM fleet.device WHERE product_id = %s GROUP BY 1, 2
"""
LIST = """
    SELECT device_id, running, cohort_id FROM fleet.device WHERE product_id = %s ORDER BY device_id
"""


def measure(quick: bool) -> Sequence[Result]:
    devices = DEVICES_QUICK if quick else DEVICES
    with cloud() as ours:
        put(ours, chain(of_product(), imported_and_grouped(devices)))
        conninfo = ours.status["database"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE fleet.device")

            def bare(query: str) -> int:
                return len(connection.execute(query.encode(), [PRODUCT]).fetchall())

            assert counted(ours) == bare(LIST) == listed(ours) == devices
            count_ms, bare_count_ms = in_turns_ms(
                lambda: counted(ours), lambda: bare(COUNT), COUNTED_QUICK if quick else COUNTED
            )
            list_ms, bare_list_ms = in_turns_ms(
                lambda: listed(ours), lambda: bare(LIST), LISTED_QUICK if quick else LISTED
            )
            asked_ms, _ = in_turns_ms(
                lambda: ours.http.get("/health").raise_for_status(),
                lambda: None,
                COUNTED_QUICK if quick else COUNTED,
            )
        stands_on = server_line(conninfo)
    size = f"{devices:,} devices"
    return [
        stands_on,
        Result(f"counts, {size}", "ms", count_ms, bare_count_ms, None, "bare SELECT that counts"),
        Result(f"all of them listed, {size}", "ms", list_ms, bare_list_ms, None, "bare SELECT"),
        Result(f"an id listed, {size}", "µs", [one / devices * 1e3 for one in list_ms]),
        Result("any request: GET /health", "ms", asked_ms),
    ]


def imported_and_grouped(devices: int) -> Iterator[Placed]:
    for number in range(devices):
        yield from chain.from_iterable(of_device(number)[:2])


def counted(ours: Cloud) -> int:
    """How many devices would be updated."""
    impact = get(ours, PATH, **RELEASE)
    total: int = impact["devices"]["firmware_update"]["total"]
    return total


def listed(ours: Cloud) -> int:
    """Every one of them, as of one position; how many there are."""
    total, after = 0, ""
    position: dict[str, int] = {}
    while after is not None:
        wanted = {**RELEASE, "list": "true", "per_page": PER_PAGE, "after": after, **position}
        impact = get(ours, PATH, **wanted)
        total += len(impact["impacted"])
        after, position = impact.get("next"), {"position": impact["position"]}
    return total


if __name__ == "__main__":
    main("preview", PROMISE, measure)
