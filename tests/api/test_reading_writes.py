"""A write can be read once it is answered; where the read models are behind, the answer says so."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests import servers
from tests.api.serving import following, serving
from tests.api.world import PLATFORM, World

WAIT_S = 0.2


@pytest.fixture
def unfollowed(postgres_server: str, template: str) -> Iterator[tuple[httpx.Client, str]]:
    """An API whose read models nobody keeps up, and its database."""
    with (
        servers.database(postgres_server, template) as database,
        serving(database, wait_s=WAIT_S) as api,
        api.client() as client,
    ):
        yield client, database


def test_a_write_is_read_back_at_once_and_names_its_position(world: World) -> None:
    for number in range(20):
        answer = world.api.put(world.path, json={"name": f"name {number}"})
        assert "X-Rollcall-Behind" not in answer.headers
        read = world.api.get(world.path)
        assert read.json()["product"]["name"] == f"name {number}"
        assert int(read.headers["X-Rollcall-Position"]) >= int(
            answer.headers["X-Rollcall-Position"]
        )


def test_a_write_answers_what_it_did_even_if_nobody_follows(
    unfollowed: tuple[httpx.Client, str],
) -> None:
    client, _ = unfollowed
    body = {"name": "alone", "platform_id": PLATFORM}
    answer = client.post("/v1/products", json=body)
    assert answer.status_code == 201
    assert answer.json()["product"]["name"] == "alone"
    assert answer.headers["X-Rollcall-Behind"] == "fleet, history, access, integrations"
    assert answer.headers["X-Rollcall-Position"] == "3"  # after the caller, and the caller's token
    product_id = answer.json()["product"]["id"]
    assert client.get(f"/v1/products/{product_id}").status_code == 403


def test_a_read_waits_for_the_position_it_asks_for(
    unfollowed: tuple[httpx.Client, str],
) -> None:
    client, database = unfollowed
    body = {"name": "soon", "platform_id": PLATFORM}
    product_id = client.post("/v1/products", json=body).json()["product"]["id"]
    late = client.get("/v1/products", params={"at_least": 3})
    assert late.headers["X-Rollcall-Behind"] == "fleet, history, access, integrations"
    assert late.json()["products"] == []
    with following(database):
        end = time.monotonic() + 20
        header = {"X-Rollcall-At-Least": "3"}
        while "X-Rollcall-Behind" in client.get("/v1/products", headers=header).headers:
            assert time.monotonic() < end
        assert client.get(f"/v1/products/{product_id}").status_code == 200


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "²", "9" * 19])
def test_a_position_to_wait_for_is_a_number(world: World, given: str) -> None:
    error = world.refused("GET", "", 400, params={"at_least": given})
    assert error["field"] == "at_least"


def test_the_status_names_who_follows_and_how_far(world: World) -> None:
    status = world.api.get("/v1/status", params={"at_least": world.head()}).json()
    assert status["ok"] is True
    followers = {one["name"]: one for one in status["followers"]}
    assert {"fleet", "history"} <= followers.keys()
    assert followers["fleet"]["position"] == status["position"]
    assert followers["fleet"]["behind"] == 0
