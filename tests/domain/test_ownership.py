"""Whose a device is: claimed, given up, asked for; and what becomes of its name meanwhile."""

import pytest

from domain.device import DEVICE
from domain.device_commands import (
    DenyDevice,
    ImportDevice,
    NameDevice,
    NoteDevice,
    ReleaseDevice,
    RemoveDevice,
)
from domain.device_events import (
    DeviceDenied,
    DeviceImported,
    DeviceNamed,
    DeviceNoted,
    DeviceQuarantined,
    DeviceRemoved,
)
from domain.device_refusals import (
    DeviceInAnotherProduct,
    DeviceNotApproved,
    DeviceNotYours,
    DeviceOfOutsider,
    DeviceUnknown,
)
from domain.model import Event, fold
from domain.ownership import (
    TRANSFERS_PENDING_MAX,
    AcceptTransfer,
    ClaimDevice,
    DeclineTransfer,
    DeviceClaimed,
    DeviceNotConnected,
    DeviceOfSomebodyElse,
    DeviceUnclaimed,
    NobodyToAsk,
    RequestTransfer,
    TooManyTransfers,
    TransferAccepted,
    TransferDeclined,
    TransferExpired,
    TransferRequested,
    TransferUnknown,
    TransferWithdrawn,
    UnclaimDevice,
    WithdrawTransfer,
)
from tests.given import Story

ID = "e00fce681234567890abcdef"
HERE, THERE = 7000, 7001
ANN, BOB, EVE = "a" * 24, "b" * 24, "e" * 24
NOON, EVENING, NEXT_DAY = (
    "2030-01-01T12:00:00.000Z",
    "2030-01-01T20:00:00.000Z",
    "2030-01-02T12:00:00.000Z",
)
story = Story(DEVICE)

imported = DeviceImported(device_id=ID, product_id=HERE)
removed = DeviceRemoved(device_id=ID, product_id=HERE)
named = DeviceNamed(device_id=ID, name="Kitchen")
noted = DeviceNoted(device_id=ID, notes="Flickers")


def claimed(by: str = ANN) -> DeviceClaimed:
    return DeviceClaimed(device_id=ID, user_id=by)


def unclaimed(by: str = ANN) -> DeviceUnclaimed:
    return DeviceUnclaimed(device_id=ID, user_id=by)


def claim(by: str = ANN, *, reachable: bool = True, product_id: int | None = None) -> ClaimDevice:
    return ClaimDevice(device_id=ID, user_id=by, reachable=reachable, product_id=product_id)


def unclaim(by: str = ANN) -> UnclaimDevice:
    return UnclaimDevice(device_id=ID, user_id=by)


def ask(by: str = BOB, *, transfer: str = "t1", at: str = NOON) -> RequestTransfer:
    return RequestTransfer(
        device_id=ID, user_id=by, transfer_id=transfer, expires_at=EVENING, at=at
    )


def asked(by: str = BOB, *, transfer: str = "t1", until: str = EVENING) -> TransferRequested:
    return TransferRequested(
        device_id=ID, transfer_id=transfer, user_id=by, owner=ANN, expires_at=until
    )


def accept(by: str = ANN, *, at: str = NOON) -> AcceptTransfer:
    return AcceptTransfer(device_id=ID, user_id=by, transfer_id="t1", at=at)


def decline(by: str = ANN) -> DeclineTransfer:
    return DeclineTransfer(device_id=ID, user_id=by, transfer_id="t1")


def withdraw(by: str = BOB) -> WithdrawTransfer:
    return WithdrawTransfer(device_id=ID, user_id=by, transfer_id="t1")


accepted = TransferAccepted(device_id=ID, transfer_id="t1")
declined = TransferDeclined(device_id=ID, transfer_id="t1")
withdrawn = TransferWithdrawn(device_id=ID, transfer_id="t1")


def test_who_has_a_device_at_hand_claims_it_in_a_product_or_in_none() -> None:
    story.given().when(claim()).then(claimed())
    story.given(imported).when(claim()).then(claimed())


def test_claiming_what_one_has_changes_nothing_online_or_not() -> None:
    story.given(claimed()).when(claim()).then_nothing()
    story.given(claimed()).when(claim(reachable=False)).then_nothing()


def test_a_device_has_one_owner_and_nobody_takes_it_away() -> None:
    refused = (DeviceOfSomebodyElse, "That belongs to someone else.")
    story.given(claimed()).when(claim(BOB)).then_refused(*refused)
    story.given(claimed()).when(claim(BOB, reachable=False)).then_refused(*refused)
    story.given(claimed(), unclaimed()).when(claim(BOB)).then(claimed(BOB))


def test_a_device_that_nobody_can_reach_is_not_claimed() -> None:
    refused = (DeviceNotConnected, "device not connected")
    story.given().when(claim(reachable=False)).then_refused(*refused)


def test_a_code_of_a_product_claims_only_what_that_product_has_taken_in() -> None:
    quarantined = DeviceQuarantined(device_id=ID, product_id=HERE)
    story.given(imported).when(claim(product_id=HERE)).then(claimed())
    story.given(imported).when(claim(product_id=THERE)).then_refused(DeviceUnknown)
    story.given().when(claim(product_id=HERE)).then_refused(DeviceUnknown)
    story.given(quarantined).when(claim(product_id=HERE)).then_refused(DeviceNotApproved)


def test_only_its_owner_gives_a_device_up() -> None:
    story.given(claimed()).when(unclaim()).then(unclaimed())
    story.given(claimed()).when(unclaim(BOB)).then_nothing()
    story.given().when(unclaim()).then_nothing()
    story.given().when(unclaim(by="")).then_nothing()


def test_the_team_frees_a_device_of_its_product_from_whoever_has_it() -> None:
    free = ReleaseDevice(device_id=ID, product_id=HERE)
    quarantined = DeviceQuarantined(device_id=ID, product_id=HERE)
    story.given(imported, claimed()).when(free).then(unclaimed())
    story.given(imported).when(free).then_nothing()
    story.given(claimed()).when(free).then_refused(DeviceUnknown)
    # One that only asks for the product is none of the team's business yet.
    story.given(claimed(), quarantined).when(free).then_refused(DeviceNotApproved)


def test_an_owner_outlives_every_move_between_products() -> None:
    moves: list[Event] = [
        claimed(),
        imported,
        removed,
        DeviceDenied(device_id=ID, product_id=THERE),
    ]
    for length in range(1, len(moves) + 1):
        story.given(*moves[:length]).when(claim(BOB)).then_refused(DeviceOfSomebodyElse)


def take(outside: str) -> ImportDevice:
    return ImportDevice(device_id=ID, product_id=HERE, owner_outside=outside)


def test_what_somebody_outside_the_team_has_claimed_is_not_imported() -> None:
    refused = (DeviceOfOutsider, "not on the team")
    story.given(claimed(EVE)).when(take(EVE)).then_refused(*refused)
    story.given(claimed(ANN)).when(take("")).then(imported)
    # Looked up before the device changed hands: it is the owner of now that counts.
    story.given(claimed(ANN)).when(take(EVE)).then(imported)


def test_who_is_outside_matters_to_no_device_that_is_in_already_or_elsewhere() -> None:
    elsewhere = DeviceImported(device_id=ID, product_id=THERE)
    story.given(imported, claimed(EVE)).when(take(EVE)).then_nothing()
    story.given(elsewhere, claimed(EVE)).when(take(EVE)).then_refused(DeviceInAnotherProduct)


@pytest.mark.parametrize("history", [(claimed(),), (imported, claimed())], ids=["none", "product"])
def test_an_owner_names_and_notes_a_device_wherever_it_is(history: tuple[Event, ...]) -> None:
    name = NameDevice(device_id=ID, owner=ANN, name="Kitchen")
    note = NoteDevice(device_id=ID, owner=ANN, notes="Flickers")
    story.given(*history).when(name).then(named)
    story.given(*history).when(note).then(noted)
    story.given(*history, named).when(name).then_nothing()


def test_nobody_else_names_a_device_that_is_in_no_product() -> None:
    as_owner = NameDevice(device_id=ID, owner=BOB, name="Mine")
    as_nobody = NameDevice(device_id=ID, name="Mine")
    story.given(claimed()).when(as_owner).then_refused(DeviceNotYours)
    story.given(imported).when(as_owner).then_refused(DeviceNotYours)
    story.given(claimed()).when(as_nobody).then_refused(DeviceUnknown)
    story.given().when(as_nobody).then_refused(DeviceUnknown)


def name_after(*history: Event) -> str:
    name: str = fold(DEVICE, history).name
    return name


def test_what_an_owner_calls_a_device_goes_with_it_into_products_and_out_again() -> None:
    assert name_after(claimed(), named, imported) == "Kitchen"
    assert name_after(claimed(), named, imported, removed) == "Kitchen"
    assert name_after(imported, named, removed) == ""


def test_what_an_owner_called_a_device_is_not_for_the_next_one() -> None:
    assert name_after(claimed(), named, unclaimed()) == ""
    assert name_after(claimed(), named, asked(), accepted, claimed(BOB)) == ""
    # In a product it is the team's name for it as well.
    assert name_after(imported, claimed(), named, unclaimed()) == "Kitchen"


def test_somebody_asks_the_owner_for_a_device() -> None:
    story.given(claimed()).when(ask()).then(asked())


def test_whoever_waits_or_has_it_already_does_not_ask_again() -> None:
    story.given(claimed(), asked()).when(ask(transfer="t2")).then_nothing()
    story.given(claimed()).when(ask(ANN)).then_nothing()


def test_once_a_request_has_expired_a_new_one_takes_its_place() -> None:
    again = ask(transfer="t2", at=EVENING)
    history = [claimed(), asked(until=EVENING)]
    story.given(*history).when(again).then(asked(transfer="t2", until=EVENING))
    renewed = asked(transfer="t2", until=NEXT_DAY)
    story.given(*history, renewed).when(accept()).then_refused(TransferUnknown)


def test_nobody_is_asked_for_what_is_nobodys() -> None:
    story.given().when(ask()).then_refused(NobodyToAsk, "claim it")


def test_so_many_people_wait_for_one_device_and_no_more() -> None:
    crowd = [asked(f"{n:024}", transfer=f"t{n}") for n in range(TRANSFERS_PENDING_MAX)]
    story.given(claimed(), *crowd).when(ask(transfer="x")).then_refused(
        TooManyTransfers, f"{TRANSFERS_PENDING_MAX} people"
    )
    # Those who waited in vain do not count.
    late = ask(transfer="x", at=EVENING)
    story.given(claimed(), *crowd).when(late).then(asked(transfer="x"))


def test_the_owner_accepts_and_the_device_is_the_others() -> None:
    story.given(claimed(), asked()).when(accept()).then(accepted, claimed(BOB))


def test_the_owner_declines_and_keeps_the_device() -> None:
    story.given(claimed(), asked()).when(decline()).then(declined)


def test_who_asked_may_take_it_back() -> None:
    story.given(claimed(), asked()).when(withdraw()).then(withdrawn)


def test_nobody_but_the_owner_answers_and_nobody_but_who_asked_takes_it_back() -> None:
    for command in (accept(BOB), accept(EVE), decline(EVE), withdraw(EVE), withdraw(ANN)):
        story.given(claimed(), asked()).when(command).then_refused(TransferUnknown)


def test_a_request_is_accepted_until_it_expires() -> None:
    story.given(claimed(), asked()).when(accept(at=EVENING)).then_refused(TransferExpired, EVENING)


def test_what_was_answered_stays_answered() -> None:
    given_away = [claimed(), asked(), accepted, claimed(BOB)]
    story.given(*given_away).when(accept()).then_nothing()
    story.given(*given_away).when(decline(BOB)).then_refused(TransferUnknown)
    story.given(claimed(), asked(), declined).when(decline()).then_nothing()
    story.given(claimed(), asked(), declined).when(accept()).then_refused(TransferUnknown)
    story.given(claimed(), asked(), withdrawn).when(withdraw()).then_nothing()
    story.given(claimed(), asked(), withdrawn).when(accept()).then_refused(TransferUnknown)


def test_when_a_device_changes_hands_whoever_waited_waits_no_more() -> None:
    others = asked(EVE, transfer="t2")
    for change in ([unclaimed(), claimed(ANN)], [accepted, claimed(BOB)]):
        history = [claimed(), asked(), others, *change]
        new_owner = history[-1].user_id
        late = AcceptTransfer(device_id=ID, user_id=new_owner, transfer_id="t2", at=NOON)
        story.given(*history).when(late).then_refused(TransferUnknown)


CARL, DORA = f"customer:{'c' * 24}", f"customer:{'d' * 24}"
CARLS = DeviceClaimed(device_id=ID, user_id=CARL)
NO_LONGER_CARLS = DeviceUnclaimed(device_id=ID, user_id=CARL)


def claim_for(customer: str, product_id: int | None = HERE) -> ClaimDevice:
    return ClaimDevice(device_id=ID, user_id=customer, reachable=True, product_id=product_id)


def test_a_customer_claims_what_the_product_has_taken_in_and_nothing_else() -> None:
    story.given(imported).when(claim_for(CARL)).then(CARLS)
    story.given(imported).when(claim_for(CARL, THERE)).then_refused(DeviceUnknown)
    story.given().when(claim_for(CARL)).then_refused(DeviceUnknown)
    story.given().when(claim_for(CARL, None)).then_refused(DeviceNotApproved)
    story.given(imported).when(claim_for(CARL, None)).then_refused(DeviceUnknown)
    waiting = DeviceQuarantined(device_id=ID, product_id=HERE)
    story.given(waiting).when(claim_for(CARL)).then_refused(DeviceNotApproved)


def test_a_device_is_one_customers_or_one_users() -> None:
    story.given(imported, CARLS).when(claim_for(CARL)).then_nothing()
    story.given(imported, CARLS).when(claim_for(DORA)).then_refused(DeviceOfSomebodyElse)
    anns = ClaimDevice(device_id=ID, user_id=ANN, reachable=True)
    story.given(imported, CARLS).when(anns).then_refused(DeviceOfSomebodyElse)


def test_a_customers_device_that_leaves_the_product_is_nobodys_and_a_users_stays_theirs() -> None:
    remove = RemoveDevice(device_id=ID, product_id=HERE)
    deny = DenyDevice(device_id=ID, product_id=HERE)
    turned_away = DeviceDenied(device_id=ID, product_id=HERE)
    story.given(imported, CARLS).when(remove).then(NO_LONGER_CARLS, removed)
    story.given(imported, CARLS).when(deny).then(NO_LONGER_CARLS, turned_away)
    story.given(imported, DeviceClaimed(device_id=ID, user_id=ANN)).when(remove).then(removed)


def test_the_team_and_the_customer_both_give_the_device_up() -> None:
    release = ReleaseDevice(device_id=ID, product_id=HERE)
    story.given(imported, CARLS).when(release).then(NO_LONGER_CARLS)
    give_up = UnclaimDevice(device_id=ID, user_id=CARL)
    story.given(imported, CARLS).when(give_up).then(NO_LONGER_CARLS)


@pytest.mark.parametrize(
    ("asking", "owner"), [(ANN, CARL), (CARL, ANN), (DORA, CARL)], ids=["of", "by", "among"]
)
def test_customers_neither_ask_for_devices_nor_are_asked(asking: str, owner: str) -> None:
    owned = DeviceClaimed(device_id=ID, user_id=owner)
    ask = RequestTransfer(
        device_id=ID, user_id=asking, transfer_id="f" * 24, expires_at=NEXT_DAY, at=NOON
    )
    story.given(imported, owned).when(ask).then_refused(DeviceOfSomebodyElse)
