"""People for tests: users, tokens and clients, made by the same commands as everybody's."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from domain import activation_code, customer
from domain.client import RegisterClient
from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.model import Command
from domain.recorded import Provenance
from domain.token import IssueToken, RevokeToken
from domain.user import EraseUser, SignUp
from domain.user_events import EMAIL, PASSWORD, PROFILE
from projections.access.model import AccessModel
from tests.projections.following import follow

MASTER_KEY = bytes(range(32))
BY_TEST = Provenance(actor="test")


class People:
    """Signs people up and lets them in. What is done can be read from `access` at once."""

    def __init__(self, database: str, fleet: Fleet, seals: Seals) -> None:
        self._database = database
        self.fleet = fleet
        self.seals = seals

    def sign_up(
        self,
        email: str,
        *,
        administrator: bool = False,
        password_hash: str = "nobody knows the password",
        **profile: Any,
    ) -> str:
        """The id of the user, which follows from the e-mail: who is there already stays as is."""
        user_id = id_for(email)
        if self.fleet.load(f"user-{user_id}").state.exists:
            return user_id
        self.seals.new_key(user_id)
        told = {EMAIL: email, PASSWORD: password_hash, PROFILE: json.dumps(profile)}
        sealed = self.seals.seal_all(user_id, told)
        self.do(
            SignUp(
                user_id=user_id,
                email=sealed[EMAIL],
                password=sealed[PASSWORD],
                profile=sealed[PROFILE],
                administrator=administrator,
            )
        )
        return user_id

    def issue(self, token: str, user_id: str = "", **more: Any) -> str:
        """Let whoever has the token in; returns the token's id, which follows from it."""
        token_hash = hash_of(token)
        token_id = token_hash[:24]
        self.do(IssueToken(token_id=token_id, token_hash=token_hash, user_id=user_id, **more))
        return token_id

    def revoke(self, token_id: str) -> None:
        self.do(RevokeToken(token_id=token_id))

    def register(self, client_id: str, **more: Any) -> None:
        """An OAuth client whose secret is its id."""
        described = {"name": client_id, "type": "installed", **more}
        self.do(RegisterClient(client_id=client_id, secret_hash=hash_of(client_id), **described))

    def sell_to(
        self, product_id: int, username: str, password_hash: str | None = "nobody knows it"
    ) -> str:
        """A customer of the product, without a password if there is no hash; returns their id."""
        customer_id = id_for(f"{product_id} {username}")
        self.seals.new_key(customer_id)
        told = {customer.USERNAME: username}
        if password_hash:
            told[customer.PASSWORD] = password_hash
        sealed = self.seals.seal_all(customer_id, told)
        self.do(
            customer.CreateCustomer(
                customer_id=customer_id,
                product_id=product_id,
                username=sealed[customer.USERNAME],
                password=sealed.get(customer.PASSWORD, ""),
            )
        )
        return customer_id

    def invite_buyer(self, product_id: int, email: str, code: str) -> str:
        """The id of an activation code that is mailed to them."""
        activation_id = id_for(f"{product_id} {email} {code}")
        self.seals.new_key(activation_id)
        told = {activation_code.EMAIL: email, activation_code.CODE: code}
        sealed = self.seals.seal_all(activation_id, told)
        self.do(
            activation_code.IssueActivationCode(
                activation_id=activation_id,
                product_id=product_id,
                email=sealed[activation_code.EMAIL],
                code=sealed[activation_code.CODE],
                codes=0,
            )
        )
        return activation_id

    def erase(self, user_id: str) -> None:
        """As the API does it: the key goes right after the event is there."""
        self.do(EraseUser(user_id=user_id))
        self.seals.destroy(user_id)

    def do(self, *commands: Command) -> None:
        """Carry out commands to one stream, and have `access` know what came of them."""
        if self.fleet.execute_all(commands, BY_TEST).events:
            follow_access(self._database, self.seals)


@contextmanager
def people(database: str) -> Iterator[People]:
    with (
        closing(Fleet(database, pool_connections=1)) as fleet,
        closing(Seals(database, MASTER_KEY)) as seals,
    ):
        yield People(database, fleet, seals)


def follow_access(database: str, seals: Seals, *, page_events_max: int = 5_000) -> None:
    """Bring `access` to the end of the log, also beside a follower that is at it."""
    follow(database, AccessModel(seals, page_events_max=page_events_max))


def id_for(text: str) -> str:
    return hash_of(text)[:24]


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
