"""When a delivery that failed is tried again, and when it is given up. Pure."""

from datetime import datetime, timedelta

WAIT_S_MIN = 10.0  # after the first attempt, doubled with each further one
WAIT_S_MAX = 3_600.0
ASKED_S_MAX = 3_600.0  # as long as a server may ask us to wait
DOUBLINGS_MAX = 20
JITTER = 0.5  # of a wait: who failed together does not come back together
GIVEN_UP_AFTER = timedelta(days=1)

# An answer that says so: the server is in trouble, or has too much to do.
TOO_MANY = 429
SERVER_TROUBLE = 500


def due_after(
    attempts: int, now: datetime, since: datetime, *, jitter: float, asked_s: float = 0.0
) -> datetime | None:
    """When to try again after so many attempts, None if it is given up.

    `jitter` is a random number from 0 to 1; `asked_s` is how long the server asks us to wait. The
    last attempt is made when the day is over.
    """
    if is_over(now, since):
        return None
    wait_s = min(WAIT_S_MAX, WAIT_S_MIN * 2.0 ** min(attempts - 1, DOUBLINGS_MAX))
    wait_s *= 1 - JITTER * jitter
    wait_s = max(wait_s, min(asked_s, ASKED_S_MAX))
    return min(now + timedelta(seconds=wait_s), since + GIVEN_UP_AFTER)


def is_over(now: datetime, since: datetime) -> bool:
    """Whether the day in which a delivery must succeed is over."""
    return now >= since + GIVEN_UP_AFTER


def is_servers_trouble(status: int | None) -> bool:
    """Whether others will fare no better there: no answer, too much to do, broken."""
    return status is None or status == TOO_MANY or status >= SERVER_TROUBLE


def seconds_asked(retry_after: str) -> float:
    """What a Retry-After header says in seconds; 0 if it says none, or a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
