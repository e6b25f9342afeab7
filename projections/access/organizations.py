"""Organizations: what they are called and whose they are; ownership that waits for an answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.model import Event
from domain.organization import (
    OrganizationCreated,
    OrganizationDeclined,
    OrganizationOffered,
    OrganizationOfferWithdrawn,
    OrganizationRenamed,
    OrganizationTransferred,
)
from domain.product import ProductRetired
from domain.product_ownership import (
    OwnershipTransferred,
    ProductDeclined,
    ProductOffered,
    ProductOfferWithdrawn,
)
from domain.recorded import Recorded

Sql = Cursor[tuple[Any, ...]]

LOAD = "SELECT * FROM {organization} WHERE organization_id = ANY(%s)"
FORGET = "DELETE FROM {organization} WHERE organization_id = ANY(%s)"
COPY = "COPY {organization} FROM STDIN"
FORGET_OFFERS = "DELETE FROM {ownership_offer} WHERE team = ANY(%s)"
COPY_OFFERS = "COPY {ownership_offer} FROM STDIN"


class OrganizationRow(Struct):
    """A row of table `organization`, in the order of its columns."""

    organization_id: str
    slug: str
    name: str
    owner: str
    created_at: datetime | None
    updated_at: datetime | None


class Organizations:
    """Table `organization`."""

    takes: tuple[type[Event], ...] = (
        OrganizationCreated,
        OrganizationRenamed,
        OrganizationTransferred,
    )

    def __init__(self, schema: str) -> None:
        organization = Identifier(schema, "organization")
        self._load, self._forget, self._copy = (
            SQL(query).format(organization=organization) for query in (LOAD, FORGET, COPY)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in events]
        ids = sorted({event.organization_id for event in happened})
        cursor.execute(self._load, [ids], prepare=True)
        organizations = {row[0]: OrganizationRow(*row) for row in cursor.fetchall()}
        for recorded in events:
            fold_organization(organizations, recorded)
        cursor.execute(self._forget, [ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for organization in organizations.values():
                copy.write_row(astuple(organization))


def fold_organization(organizations: dict[str, OrganizationRow], recorded: Recorded) -> None:
    event: Any = recorded.event
    key, at = event.organization_id, recorded.recorded_at
    match event:
        case OrganizationCreated(slug=slug, name=name, owner=owner):
            organizations[key] = OrganizationRow(key, slug, name, owner, at, at)
        case OrganizationRenamed(name=name):
            organizations[key].name, organizations[key].updated_at = name, at
        case OrganizationTransferred(owner=owner):
            organizations[key].owner, organizations[key].updated_at = owner, at


class OfferRow(Struct):
    """A row of table `ownership_offer`, in the order of its columns."""

    team: str
    user_id: str
    offered_by: str
    offered_at: datetime | None


class Offers:
    """Table `ownership_offer`: each event about an ownership says what is offered after it."""

    takes: tuple[type[Event], ...] = (
        ProductOffered,
        ProductOfferWithdrawn,
        ProductDeclined,
        OwnershipTransferred,
        ProductRetired,
        OrganizationOffered,
        OrganizationOfferWithdrawn,
        OrganizationDeclined,
        OrganizationTransferred,
    )

    def __init__(self, schema: str) -> None:
        ownership_offer = Identifier(schema, "ownership_offer")
        self._forget, self._copy = (
            SQL(query).format(ownership_offer=ownership_offer)
            for query in (FORGET_OFFERS, COPY_OFFERS)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        offers = {team_of(recorded): offer_after(recorded) for recorded in events}
        cursor.execute(self._forget, [list(offers)], prepare=True)
        with cursor.copy(self._copy) as copy:
            for offer in filter(None, offers.values()):
                copy.write_row(astuple(offer))


def team_of(recorded: Recorded) -> str:
    """What the event's stream is about, which is how the team of it is called."""
    return recorded.stream.partition("-")[2]


def offer_after(recorded: Recorded) -> OfferRow | None:
    match recorded.event:
        case ProductOffered(user_id=user_id) | OrganizationOffered(user_id=user_id):
            by, at = recorded.provenance.actor, recorded.recorded_at
            return OfferRow(team_of(recorded), user_id, by, at)
        case _:
            return None
