"""An organization: it owns products, and its team works on all of them. One user owns it."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Id, Name

SLUG_CHARACTERS_MAX = 64
# A slug is never taken for an id: it has a character that no id has, or another length.
SLUG_PATTERN = r"^(?![0-9a-f]{24}$)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$(?!\n)"

OrganizationSlug = Annotated[str, Meta(pattern=SLUG_PATTERN, max_length=SLUG_CHARACTERS_MAX)]


class OrganizationCreated(Event):
    """`owner` is the id of a user."""

    organization_id: str
    slug: str
    name: str
    owner: str


class OrganizationRenamed(Event):
    organization_id: str
    name: str


class OrganizationOffered(Event):
    """The owner would have this user be the owner; they are asked."""

    organization_id: str
    user_id: str


class OrganizationOfferWithdrawn(Event):
    organization_id: str
    user_id: str


class OrganizationDeclined(Event):
    organization_id: str
    user_id: str


class OrganizationTransferred(Event):
    """`owner` owns it from here on, and `before` does no longer."""

    organization_id: str
    owner: str
    before: str


OrganizationEvent: TypeAlias = (
    OrganizationCreated
    | OrganizationRenamed
    | OrganizationOffered
    | OrganizationOfferWithdrawn
    | OrganizationDeclined
    | OrganizationTransferred
)


class AboutOrganization(Command):
    organization_id: Id

    @property
    def stream(self) -> str:
        return f"organization-{self.organization_id}"


class CreateOrganization(AboutOrganization):
    """`slug_taken` says whether another organization has it now."""

    slug: OrganizationSlug
    name: Name
    owner: Id
    slug_taken: bool = False


class RenameOrganization(AboutOrganization):
    name: Name


class OfferOrganization(AboutOrganization):
    """`is_member` says whether the user is on the organization's team now."""

    user_id: Id
    is_member: bool


class WithdrawOrganizationOffer(AboutOrganization):
    pass


class DeclineOrganization(AboutOrganization):
    user_id: Id


class AcceptOrganization(AboutOrganization):
    user_id: Id
    is_member: bool


OrganizationCommand: TypeAlias = (
    CreateOrganization
    | RenameOrganization
    | OfferOrganization
    | WithdrawOrganizationOffer
    | DeclineOrganization
    | AcceptOrganization
)


class OrganizationUnknown(Unknown):
    """Organization not found."""


class OrganizationSlugTaken(Refused):
    """An organization with the slug {slug} exists already."""

    field = "slug"


class OrganizationExists(Refused):
    """There is such an organization already."""


class NewOwnerNotMember(Refused):
    """Only a member of the team can become the owner. Invite them first."""

    field = "username"


class OrganizationNotOffered(Unknown):
    """There is no such offer."""


class Organization(Struct, frozen=True):
    """`offered_to` is the user who is asked, `declined_by` the one who last said no."""

    exists: bool = False
    name: str = ""
    owner: str = ""
    offered_to: str = ""
    declined_by: str = ""


def decide(organization: Organization, command: OrganizationCommand) -> list[OrganizationEvent]:
    key = command.organization_id
    match command:
        case CreateOrganization(slug=slug):
            if organization.exists:
                raise OrganizationExists
            if command.slug_taken:
                raise OrganizationSlugTaken(slug=slug)
            owner, name = command.owner, command.name
            return [OrganizationCreated(organization_id=key, slug=slug, name=name, owner=owner)]
        case _ if not organization.exists:
            raise OrganizationUnknown
        case RenameOrganization(name=name):
            if name == organization.name:
                return []
            return [OrganizationRenamed(organization_id=key, name=name)]
        case _:
            return hand_over(organization, command)


def hand_over(
    organization: Organization,
    command: OfferOrganization
    | WithdrawOrganizationOffer
    | DeclineOrganization
    | AcceptOrganization,
) -> list[OrganizationEvent]:
    key, offered_to = command.organization_id, organization.offered_to
    match command:
        case OfferOrganization(user_id=user_id, is_member=is_member):
            if user_id in (organization.owner, offered_to):
                return []
            if not is_member:
                raise NewOwnerNotMember
            return [OrganizationOffered(organization_id=key, user_id=user_id)]
        case WithdrawOrganizationOffer():
            if not offered_to:
                return []
            return [OrganizationOfferWithdrawn(organization_id=key, user_id=offered_to)]
        case DeclineOrganization(user_id=user_id):
            if user_id == organization.declined_by:
                return []
            if user_id != offered_to:
                raise OrganizationNotOffered
            return [OrganizationDeclined(organization_id=key, user_id=user_id)]
        case AcceptOrganization(user_id=user_id, is_member=is_member):
            if user_id == organization.owner:
                return []
            if user_id != offered_to:
                raise OrganizationNotOffered
            if not is_member:
                raise NewOwnerNotMember
            before = organization.owner
            return [OrganizationTransferred(organization_id=key, owner=user_id, before=before)]
    assert_never(command)


def evolve(organization: Organization, event: OrganizationEvent) -> Organization:
    match event:
        case OrganizationCreated(name=name, owner=owner):
            return Organization(exists=True, name=name, owner=owner)
        case OrganizationRenamed(name=name):
            return replace(organization, name=name)
        case OrganizationOffered(user_id=user_id):
            return replace(organization, offered_to=user_id, declined_by="")
        case OrganizationOfferWithdrawn():
            return replace(organization, offered_to="")
        case OrganizationDeclined(user_id=user_id):
            return replace(organization, offered_to="", declined_by=user_id)
        case OrganizationTransferred(owner=owner):
            return replace(organization, owner=owner, offered_to="", declined_by="")
    assert_never(event)


ORGANIZATION = Decider(initial=Organization(), decide=decide, evolve=evolve)
