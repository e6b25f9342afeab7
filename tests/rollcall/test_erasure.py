"""A person is erased: what they were called is found nowhere any more, in a dump of everything.

And while they were there, it was found where it must be, and never in the log or in NATS.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import nats
import psycopg
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from psycopg import sql

from tests.cloud import Cloud, cloud

TIMEOUT_S = 30.0
POLL_S = 0.05
MARK = secrets.token_hex(6)
PASSWORD = f"PassCanary{MARK}"
NEW_PASSWORD = f"NewPassCanary{MARK}"
# In whatever case they are written.
FIRST_EMAIL = f"FirstCanary{MARK}@Example.test"
EMAIL = f"SecondCanary{MARK}@example.test"
NAMES = {
    "first_name": f"ForenameCanary{MARK}",
    "last_name": f"SürnameCanary{MARK}",
    "company_name": f"CompanyCanary{MARK}",
}
PERSONAL = [FIRST_EMAIL, EMAIL, *NAMES.values()]
SECRET = [PASSWORD, NEW_PASSWORD]

TABLES = """
    SELECT relnamespace::regnamespace::text, relname FROM pg_class
    WHERE relkind IN ('r', 'm', 'p')
      AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
      AND relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
    ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with cloud() as ours:
        yield ours


class Somebody:
    """A person as the API knows them."""

    def __init__(self, cloud: Cloud) -> None:
        self._url = cloud.status["http"]
        self.token = ""

    def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {**options.pop("headers", {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with httpx.Client(base_url=self._url, trust_env=False, timeout=TIMEOUT_S) as client:
            answer = client.request(method, path, headers=headers, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def log_in(self, email: str, password: str) -> None:
        said = {"grant_type": "password", "username": email, "password": password}
        client = {"client_id": "particle", "client_secret": "particle"}
        self.token = self.call("POST", "/oauth/token", data=said | client)["access_token"]

    def live(self, administrator: httpx.Client) -> None:
        """Leave the name wherever one can."""
        new = {"username": FIRST_EMAIL, "password": PASSWORD, "account_info": NAMES}
        self.call("POST", "/v1/users", json=new)
        self.log_in(FIRST_EMAIL, PASSWORD)
        self.call("PUT", "/v1/user", json={"account_info": {"first_name": NAMES["first_name"]}})
        change = {"current_password": PASSWORD}
        self.call("PUT", "/v1/user", json={**change, "username": EMAIL})
        self.call("PUT", "/v1/user", json={**change, "password": NEW_PASSWORD})
        self.call("POST", "/v1/user/password-reset", json={"username": EMAIL})
        self.call("GET", "/v1/user/mfa-enable")
        # A reply with the owner's name in it, kept for whoever sends the call again.
        once = {"Idempotency-Key": secrets.token_hex(8)}
        lamp = {"name": f"lamp {MARK}", "platform_id": 6}
        product = self.call("POST", "/v1/products", json=lamp, headers=once)["product"]
        assert product["user"] == EMAIL
        self.call("GET", f"/v1/products/{product['id']}/history")
        self.call("DELETE", f"/v1/products/{product['id']}")
        self.invited_by(administrator)
        self.log_in(EMAIL, NEW_PASSWORD)
        for _ in range(2):
            with pytest.raises(AssertionError):
                self.log_in(EMAIL, PASSWORD)
        self.log_in(EMAIL.upper(), NEW_PASSWORD)

    def invited_by(self, administrator: httpx.Client) -> None:
        """Into a team of somebody else's, where they stay."""
        lamps = {"name": f"lamps {MARK}", "platform_id": 6}
        product = administrator.post("/v1/products", json=lamps).json()["product"]
        team = f"/v1/products/{product['id']}/team"
        once = {"Idempotency-Key": secrets.token_hex(8)}
        invited = administrator.post(team, json={"username": EMAIL}, headers=once)
        assert invited.is_success, invited.text
        assert EMAIL in administrator.get(team).text


def caught_up(cloud: Cloud) -> None:
    """Wait until every follower has taken what is in the log."""
    end = time.monotonic() + TIMEOUT_S
    while any(
        follower["behind"] or follower["state"] != "following"
        for follower in cloud.http.get("/v1/status").json()["followers"]
    ):
        assert time.monotonic() < end
        time.sleep(POLL_S)


def found_in(where: str, content: bytes, needles: list[str]) -> list[str]:
    """What of the needles stands there, in any case, as text or as the hexadecimal of bytes."""
    lowered = content.lower()
    return [
        f"{needle} in {where}"
        for needle in needles
        for spelled in (needle.casefold().encode(), needle.lower().encode())
        if spelled in lowered or spelled.hex().encode() in lowered
    ]


def dump(database: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, with its place."""
    with psycopg.connect(database) as connection:
        for schema, table in connection.execute(TABLES.encode()).fetchall():
            rows = sql.SQL("SELECT t::text FROM ONLY {} AS t").format(sql.Identifier(schema, table))
            for (row,) in connection.execute(rows):
                yield f"{schema}.{table}", row.encode()
        # Bytes as they are, too: JSON in bytea is text.
        for (state,) in connection.execute("SELECT state FROM log.fleet_events"):
            yield "log.fleet_events", state


def in_database(cloud: Cloud, needles: list[str], within: str = "") -> list[str]:
    return [
        found
        for where, content in dump(cloud.status["database"])
        if where.startswith(within)
        for found in found_in(where, content, needles)
    ]


def in_nats(cloud: Cloud, needles: list[str]) -> list[str]:
    """In every message of every stream."""

    async def look() -> list[str]:
        connection = await nats.connect(cloud.status["nats_url"])
        try:
            return [found async for found in every_message(connection.jetstream())]
        finally:
            await connection.close()

    async def every_message(streams: JetStreamContext) -> AsyncIterator[str]:
        messages = 0
        for stream in await streams.streams_info():
            name, state = str(stream.config.name), stream.state
            for sequence in range(max(1, state.first_seq), state.last_seq + 1):
                try:
                    message = await streams.get_msg(name, sequence)
                except NotFoundError:
                    continue
                messages += 1
                content = f"{message.subject} {message.headers}".encode() + (message.data or b"")
                for found in found_in(name, content, needles):
                    yield found
        assert messages

    return asyncio.run(look())


def in_logs(cloud: Cloud, needles: list[str]) -> list[str]:
    return [
        found
        for path in [*cloud.state.logs.iterdir(), cloud.output]
        for found in found_in(path.name, path.read_bytes(), needles)
    ]


class Buyer:
    """A customer of a product, who was invited to its private beta."""

    name = f"BuyerCanary{MARK}@Example.test"
    password = f"BuyerPassCanary{MARK}"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._team = cloud.http
        lamps = {
            "name": f"lamps for sale {MARK}",
            "platform_id": 6,
            "requires_activation_codes": True,
        }
        made = self._team.post("/v1/products", json=lamps).json()["product"]
        self.path = f"/v1/products/{made['id']}"

    def live(self) -> None:
        """Leave the name wherever one can."""
        emails = {"emails": [self.name]}
        once = {"Idempotency-Key": secrets.token_hex(8)}
        invited = self._team.post(self.path + "/activation_codes", json=emails, headers=once)
        assert invited.json()["invited"] == [self.name]
        wanted = {"email": self.name, "password": self.password}
        made = self._team.post(self.path + "/customers", json=wanted)
        assert made.is_success, made.text
        herself = Somebody(self._cloud)
        herself.token = made.json()["access_token"]
        herself.call("GET", "/v1/devices")
        for path in ("/customers", "/activation_codes", "/history"):
            assert self._team.get(self.path + path).is_success
        assert self.name in self._team.get(self.path + "/customers").text

    def leave(self) -> None:
        answer = self._team.delete(f"{self.path}/customers/{self.name}")
        assert answer.json() == {"ok": True}


def left_in(cloud: Cloud, table: str) -> int:
    """How many rows are about somebody who was erased."""
    rows = f"SELECT count(*) FROM {table} JOIN access.account USING (user_id) WHERE erased"
    return int(cloud.run("psql", "-Atc", rows).stdout)


def test_whoever_is_erased_is_found_nowhere(running: Cloud) -> None:
    somebody = Somebody(running)
    somebody.live(running.http)
    caught_up(running)

    # The search finds what is there: people are shown their names from here.
    assert in_database(running, [EMAIL], "access.account")
    assert in_database(running, [NAMES["last_name"]], "access.account")
    # But nothing that stays may ever hold them.
    assert in_database(running, PERSONAL, "log.") == []
    assert in_nats(running, PERSONAL + SECRET) == []
    assert in_logs(running, PERSONAL + SECRET) == []
    assert in_database(running, SECRET) == []
    before = running.http.get("/v1/status").json()["position"]

    somebody.call("DELETE", "/v1/user", json={"password": NEW_PASSWORD})
    caught_up(running)

    assert in_database(running, PERSONAL + SECRET) == []
    assert in_nats(running, PERSONAL + SECRET) == []
    assert in_logs(running, PERSONAL + SECRET) == []
    destroyed = running.run(
        "psql", "-Atc", "SELECT count(*) FROM secrets.person_key WHERE wrapped IS NULL"
    )
    assert destroyed.stdout == "1\n"
    assert left_in(running, "access.token") == 0
    # Seats in teams are given up by events of their own, a moment later.
    end = time.monotonic() + TIMEOUT_S
    while left_in(running, "access.member"):
        assert time.monotonic() < end
        time.sleep(POLL_S)
    # What happened, happened: nothing of the log is gone, and nothing that follows it stands still.
    assert running.http.get("/v1/status").json()["position"] > before


def test_a_customer_who_is_erased_is_found_nowhere(running: Cloud) -> None:
    buyer = Buyer(running)
    buyer.live()
    caught_up(running)
    secret = [buyer.password]
    assert in_database(running, [buyer.name], "access.customer")
    assert in_database(running, [buyer.name], "access.activation_code")
    assert in_database(running, [buyer.name], "log.") == []
    assert in_database(running, [buyer.name], "follow.") == []
    assert in_database(running, secret) == []
    assert in_nats(running, [buyer.name, *secret]) == []

    buyer.leave()
    caught_up(running)

    for look in (in_database, in_nats, in_logs):
        assert look(running, [buyer.name, *secret]) == []
    PERSONAL.append(buyer.name)  # and is not found again once everything is rebuilt


def test_made_again_from_the_log_there_is_nobody_either(running: Cloud) -> None:
    rebuilt = running.run("rebuild", "access")

    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert in_database(running, PERSONAL + SECRET) == []
