"""People around one product: one for each role, programs, and those who have no part in it."""

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from domain.holders import customer_holder
from domain.model import Command
from domain.organization import CreateOrganization
from domain.roles import Role
from domain.scopes import API_USER_SCOPES
from domain.team import AcceptInvitation, InviteMember
from domain.team_programs import CreateApiUser
from tests.api.serving import Served
from tests.people import People

FAR = "2099-01-01T00:00:00.000Z"


@dataclass
class Somebody:
    """A caller: the token, and whose it is."""

    token: str
    token_id: str
    user_id: str = ""
    email: str = ""
    api_user_id: str = ""


@dataclass
class Around:
    """Everybody around a product, made through the log. `team` is its id, or an organization's.

    `clients` closes the clients that were opened for them.
    """

    served: Served
    those: People
    team: str = ""
    clients: ExitStack = field(default_factory=ExitStack)
    _open: dict[str, httpx.Client] = field(default_factory=dict)

    def user(self, what: str, *, administrator: bool = False, **token: object) -> Somebody:
        """Somebody with an account and a token, and no role in any team."""
        email = f"{what.lower()}-{secrets.token_hex(4)}@example.com"
        user_id = self.those.sign_up(email, administrator=administrator)
        return self.holder(user_id, email, **token)

    def holder(self, user_id: str = "", email: str = "", **token: object) -> Somebody:
        """Somebody with a token of that kind."""
        text = secrets.token_hex(20)
        return Somebody(text, self.those.issue(text, user_id, **token), user_id, email)

    def member(self, role: Role, **token: object) -> Somebody:
        found = self.user(role.value, **token)
        self.join(found.user_id, role)
        return found

    def join(self, user_id: str, role: Role) -> None:
        self.those.do(*joining(self.team, user_id, role))

    def add_program(self, scopes: Iterable[str]) -> Somebody:
        """An API user."""
        api_user_id, text = secrets.token_hex(12), secrets.token_hex(20)
        self.those.do(
            CreateApiUser(
                team=self.team,
                api_user_id=api_user_id,
                username=f"p+{secrets.token_hex(5)}@api.particle.io",
                friendly_name="program",
                scopes=tuple(sorted(scopes)),
                token_id=hashlib.sha256(text.encode()).hexdigest()[:24],
                scopes_held=API_USER_SCOPES,
            )
        )
        token_id = self.those.issue(text, api_user_id=api_user_id)
        return Somebody(text, token_id, api_user_id=api_user_id)

    def customer(self, product_id: int) -> Somebody:
        """A customer of a product, and their token."""
        customer_id = self.those.sell_to(product_id, f"{secrets.token_hex(6)}@example.com")
        return self.holder(customer_holder(customer_id), product_id=product_id)

    def organization(self, owner: Somebody) -> str:
        """A new organization's id."""
        key = secrets.token_hex(12)
        create = CreateOrganization(
            organization_id=key, slug=f"org-{key[:8]}", name="Acme", owner=owner.user_id
        )
        self.those.do(create)
        return key

    def call(self, who: Somebody | None) -> httpx.Client:
        """A client that calls as somebody, or as nobody."""
        token = who.token if who else ""
        if token not in self._open:
            client = self.served.client(token=token or None)
            self._open[token] = self.clients.enter_context(client)
        return self._open[token]


def joining(team: str, user_id: str, role: Role) -> list[Command]:
    """Be invited, and accept."""
    at = instant(datetime.now(UTC))
    return [
        InviteMember(team=team, user_id=user_id, role=role, at=at, expires_at=FAR),
        AcceptInvitation(team=team, user_id=user_id, at=at),
    ]


def instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(**long: float) -> str:
    return instant(datetime.now(UTC) - timedelta(**long))
