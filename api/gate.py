"""What every call passes before its handler: the right to do this, there.

Nobody learns here that something exists which is none of their business: to them it is answered
exactly as what does not exist. Who may know of it is told which scope is missing.
"""

from api.auth import Caller
from api.places import Places
from api.problem import DeviceUnrecognized, NotForApiUsers, PermissionDenied, ScopeMissing
from api.realms import Realm
from domain.roles import Installation, OwnThings, Place, allows, knows, scopes_on
from domain.scopes import API_USER_SCOPES, OWN_SCOPES_OF_API_USERS


async def admitted(
    places: Places, caller: Caller, scope: str, realm: Realm, parts: dict[str, str]
) -> Place:
    """The place that a call may go on to. `parts` are those of its path.

    Raises NotForApiUsers, PermissionDenied, for a device DeviceUnrecognized, or ScopeMissing.
    """
    open_to_programs = OWN_SCOPES_OF_API_USERS if realm is Realm.OWN else API_USER_SCOPES
    if caller.api_user_id and scope not in open_to_programs:
        raise NotForApiUsers
    place = await place_named(places, caller, realm, parts)
    unknown = DeviceUnrecognized if realm is Realm.DEVICE else PermissionDenied
    if place is None:
        raise unknown
    if not knows(caller.grants, place) and realm not in (Realm.OWN, Realm.INSTALLATION):
        raise unknown
    if not allows(scopes_on(caller.grants, place), scope):
        raise ScopeMissing(scope=scope)
    return place


async def place_named(
    places: Places, caller: Caller, realm: Realm, parts: dict[str, str]
) -> Place | None:
    """What the path names; None if there is no such thing."""
    match realm:
        case Realm.PRODUCT:
            return await places.product(parts["product"])
        case Realm.ORGANIZATION:
            return await places.organization(parts["org"])
        case Realm.DEVICE:
            return await places.device(parts["device"], caller.holder)
        case Realm.INSTALLATION:
            return Installation()
        case Realm.OWN:
            return OwnThings()
