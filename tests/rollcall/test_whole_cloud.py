import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from rollcall.embedded.processes import identify
from rollcall.state import CHECKOUT
from tests.cloud import home, plain_environment

TIMEOUT_S = 100


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Free ports and a state directory of its own; whatever runs there is stopped at the end."""
    with home() as folder:
        environment = plain_environment(folder / "state")
        yield environment
        run(environment, "stop")


def test_one_command_runs_the_cloud_and_one_stops_it(environment: dict[str, str]) -> None:
    started = run(environment, "up", "--detach", "--edges", "2")
    assert started.returncode == 0, started.stdout + started.stderr

    found = json.loads(run(environment, "status", "--json").stdout)
    names = {"supervisor", "postgres", "nats", "api", "projections", "journal", "intake"}
    names |= {"deliveries-1", "deliveries-2"}
    assert set(found["pids"]) == names | {"edge-1", "edge-2"}
    url, token = f"{found['http']}/v1/openapi.json", found["admin_token"]
    with httpx.Client(trust_env=False) as client:
        assert client.get(url).status_code == 400
        let_in = client.get(url, headers={"Authorization": f"Bearer {token}"})
    assert let_in.status_code == 200

    assert run(environment, "stop").returncode == 0
    assert run(environment, "status").returncode == 1
    # A zombie that nobody has reaped yet does not run.
    assert not [pid for pid in found["pids"].values() if identify(pid).started]


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHECKOUT / "run", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
