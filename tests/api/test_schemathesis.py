"""Whatever the OpenAPI description allows, and what it forbids, is sent; every answer is judged."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from domain.log.fleet import Fleet
from domain.roles import Role
from tests import servers
from tests.api.calls.echo import echo
from tests.api.companies import Company, company
from tests.api.conformity import described
from tests.api.serving import following, serving
from tests.api.teams import Around
from tests.people import people
from tests.servers import NatsServer

TIMEOUT_S = 480.0  # a minute, where nobody else keeps the machine busy
TEST_TIMEOUT_S = 500
SEED = "20"
EXAMPLES_MAX = 2  # of each route
STORIES_MAX = 60  # of calls that follow from one another
OPERATIONS_REACHED_MIN = 25  # more or less of them, as chance will have it
SPARE_A_RUN = 12  # people
RUNS = 3
PASSWORD = "correct horse battery staple"
REQUEST_TIMEOUT_S = 20
ANSWER_S = 0.5  # for a device that is not there to answer
WAIT_S = 0.1  # for positions of the log that are not there yet
HOOKS = "tests.api.schemathesis_hooks"
ROOT = Path(__file__).parents[2]

# Left out, each for what the API promises instead:
CHECKS_LEFT_OUT = (
    "ignored_auth",  # no token at all is a 400, as the Particle API has it: see the hooks
    "missing_required_header",  # the same, for the header that a token is in: there is no other
)
REFUSED = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]
# A rule that says no is a 400, and no schema knows the rules; a device may be offline, or say no;
# what is allowed in each of its parts may be too large; a key may be one of another call.
ACCEPTED = [
    "2xx", "304", "400", "401", "403", "404", "408", "409", "413", "416", "422", "429", "502"
]  # fmt: skip
# To read, nobody has to know rules, but of these: positions and times of the log, what devices
# said, and OAuth.
READ_BY_RULES = (
    "(/log|/history|/impact|/why|/permissions|/team/?|/diagnostics/{device}|/groups/{group}"
    "|/firmware/{version}|/devices/{device}|/v1/products/{product}|/oauth/authorize"
    "|/v1/access_tokens)$"
)
SETTINGS = f"""
[phases.coverage]
unexpected-methods = ["PATCH", "DELETE"]
[checks.negative_data_rejection]
expected-statuses = {json.dumps(REFUSED)}
[checks.positive_data_acceptance]
expected-statuses = {json.dumps([one for one in ACCEPTED if one != "400"])}
[[operations]]
include-method-regex = "POST|PUT|DELETE"
checks.positive_data_acceptance.expected-statuses = {json.dumps(ACCEPTED)}
[[operations]]
include-path-regex = "{READ_BY_RULES}"
checks.positive_data_acceptance.expected-statuses = {json.dumps(ACCEPTED)}
"""


@dataclass
class Subject:
    """A company and its API, another one, and people whose tokens may be lost."""

    company: Company
    other: Company
    spare: list[str]


@pytest.fixture(scope="module")
def tested(postgres_server: str, template: str, nats_server: NatsServer) -> Iterator[Subject]:
    """With a database of its own: passwords are guessed here, which shuts out whoever calls."""
    nats_server.clean()
    with ExitStack() as stack:
        database = stack.enter_context(servers.database(postgres_server, template))
        stack.enter_context(following(database))
        those = stack.enter_context(people(database))
        fleet = Fleet(database, pool_connections=2)
        stack.callback(fleet.close)
        patient = stack.enter_context(serving(database))
        found = company(Around(patient, those, clients=stack), fleet)
        other = company(Around(patient, those, clients=stack), fleet)
        stack.enter_context(echo(nats_server.url, found.known["device"][0]))
        found.around.served = stack.enter_context(
            serving(database, wait_s=WAIT_S, nats_url=nats_server.url, answer_s=ANSWER_S, proxies=1)
        )
        kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        spare = []
        for number in range(SPARE_A_RUN * RUNS):
            user_id = those.sign_up(f"spare-{number}@example.com", password_hash=kept)
            spare.append(found.around.holder(user_id).token)
        yield Subject(found, other, spare)


@pytest.mark.timeout(TEST_TIMEOUT_S)
def test_every_answer_is_one_that_the_description_promises(tested: Subject, tmp_path: Path) -> None:
    """To somebody who may everything, whatever is left out, too long, of a wrong kind."""
    token = tested.company.around.user("operator", administrator=True).token
    phases = "--phases=examples,coverage,fuzzing"
    run(tested, token, tmp_path, at_home(tested), phases, f"--max-examples={EXAMPLES_MAX}")


@pytest.mark.timeout(TEST_TIMEOUT_S)
def test_whoever_may_less_is_answered_as_the_description_promises(
    tested: Subject, tmp_path: Path
) -> None:
    around = tested.company.around
    around.team = str(tested.company.world.id)
    token = around.member(Role.DEVELOPER).token
    phases = "--phases=examples,fuzzing"
    run(tested, token, tmp_path, at_home(tested), phases, f"--max-examples={EXAMPLES_MAX}")


@pytest.mark.timeout(TEST_TIMEOUT_S)
def test_what_was_made_is_followed_wherever_it_leads(tested: Subject, tmp_path: Path) -> None:
    """By the owner of another company, who may do with it whatever comes of it."""
    token = tested.other.owner.token
    more = ("--phases=stateful", f"--max-examples={STORIES_MAX}")
    said = run(tested, token, tmp_path, SETTINGS, *more)
    reached = re.search(r"Tested: (\d+)", said)
    assert reached
    assert int(reached[1]) >= OPERATIONS_REACHED_MIN


def without_end() -> str:
    """Settings that leave out what is streamed: it goes on until somebody hangs up, and has tests
    of its own."""
    streamed = [
        f"{method.upper()} {path}"
        for path, item in described()["paths"].items()
        for method, operation in item.items()
        if "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    ]
    settings = f"[[operations]]\ninclude-name = {json.dumps(streamed)}\nenabled = false"
    return settings if streamed else ""


def at_home(tested: Subject) -> str:
    """Settings by which the company is what paths name."""
    known = {part: tested.company.known[part][0] for part in ("product", "org", "device", "group")}
    pinned = [f'"path.{part}" = "{name}"' for part, name in known.items()]
    return "\n".join(["[parameters]", *pinned, SETTINGS])


def run(tested: Subject, token: str, folder: Path, settings: str, *more: str) -> str:
    """What schemathesis says, which has nothing to find fault with."""
    spare, tested.spare[:] = tested.spare[:SPARE_A_RUN], tested.spare[SPARE_A_RUN:]
    seeds = {"token": token, "spare": spare, "password": PASSWORD}
    (folder / "seeds.json").write_text(json.dumps(seeds))
    (folder / "openapi.json").write_text(json.dumps(described()))
    (folder / "schemathesis.toml").write_text(f"{settings}\n{without_end()}")
    options = [
        *("--checks=all", f"--exclude-checks={','.join(CHECKS_LEFT_OUT)}", f"--seed={SEED}"),
        *(f"--request-timeout={REQUEST_TIMEOUT_S}", "--no-shrink"),
        *("--suppress-health-check=all", "--warnings=off"),
        *more,
    ]
    program = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    url = tested.company.around.served.url
    ran = subprocess.run(
        [
            *(*program, "--config-file=schemathesis.toml"),
            *("run", "openapi.json", f"--url={url}", *options),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": HOOKS},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, "\n".join(line[:300] for line in said.splitlines()[-400:])
    return said
