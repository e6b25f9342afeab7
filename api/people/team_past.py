"""A team as it was: told from events alone, with the names that people have today."""

from api.actors import names_of
from api.call import Call
from api.fleet.past import states_at
from api.people.team_objects import MemberObject, TeamObject, shown_program, shown_role
from api.people.team_rows import ProgramRow
from api.problem import PermissionDenied
from domain.permissions import organization_in
from domain.roles import USER_PREFIX, InOrganization, InProduct, Role, owner_of
from domain.team import Team


async def team_then(call: Call, position: int) -> TeamObject:
    """As of a position. Raises PermissionDenied if what has the team was not there then."""
    key, owner, organization = await whose_then(call, position)
    teams: dict[str, Team] = {}
    for team in dict.fromkeys(one for one in (key, organization) if one):
        (teams[team],) = await states_at(call, [f"team-{team}"], position)
    people = await people_then(call, {owner: Role.OWNER.value} if owner else {}, teams[key])
    programs = [
        shown_program(
            ProgramRow(
                api_user_id=api_user_id,
                team=team,
                username=program.username,
                friendly_name=program.friendly_name,
                scopes=list(program.scopes),
                token_id=program.token_id,
            )
        )
        for team, state in teams.items()
        for api_user_id, program in state.api_users.items()
        if not program.removed
    ]
    return TeamObject([*people, *programs])


async def whose_then(call: Call, position: int) -> tuple[str, str, str]:
    """The key of the team, the user whose it was by itself, and the organization whose it was."""
    if isinstance(call.place, InProduct):
        product_id = call.place.product_id
        (product,) = await states_at(call, [f"product-{product_id}"], position)
        if not product.exists or product.retired:
            raise PermissionDenied
        owner = product.ownership.owner
        return str(product_id), owner_of(InProduct(product_id, owner)), organization_in(owner)
    assert isinstance(call.place, InOrganization)
    key = call.place.organization_id
    (organization,) = await states_at(call, [f"organization-{key}"], position)
    if not organization.exists:
        raise PermissionDenied
    return key, organization.owner, ""


async def people_then(call: Call, owner: dict[str, str], team: Team) -> list[MemberObject]:
    """The owner, the members, and who was invited, each once."""
    invited = {user_id: one.role for user_id, one in team.invited.items()}
    roles = {**invited, **team.members, **owner}
    ordered = dict.fromkeys([*owner, *team.members, *invited])
    async with call.cloud.database.reading() as rows:
        names = await names_of(rows, (f"{USER_PREFIX}{user_id}" for user_id in ordered))
    return [
        MemberObject(
            id_=user_id,
            username=names.get(f"{USER_PREFIX}{user_id}"),
            role=shown_role(Role(roles[user_id])),
            pending=user_id in invited,
        )
        for user_id in ordered
    ]
