"""The golden events of teams, of organizations, and of whose a product is."""

from domain import organization, product_ownership, team_events
from domain.model import Event
from domain.recorded import Provenance

NOBODY = Provenance()
ADA = Provenance("user:5f1e0c0000000000000000ad", "http 127.0.0.1", "request-1", 41, "command-1")
GRACE = "5f1e0c0000000000000000ce"
ORGANIZATION_ID = "5f1e0c0000000000000000ff"
PROGRAM = "5f1e0c0000000000000000aa"
TOKEN = "5f1e0c0000000000000000bb"
UNTIL = "2030-01-15T10:00:00.000Z"

MEMBERS: list[tuple[Event, Provenance]] = [
    (
        team_events.MemberInvited(
            team="7000", user_id=GRACE, role="Developer", expires_at=UNTIL, product_id=7000
        ),
        ADA,
    ),
    (
        team_events.MemberInvited(
            team=ORGANIZATION_ID, user_id=GRACE, role="View-only", expires_at=UNTIL
        ),
        NOBODY,
    ),
    (team_events.InvitationAccepted(team="7000", user_id=GRACE, product_id=7000), ADA),
    (team_events.InvitationDeclined(team="7000", user_id=GRACE, product_id=7000), ADA),
    (team_events.InvitationExpired(team="7000", user_id=GRACE, product_id=7000), NOBODY),
    (team_events.InvitationWithdrawn(team="7000", user_id=GRACE, product_id=7000), ADA),
    (
        team_events.MemberRoleChanged(
            team="7000", user_id=GRACE, role="Administrator", product_id=7000
        ),
        ADA,
    ),
    (team_events.MemberRemoved(team="7000", user_id=GRACE, product_id=7000), ADA),
    (team_events.MemberLeft(team="7000", user_id=GRACE, product_id=7000), ADA),
    (
        team_events.OwnerSeated(team="7000", user_id=GRACE, role="Administrator", product_id=7000),
        ADA,
    ),
]

PROGRAMS: list[tuple[Event, Provenance]] = [
    (
        team_events.ApiUserCreated(
            team="7000",
            api_user_id=PROGRAM,
            username="nightly-import+k3v9x0q2ab@api.particle.io",
            friendly_name="Nightly import",
            scopes=("devices:import", "devices:list"),
            token_id=TOKEN,
            product_id=7000,
        ),
        ADA,
    ),
    (
        team_events.ApiUserChanged(
            team="7000",
            api_user_id=PROGRAM,
            friendly_name="Nightly",
            scopes=("devices:list",),
            token_id=TOKEN,
            product_id=7000,
        ),
        ADA,
    ),
    (
        team_events.ApiUserTokenReplaced(
            team="7000", api_user_id=PROGRAM, token_id=TOKEN, product_id=7000
        ),
        ADA,
    ),
    (team_events.ApiUserRemoved(team=ORGANIZATION_ID, api_user_id=PROGRAM), ADA),
]

ORGANIZATIONS: list[tuple[Event, Provenance]] = [
    (
        organization.OrganizationCreated(
            organization_id=ORGANIZATION_ID, slug="lampen-ag", name="Lampen AG", owner=GRACE
        ),
        ADA,
    ),
    (organization.OrganizationRenamed(organization_id=ORGANIZATION_ID, name="Licht AG"), ADA),
    (organization.OrganizationOffered(organization_id=ORGANIZATION_ID, user_id=GRACE), ADA),
    (organization.OrganizationOfferWithdrawn(organization_id=ORGANIZATION_ID, user_id=GRACE), ADA),
    (organization.OrganizationDeclined(organization_id=ORGANIZATION_ID, user_id=GRACE), ADA),
    (
        organization.OrganizationTransferred(
            organization_id=ORGANIZATION_ID, owner=GRACE, before="5f1e0c0000000000000000ad"
        ),
        ADA,
    ),
]

OWNERSHIP: list[tuple[Event, Provenance]] = [
    (product_ownership.ProductOffered(product_id=7000, user_id=GRACE), ADA),
    (product_ownership.ProductOfferWithdrawn(product_id=7000, user_id=GRACE), ADA),
    (product_ownership.ProductDeclined(product_id=7000, user_id=GRACE), ADA),
    (
        product_ownership.OwnershipTransferred(
            product_id=7000,
            owner=f"organization:{ORGANIZATION_ID}",
            before="user:5f1e0c0000000000000000ad",
        ),
        ADA,
    ),
]

TEAMS: list[tuple[Event, Provenance]] = [*MEMBERS, *PROGRAMS, *ORGANIZATIONS, *OWNERSHIP]
