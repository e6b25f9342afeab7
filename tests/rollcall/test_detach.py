import subprocess
import sys
from collections.abc import Callable

from tests.cloud import Cloud
from tests.rollcall.conftest import STANDINS

TIMEOUT_S = 60


def detach(cloud: Cloud) -> subprocess.CompletedProcess[str]:
    """Comes back although what it started goes on."""
    return subprocess.run(
        [sys.executable, "-m", *STANDINS, "--detach"],
        env=cloud.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def test_detached_it_comes_back_when_everything_serves(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    try:
        came_back = detach(cloud)
        status = cloud.status
    finally:
        stopped = cloud.run("stop")

    assert came_back.returncode == 0
    assert status["ready"] is True
    assert status["http"] in came_back.stdout
    assert status["admin_token"] in came_back.stdout
    assert stopped.returncode == 0


def test_what_it_says_afterwards_is_in_its_log(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    try:
        came_back = detach(cloud)
        cloud.kill("api")
        shown = cloud.run("logs", "supervisor").stdout
        while "api was ended by SIGKILL" not in shown:
            shown = cloud.run("logs", "supervisor").stdout
    finally:
        cloud.run("stop")

    assert "api was ended" not in came_back.stdout


def test_detached_it_says_why_it_could_not_start(make_cloud: Callable[..., Cloud]) -> None:
    came_back = detach(make_cloud(STANDIN_BROKEN="yes"))

    assert came_back.returncode == 1
    assert "this child never serves" in came_back.stdout
