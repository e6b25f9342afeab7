"""Integrations of a product, a user's own devices or an organization: set up, changed, removed."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from api.call import Call
from api.database import Snapshot
from api.fleet.products import product_in
from api.outbound import owned
from api.outbound.attempts import AttemptObject, last_attempts
from api.outbound.counters import Counters, counters_of
from api.outbound.shown import IntegrationObject, parts_of, shown
from api.outbound.wanted import (
    NAMES,
    WantedIntegration,
    is_set,
    kind_wanted,
    name_of,
    settings_wanted,
)
from api.people.oauth import unstored
from api.problem import FieldInvalid, NotFound, PermissionDenied, Problem
from api.views import stamp
from domain.integration import (
    SETTINGS,
    SIGNING_SECRET,
    WEBHOOK,
    CreateIntegration,
    Kind,
    RemoveIntegration,
    ReplaceIntegration,
    RotateSigningSecret,
)
from domain.integration_events import IntegrationCreated
from domain.log.seals import KeyDestroyed
from domain.model import Command, Refused
from domain.user_events import UserErased
from projections.integrations.settings import Settings, SettingsWrong, stored
from projections.integrations.stored import Opened, Row

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"
FORMER_SECRET_VALID = timedelta(hours=24)
WATCHED = (IntegrationCreated, UserErased)
LOOKED_AT = ("access", "fleet", "integrations")

THERE = "SELECT NOT erased FROM access.account WHERE user_id = %s"


class NewIntegration(IntegrationObject, frozen=True, kw_only=True, omit_defaults=True):
    """One just created, its own address, and what its requests are signed with: shown this once."""

    ok: bool
    signing_secret: str
    hook_url: str = ""
    integration_url: str = ""


class WholeIntegration(IntegrationObject, frozen=True, kw_only=True, omit_defaults=True):
    """One, with its last attempts, the newest first, and what becomes of its deliveries."""

    logs: list[AttemptObject]
    counters: Counters


class OneIntegration(Struct, frozen=True):
    integration: WholeIntegration


class ChangedIntegration(Struct, frozen=True):
    integration: IntegrationObject


class RotatedSecret(Struct, frozen=True):
    """Requests are signed with both until `former_until`, a time."""

    id: str
    signing_secret: str
    former_until: str
    ok: bool = True


async def list_integrations(call: Call) -> list[IntegrationObject]:
    """The integrations, the oldest first."""
    return await listed(call)


async def list_webhooks(call: Call) -> list[IntegrationObject]:
    """The webhooks among the integrations, the oldest first."""
    return await listed(call, WEBHOOK)


async def listed(call: Call, kind: str = "") -> list[IntegrationObject]:
    async with call.snapshot() as snapshot:
        rows = await owned.rows_of(call, snapshot, kind)
    whole = owned.may_see_secrets(call)
    return [shown(one, whole=whole) for one in await owned.opened_rows(call, rows)]


async def create_integration(
    call: Call, body: WantedIntegration
) -> Annotated[Response, NewIntegration]:
    """Set up an integration."""
    return await create(call, body, kind_wanted(body.integration_type))


async def create_webhook(
    call: Call, body: WantedIntegration
) -> Annotated[Response, NewIntegration]:
    """Set up a webhook."""
    if body.integration_type is not None and kind_wanted(body.integration_type) != WEBHOOK:
        raise FieldInvalid(field="integration_type", reason=f"must be {NAMES[WEBHOOK]} here")
    return await create(call, body, WEBHOOK)


async def create(call: Call, wanted: WantedIntegration, kind: Kind) -> Response:
    settings, owner = settings_wanted(kind, wanted), owned.owner_of(call)
    integration_id, secret = secrets.token_hex(12), new_secret()
    seals = call.cloud.seals
    texts = {SETTINGS: text_of(settings), SIGNING_SECRET: secret}
    await call.in_thread(seals.new_key, integration_id)
    sealed = await call.in_thread(seals.seal_all, integration_id, texts)
    command = CreateIntegration(
        integration_id=integration_id,
        kind=kind,
        name=name_of(wanted, settings),
        event_prefix=wanted.event,
        settings=sealed[SETTINGS],
        secret=sealed[SIGNING_SECRET],
        product_id=owner.product_id,
        user_id=owner.user_id,
        organization_id=owner.organization_id,
        device_id=wanted.device,
        disabled=is_set(wanted.disabled),
    )

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        if owner.product_id is not None:
            await product_in(call, snapshot)
        if owner.user_id and not await snapshot.value(THERE, [owner.user_id]):
            raise PermissionDenied
        there_are = await snapshot.value(owned.COUNT, owned.params_of(owner))
        return [replace(command, there_are=there_are)]

    try:
        await call.decide(owner.product_id, WATCHED, look, models=LOOKED_AT)
    except (Refused, Problem):
        await call.in_thread(seals.destroy, integration_id)
        raise
    row = await as_stored(call, row_of(command))
    address = str(call.request.url.replace(query="")).rstrip("/") + f"/{integration_id}"
    made = NewIntegration(
        ok=True,
        signing_secret=secret,
        hook_url=address if kind == WEBHOOK else "",
        integration_url="" if kind == WEBHOOK else address,
        **parts_of(row, settings, whole=True),
    )
    return unstored(made, 201)


async def get_integration(call: Call) -> OneIntegration:
    """An integration, with the last attempts to deliver to it."""
    opened = await owned.open_named(call)
    async with call.cloud.database.reading() as rows:
        logs = await last_attempts(rows, opened.row.integration_id)
        counters = await counters_of(rows, opened.row.integration_id)
    parts = parts_of(opened.row, opened.settings, whole=owned.may_see_secrets(call))
    return OneIntegration(WholeIntegration(logs=logs, counters=counters, **parts))


async def replace_integration(call: Call, body: WantedIntegration) -> ChangedIntegration:
    """Set an integration up anew: what is not sent is no longer as it was."""
    opened = await owned.open_named(call)
    row = opened.row
    if body.integration_type not in (None, NAMES[row.kind]):
        raise FieldInvalid(field="integration_type", reason="cannot be changed")
    settings = settings_wanted(row.kind, body)
    command = ReplaceIntegration(
        integration_id=row.integration_id,
        name=name_of(body, settings),
        event_prefix=body.event,
        settings=await sealed_if_new(call, opened, settings),
        device_id=body.device,
        disabled=is_set(body.disabled),
    )
    await call.carry_out(command)
    changed = await as_stored(
        call,
        replace(
            row,
            name=command.name,
            event_prefix=command.event_prefix,
            device_id=command.device_id or None,
            disabled=command.disabled,
        ),
    )
    return ChangedIntegration(IntegrationObject(**parts_of(changed, settings, whole=True)))


async def remove_integration(call: Call) -> None:
    """Remove an integration. Nothing is delivered to it any more."""
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
    await call.carry_out(RemoveIntegration(integration_id=row.integration_id))
    # The read model does it, too, once it is there; nobody has to wait for that.
    await call.in_thread(call.cloud.seals.destroy, row.integration_id)


async def rotate_secret(call: Call) -> Annotated[Response, RotatedSecret]:
    """Sign with another secret, shown this once; with the former too, for a day."""
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
    secret, until = new_secret(), stamp(datetime.now(UTC) + FORMER_SECRET_VALID)
    sealed = await sealed_texts(call, row, {SIGNING_SECRET: secret})
    await call.carry_out(
        RotateSigningSecret(
            integration_id=row.integration_id, secret=sealed[SIGNING_SECRET], former_until=until
        )
    )
    return unstored(RotatedSecret(row.integration_id, secret, until))


def new_secret() -> str:
    """As the Standard Webhooks spell it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def text_of(settings: Settings) -> str:
    """Raises FieldInvalid for settings that are too long."""
    try:
        return stored(settings)
    except SettingsWrong as error:
        raise FieldInvalid(field=error.field, reason=error.reason) from None


async def sealed_if_new(call: Call, opened: Opened, settings: Settings) -> str | None:
    """The settings sealed, None if they are as they were. Raises NotFound."""
    if settings == opened.settings:
        return None
    return (await sealed_texts(call, opened.row, {SETTINGS: text_of(settings)}))[SETTINGS]


async def sealed_texts(call: Call, row: Row, texts: Mapping[str, str]) -> dict[str, str]:
    """Raises NotFound for one that was removed at this moment."""
    try:
        return await call.in_thread(call.cloud.seals.seal_all, row.integration_id, texts)
    except KeyDestroyed:
        raise NotFound(what="Integration") from None


async def as_stored(call: Call, row: Row) -> Row:
    """The row as everybody reads it; the one given, if the read model is not there in time."""
    await call.settle()
    wanted = {**owned.params_of(row.owner), "integration": row.integration_id}
    async with call.cloud.database.reading() as rows:
        return await rows.one(Row, owned.ONE, wanted) or row


def row_of(command: CreateIntegration) -> Row:
    now = datetime.now(UTC)
    return Row(
        integration_id=command.integration_id,
        kind=command.kind,
        product_id=command.product_id,
        user_id=command.user_id or None,
        organization_id=command.organization_id or None,
        event_prefix=command.event_prefix,
        device_id=command.device_id or None,
        name=command.name,
        disabled=command.disabled,
        settings=command.settings,
        secret=command.secret,
        former_secret=None,
        former_until=None,
        created_at=now,
        updated_at=now,
        last_position=0,
    )
