"""Whose things an address is about. The path says it, so that no route can forget to ask."""

from enum import Enum
from re import compile as regex

from domain.scopes import INSTALLATION_SCOPES


class Realm(Enum):
    """What a scope must be held over, for a call to go through."""

    OWN = "what belongs to the caller"
    PRODUCT = "the product that the path names"
    ORGANIZATION = "the organization that the path names"
    DEVICE = "the device that the path names"
    INSTALLATION = "the installation"


class RealmUnknown(Exception):
    """A route whose owner nobody can tell would be open to everybody's things."""


NAMED = (
    (regex(r"/v1/products/{product}(/.*)?"), Realm.PRODUCT),
    (regex(r"/v1/orgs/{org}(/.*)?"), Realm.ORGANIZATION),
    (regex(r"/v1/(devices|diagnostics|provisioning)/{device}(/.*)?"), Realm.DEVICE),
)
# What stands below these is looked up among the things of the caller, by the handler.
OWN = regex(
    r"/v1/(user|access_tokens|clients|integrations|webhooks|device_claims|serial_numbers|transfers"
    r"|events|devices/events)/.*"
)


def realm_of(path: str, scope: str) -> Realm:
    """Raises RealmUnknown for an address that names something and does not say whose it is."""
    for pattern, realm in NAMED:
        if pattern.fullmatch(path):
            return realm
    if scope in INSTALLATION_SCOPES:
        return Realm.INSTALLATION
    if "{" not in path or OWN.fullmatch(path):
        return Realm.OWN
    raise RealmUnknown(path)
