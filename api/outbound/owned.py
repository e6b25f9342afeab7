"""Whose integrations a call is about, and which of them."""

from collections.abc import Sequence

from api.call import Call
from api.database import Rows
from api.problem import NotFound
from domain.integration import WEBHOOK
from domain.roles import InOrganization, InProduct, allows, scopes_on
from projections.integrations.event import Owner
from projections.integrations.stored import COLUMNS, Opened, Row, open_all

UPDATE = "integrations:update"
ALL = f"""
    SELECT {COLUMNS} FROM integrations.integration
    WHERE (product_id = %(product)s OR user_id = %(user)s OR organization_id = %(organization)s)
"""
IN_ORDER = ALL + " ORDER BY created_at, integration_id"
OF_KIND = ALL + " AND kind = %(kind)s ORDER BY created_at, integration_id"
ONE = ALL + " AND integration_id = %(integration)s"
COUNT = f"SELECT count(*) FROM ({ALL}) AS own"


def owner_of(call: Call) -> Owner:
    """Of what the path names, or else of the caller."""
    match call.place:
        case InProduct(product_id=product_id):
            return Owner(product_id=product_id)
        case InOrganization(organization_id=organization_id):
            return Owner(organization_id=organization_id)
    return Owner(user_id=call.caller.user_id)


def params_of(owner: Owner) -> dict[str, object]:
    """One of three; the others are nobody's."""
    return {
        "product": owner.product_id,
        "user": owner.user_id or None,
        "organization": owner.organization_id or None,
    }


def may_see_secrets(call: Call) -> bool:
    """Whoever may set them, may see them."""
    return allows(scopes_on(call.caller.grants, call.place), UPDATE)


async def rows_of(call: Call, rows: Rows, kind: str = "") -> list[Row]:
    """The owner's integrations, the oldest first; of a kind, if one is named."""
    params = params_of(owner_of(call))
    if kind:
        return await rows.all(Row, OF_KIND, {**params, "kind": kind})
    return await rows.all(Row, IN_ORDER, params)


async def row_named(call: Call, rows: Rows) -> Row:
    """The integration that the path names, if it is the owner's. Raises NotFound."""
    only_webhooks = "webhook" in call.request.path_params
    named = call.part("webhook" if only_webhooks else "integration")
    wanted = {**params_of(owner_of(call)), "integration": named}
    row = await rows.one(Row, ONE, wanted)
    if row is None or (only_webhooks and row.kind != WEBHOOK):
        raise NotFound(what="Webhook" if only_webhooks else "Integration")
    return row


async def open_named(call: Call) -> Opened:
    """The same, with what is sealed. Raises NotFound."""
    async with call.snapshot() as snapshot:
        row = await row_named(call, snapshot)
    opened = await opened_rows(call, [row])
    if not opened:
        raise NotFound(what="Integration")
    return opened[0]


async def opened_rows(call: Call, rows: Sequence[Row]) -> list[Opened]:
    """Those whose key is there: what is removed at this moment is so already."""
    opened = await call.in_thread(open_all, call.cloud.seals, rows)
    return [one for one in opened if one is not None]
