"""Whose the devices of an import are, and may be: people of the product's team, or nobody."""

from collections.abc import Iterable
from typing import Any

from psycopg.rows import tuple_row

from api.call import Call
from api.problem import FieldInvalid
from domain.log.fleet import Fleet
from domain.roles import InProduct, teams_over
from domain.user import normal_email
from projections.fleet import ProductRow

# The owner of a product, or of its organization, is of the team without a seat in it.
OF_TEAM = """
    SELECT asked.user_id FROM unnest(%(user_ids)s::text[]) AS asked (user_id)
    WHERE %(owner)s = 'user:' || asked.user_id
       OR EXISTS (SELECT FROM access.member m WHERE m.team = ANY (%(teams)s)
                  AND m.user_id = asked.user_id AND m.state = 'member')
       OR EXISTS (SELECT FROM access.organization o WHERE o.organization_id = ANY (%(teams)s)
                  AND o.owner = asked.user_id)
"""
NAMED = "SELECT user_id FROM access.account WHERE email_digest = %s AND NOT erased"


def params(product: ProductRow, user_ids: list[str]) -> dict[str, Any]:
    """Of OF_TEAM."""
    teams = teams_over(InProduct(product.product_id, product.owner))
    return {"user_ids": user_ids, "owner": product.owner, "teams": [*teams]}


class Owners:
    """Which owners met in a chunk are not of the team: looked up once a chunk that has any."""

    def __init__(self, fleet: Fleet, product: ProductRow) -> None:
        self._fleet = fleet
        self._product = product
        self._outside: set[str] = set()

    def learn(self, owners: Iterable[str]) -> None:
        met = {owner for owner in owners if owner}
        self._outside = met
        if not met:
            return
        with (
            self._fleet.recorder.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            cursor.execute(OF_TEAM, params(self._product, list(met)))
            self._outside = met - {user_id for (user_id,) in cursor}

    def outside(self, owner: str) -> bool:
        return owner in self._outside


async def member_named(call: Call, product: ProductRow, email: str) -> str:
    """The id of the member of the product's team, or owner, with that e-mail; empty for none.

    Raises FieldInvalid, and tells nobody whether there is such an account elsewhere.
    """
    if not email:
        return ""
    digest = call.cloud.seals.digest(normal_email(email))
    async with call.cloud.database.reading() as rows:
        user_id = await rows.value(NAMED, [digest])
        if user_id is not None and await rows.value(OF_TEAM, params(product, [user_id])):
            found: str = user_id
            return found
    raise FieldInvalid(field="claim_user", reason="is nobody on the product's team")
