"""Who asks whom for which device, whatever the pages it was told in."""

from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest

from domain.log.seals import Seals
from domain.ownership import ClaimDevice, RequestTransfer, TransferRequested
from domain.user import EraseUser
from projections.access.model import AccessModel
from projections.rebuilding.rebuild import rebuild
from tests.people import MASTER_KEY, people
from tests.projections.following import follow, query, rows_of
from tests.projections.test_reactions import of_kind
from tests.projections.world import DEVICES, World, something_of_an_owner

TABLE = "access.device_transfer"


@pytest.fixture
def seals(database: str) -> Iterator[Seals]:
    with closing(Seals(database, MASTER_KEY)) as made:
        yield made


@pytest.mark.parametrize("seed", range(4))
def test_however_long_the_pages_those_wait_whom_the_devices_know_of(
    database: str, fleet_world: World, seals: Seals, seed: int
) -> None:
    random = Random(seed)
    for _ in range(4):
        for _ in range(60):
            something_of_an_owner(fleet_world, random)
        follow(database, AccessModel(seals, page_events_max=random.choice([1, 2, 7, 5_000])))

        waiting = {
            (one, transfer.transfer_id, transfer.user_id, ownership.owner)
            for one in DEVICES
            for ownership in [fleet_world.fleet.load(f"device-{one}").state.ownership]
            for transfer in ownership.transfers
        }
        columns = "device_id, transfer_id, user_id, owner"
        assert set(query(database, f"SELECT {columns} FROM {TABLE}")) == waiting
    assert of_kind(fleet_world, TransferRequested), "nobody asked for anything"


def test_rebuilt_it_is_the_same(database: str, fleet_world: World, seals: Seals) -> None:
    random = Random(7)
    for _ in range(150):
        something_of_an_owner(fleet_world, random)
    follow(database, AccessModel(seals, page_events_max=3))
    before = rows_of(database, TABLE)

    rebuild(database, "access", accept=False, say=print, seals=seals)

    assert rows_of(database, TABLE) == before


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_who_is_erased_waits_for_nothing(
    database: str, fleet_world: World, seals: Seals, page_events_max: int
) -> None:
    with people(database) as those:
        ann, bob = those.sign_up("ann@example.com"), those.sign_up("bob@example.com")
    one = DEVICES[0]
    fleet_world.do(ClaimDevice(device_id=one, user_id="owner", reachable=True))
    for user_id, transfer_id in ((ann, "t1"), (bob, "t2")):
        fleet_world.do(
            RequestTransfer(
                device_id=one,
                user_id=user_id,
                transfer_id=transfer_id,
                at="2030-01-01T00:00:00Z",
                expires_at="2030-01-15T00:00:00Z",
            )
        )
    fleet_world.do(EraseUser(user_id=ann))
    follow(database, AccessModel(seals, page_events_max=page_events_max))

    assert query(database, f"SELECT transfer_id FROM {TABLE}") == [("t2",)]
