"""Whatever the OpenAPI description allows, and what it forbids, is sent; every answer is judged."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from domain.log.fleet import Fleet
from domain.roles import Role
from tests.api.companies import Company, company
from tests.api.serving import Served, serving
from tests.api.teams import Around
from tests.people import people

TIMEOUT_S = 280.0  # some 30 seconds, where nobody else keeps the machine busy
TEST_TIMEOUT_S = 300
SEED = "20"
EXAMPLES_MAX = 2  # of each route, and of what is made of several
WAIT_S = 0.1  # for positions of the log that are not there yet

# Left out, each for what the API promises instead:
CHECKS_LEFT_OUT = (
    "ignored_auth",  # no token at all is a 400, as the Particle API has it
    "missing_required_header",  # the same, for the header that a token travels in
    "positive_data_acceptance",  # a rule that says no is a 400, and no schema knows the rules
    "unsupported_method",  # some addresses refuse other methods in words: what there is not yet
)
# What is forbidden may also be too large: that is found out first.
REJECTIONS = (
    "[checks.negative_data_rejection]",
    "expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]",
)
PATHS_LEFT_OUT = (
    "^/v1/(access_tokens|user$|user/mfa)",  # they can end the token of the run
    "^/oauth/",  # has answers of its own, in OAuth's shape
    "/events$",  # devices are out of reach here: no NATS is running
    "/ping$",
    "/devices/{device}/{name}$",
    "/diagnostics/{device}/update$",
)


@pytest.fixture(scope="module")
def tested(served: Served, fleet: Fleet) -> Iterator[Company]:
    with people(served.database) as those, ExitStack() as clients:
        found = company(Around(served, those, clients=clients), fleet)
        found.around.served = clients.enter_context(serving(served.database, wait_s=WAIT_S))
        yield found


@pytest.mark.timeout(TEST_TIMEOUT_S)
@pytest.mark.parametrize("who", ["administrator", "developer"])
def test_every_answer_is_one_that_the_description_promises(
    tested: Company, who: str, tmp_path: Path
) -> None:
    around = tested.around
    if who == "administrator":
        token = around.user("operator", administrator=True).token
    else:
        around.team = str(tested.world.id)
        token = around.member(Role.DEVELOPER).token
    known = {part: tested.known[part][0] for part in ("product", "org", "device", "group")}
    settings = tmp_path / "schemathesis.toml"
    lines = [f'"path.{part}" = "{name}"' for part, name in known.items()]
    settings.write_text("\n".join(["[parameters]", *lines, *REJECTIONS]))
    url = f"{around.served.url}/v1/openapi.json"
    options = [
        *("-H", f"Authorization: Bearer {token}", "--checks=all"),
        f"--exclude-checks={','.join(CHECKS_LEFT_OUT)}",
        f"--exclude-path-regex={'|'.join(PATHS_LEFT_OUT)}",
        *(f"--max-examples={EXAMPLES_MAX}", f"--seed={SEED}"),
        *("--no-shrink", "--suppress-health-check=all", "--warnings=off"),
    ]
    program = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    ran = subprocess.run(
        [*program, f"--config-file={settings}", "run", url, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, "\n".join(line[:300] for line in said.splitlines()[-200:])
    assert "Stateful" in said
