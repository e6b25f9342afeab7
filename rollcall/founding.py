"""What a new Rollcall begins with: a first administrator, a token, and the clients tools expect.

All of it is made by commands, as anybody's would be; a start that finds it there changes nothing.
An administrator who was erased is followed by another one, so that there is always a way in.
"""

import asyncio
import hashlib
import json
from contextlib import closing
from itertools import count
from typing import Any, NamedTuple

import psycopg

from domain.client import INSTALLED, ClientIdTaken, RegisterClient
from domain.log.fleet import Fleet, HistoryMovedOn
from domain.log.master_keys import MasterKeyWrong, Source
from domain.log.recorder import Guard
from domain.log.seals import Seals
from domain.recorded import Provenance
from domain.token import IssueToken
from domain.user import SignUp, UserExists, normal_email
from domain.user_events import EMAIL, PASSWORD, PROFILE, EmailChanged, UserSignedUp
from projections.access.model import AccessModel
from projections.following import Follower
from projections.running import follower_conninfo
from rollcall.rotate_master_key import finish_rotation
from rollcall.secret_keys import admin_token_of, new_admin_password, new_admin_token
from rollcall.state import State
from rollcall.trouble import Trouble

# Whose secret is their name: they are programs on people's own machines, which keep no secret.
CLIENTS = ("particle", "particle-api", "particle-cli")
BY_US = Provenance(actor="rollcall", origin="rollcall up")
ID_DIGITS = 24
ATTEMPTS_MAX = 10

ANYBODY = """
    SELECT EXISTS (SELECT FROM log.fleet_events
                   WHERE originator_id > 'user-' AND originator_id < 'user.')
"""
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"
TAKEN = "SELECT EXISTS (SELECT FROM access.account WHERE email_digest = %s AND user_id <> %s)"


class Founded(NamedTuple):
    """How the administrator comes in. `token_is_new` if nobody has seen it yet."""

    email: str
    token: str
    token_is_new: bool


def found(conninfo: str, master_key: bytes | Source, admin_email: str, state: State) -> Founded:
    """Make what is missing. The database is up to date. Raises Trouble."""
    finish_rotation(conninfo, state)
    with (
        closing(Seals(conninfo, master_key)) as seals,
        closing(Fleet(conninfo, pool_connections=1)) as fleet,
    ):
        try:
            seals.must_fit()
        except MasterKeyWrong:
            raise Trouble(
                "The database is sealed under another master key: set ROLLCALL_MASTER_KEY, or put "
                f"the file it was in back to {state.master_key}."
            ) from None
        founding = Founding(conninfo, fleet, seals, state)
        user_id, email = founding.administrator(admin_email)
        token, is_new = founding.token(user_id)
        founding.register_clients()
        return Founded(email, token, is_new)


class Founding:
    """One start's look at what there is, and what it adds."""

    def __init__(self, conninfo: str, fleet: Fleet, seals: Seals, state: State) -> None:
        self._conninfo = conninfo
        self._fleet = fleet
        self._seals = seals
        self._state = state

    def administrator(self, email: str) -> tuple[str, str]:
        """The id and the e-mail of the first administrator who was not erased. Raises Trouble."""
        for _ in range(ATTEMPTS_MAX):
            user_id = next(
                user_id
                for user_id in map(administrator_id, count(1))
                if not self._fleet.load(f"user-{user_id}").state.erased
            )
            user = self._fleet.load(f"user-{user_id}").state
            if user.exists:
                return user_id, self._seals.unseal(user_id, EMAIL, user.email) or ""
            if self._sign_up(user_id, email):
                return user_id, email
        raise Trouble("Too many people sign up at this moment. Start again.")

    def _sign_up(self, user_id: str, email: str) -> bool:
        """With a password that is in the state directory before anything depends on it.

        False if somebody else signed up at this very moment, maybe with the same e-mail, maybe for
        another machine that starts.
        """
        password = new_admin_password(self._state)
        self._seals.new_key(user_id)
        sealed = self._seals.seal_all(
            user_id, {EMAIL: email, PASSWORD: hashed(password), PROFILE: json.dumps({})}
        )
        command = SignUp(
            user_id=user_id,
            email=sealed[EMAIL],
            password=sealed[PASSWORD],
            profile=sealed[PROFILE],
            administrator=True,
        )
        try:
            guard = Guard(
                self._unless_taken(email, user_id), (UserSignedUp.TOPIC, EmailChanged.TOPIC)
            )
            self._fleet.execute(command, BY_US, guard=guard)
        except (HistoryMovedOn, UserExists, Trouble) as refused:
            self._state.admin_password.unlink()  # it is nobody's
            if isinstance(refused, Trouble):
                raise
            return False
        return True

    def _unless_taken(self, email: str, user_id: str) -> int:
        """The position as of which nobody else has the e-mail. Raises Trouble if somebody has."""
        with psycopg.connect(
            follower_conninfo(self._conninfo, "founding"), autocommit=True
        ) as connection:
            head: int = value(connection, HEAD)
            if value(connection, ANYBODY):
                access = Follower(AccessModel(self._seals))
                access.begin(connection)
                while access.step(connection):
                    pass
                if value(connection, TAKEN, self._seals.digest(normal_email(email)), user_id):
                    raise Trouble(f"{email} has an account. ROLLCALL_ADMIN_EMAIL names another.")
            return head

    def token(self, user_id: str) -> tuple[str, bool]:
        """The administrator's token, and whether it was made just now."""
        token, is_new = admin_token_of(self._state)
        known = self._fleet.load(stream_of(token)).state
        if known.hash and (known.revoked or known.user_id != user_id):
            token, is_new = new_admin_token(self._state), True
        token_hash = hash_of(token)
        self._fleet.execute(
            IssueToken(token_id=token_hash[:ID_DIGITS], token_hash=token_hash, user_id=user_id),
            BY_US,
        )
        return token, is_new

    def register_clients(self) -> None:
        for name in CLIENTS:
            command = RegisterClient(
                client_id=name, name=name, type=INSTALLED, secret_hash=hash_of(name)
            )
            try:
                self._fleet.execute(command, BY_US)
            except ClientIdTaken:
                continue  # somebody removed it, and meant it


def administrator_id(number: int) -> str:
    """One after the other is erased: the numbers of the installation's own administrators."""
    return f"{number:0{ID_DIGITS}x}"


def hashed(password: str) -> str:
    """As the API keeps passwords."""
    from api.people.credentials import Passwords

    async def hash_it() -> str:
        return await Passwords().hash(password)

    return asyncio.run(hash_it())


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def stream_of(token: str) -> str:
    return f"token-{hash_of(token)[:ID_DIGITS]}"


def value(connection: psycopg.Connection[tuple[Any, ...]], query: str, *params: object) -> Any:
    row = connection.execute(query.encode(), params).fetchone()
    assert row is not None
    return row[0]
