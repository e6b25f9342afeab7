"""What people call who did something. No event names anybody: it is looked up when it is shown."""

from collections.abc import Iterable

from msgspec import Struct

from api.database import Rows
from domain.holders import CUSTOMER_PREFIX

USER = "user:"
API_USER = "api-user:"

NAMES = f"""
    SELECT '{USER}' || user_id AS actor, email AS name FROM access.account
    WHERE user_id = ANY (%(users)s) AND email IS NOT NULL
    UNION ALL
    SELECT '{API_USER}' || api_user_id, username FROM access.api_user
    WHERE api_user_id = ANY (%(api_users)s)
    UNION ALL
    SELECT '{CUSTOMER_PREFIX}' || customer_id, username FROM access.customer
    WHERE customer_id = ANY (%(customers)s) AND username IS NOT NULL
"""


class Named(Struct, frozen=True):
    actor: str
    name: str


async def names_of(rows: Rows, actors: Iterable[str]) -> dict[str, str]:
    """E-mails and other names by actor. Who is erased, or was no person, is not among them."""
    known = set(actors)
    wanted = {
        "users": ids(known, USER),
        "api_users": ids(known, API_USER),
        "customers": ids(known, CUSTOMER_PREFIX),
    }
    if not any(wanted.values()):
        return {}
    return {named.actor: named.name for named in await rows.all(Named, NAMES, wanted)}


def ids(actors: Iterable[str], prefix: str) -> list[str]:
    """Of those whose kind the prefix names."""
    return [actor.removeprefix(prefix) for actor in actors if actor.startswith(prefix)]
