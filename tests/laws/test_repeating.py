"""Saying an accepted command again changes nothing, and reading history never refuses anything."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.claim_code import ClaimCodeIssued, ClaimCodeTaken, IssueClaimCode
from domain.deciders import DECIDERS
from domain.device_commands import AdmitDevice, FlashBinary, FlashOwnBinary
from domain.device_events import (
    DevelopmentMarked,
    DeviceImported,
    DeviceQuarantined,
    FirmwareLocked,
    UpdatesForced,
)
from domain.facts import NO_DEVICE_FACTS, ProductFacts, evolve_device, evolve_product
from domain.firmware import FirmwareProven, FirmwareUploaded, ReleaseFirmware
from domain.group import CreateGroup, GroupCreated, GroupNameTaken
from domain.integration import CreateIntegration
from domain.integration_events import IntegrationCreated
from domain.model import Command, Event, Refused, fold
from domain.organization import CreateOrganization, OrganizationCreated, OrganizationExists
from domain.ownership import (
    AcceptTransfer,
    ClaimDevice,
    DeclineTransfer,
    DeviceClaimed,
    TransferRequested,
    WithdrawTransfer,
)
from domain.product import CreateProduct, ProductCreated, ProductIdTaken
from domain.product_ownership import ProductOffered
from domain.team import ExpireInvitation
from domain.team_events import ApiUserCreated, InvitationAccepted, MemberInvited
from domain.team_programs import ApiUserExists, CreateApiUser, ReplaceApiUserToken
from tests.laws.pools import (
    COMMANDS,
    EVENTS,
    NOUNS,
    law,
    law_of_a_command,
    made_of_the_pool,
    some_of,
)

# Creating is the exception: a second one of the same name may be somebody else's, so it is refused.
# (The same call repeated is known by its command id.)
TOLD_SO: dict[type[Command], type[Refused]] = {
    CreateProduct: ProductIdTaken,
    CreateGroup: GroupNameTaken,
    CreateOrganization: OrganizationExists,
    CreateApiUser: ApiUserExists,
    IssueClaimCode: ClaimCodeTaken,
}
# A random history seldom gets far by itself, so some begin where there is something to say no to.
ID = "e00fce681234567890abcdef"
imported = DeviceImported(device_id=ID, product_id=7000)
marked = DevelopmentMarked(device_id=ID, product_id=7000)
forced = UpdatesForced(device_id=ID, product_id=7000)
locked = FirmwareLocked(device_id=ID, product_id=7000, version=1)
claimed = DeviceClaimed(device_id=ID, user_id="u1")
asked = TransferRequested(
    device_id=ID,
    transfer_id="t1",
    user_id="u2",
    owner="u1",
    expires_at="2030-01-02T12:00:00Z",
)
issued = ClaimCodeIssued(
    code_hash="1" * 64, user_id="u1", product_id=None, expires_at="2030-01-02T12:00:00Z"
)
uploaded = FirmwareUploaded(
    product_id=7000, version=1, sha256="1" * 64, size_bytes=512, title="First"
)
created = ProductCreated(product_id=7000, platform_id=6, name="beta", slug="lamp-v1")
founded = OrganizationCreated(organization_id="f" * 24, slug="lamps", name="beta", owner="ada")
invited = MemberInvited(
    team="7000", user_id="u1", role="Support", expires_at="2030-01-01T10:30:00Z"
)
accepted = InvitationAccepted(team="7000", user_id="u1")
program = ApiUserCreated(
    team="7000", api_user_id="p1", username="p", friendly_name="P", scopes=(), token_id="a1"
)
HOOK: dict[str, Any] = {
    "integration_id": "5f1e0c0000000000000000ea",
    "kind": "webhook",
    "name": "beta",
    "event_prefix": "temp",
    "settings": "v1.one",
    "secret": "v1.one",
}
integrated = IntegrationCreated(**HOOK, user_id="u1")
BEGINNINGS: dict[str, list[tuple[Event, ...]]] = {
    "product": [
        (),
        (created,),
        (created, ProductOffered(product_id=7000, user_id="u1")),
    ],
    "group": [(), (GroupCreated(product_id=7000, group="beta", name="beta"),)],
    "firmware": [
        (),
        (uploaded,),
        (uploaded, FirmwareProven(product_id=7000, version=1, device_id=ID)),
    ],
    "device": [
        (),
        (imported,),
        (imported, marked, forced, locked),
        (imported, claimed),
        (claimed, asked),
    ],
    "claim_code": [(), (issued,)],
    "session": [()],
    "integration": [(), (integrated,)],
    "organization": [(), (founded,)],
    "team": [(), (invited,), (invited, accepted)],
}
# What would come up too seldom by itself.
ANSWER = {"device_id": ID, "transfer_id": "t1"}
waiting = DeviceQuarantined(device_id=ID, product_id=7000)
flash_own = FlashOwnBinary(
    device_id=ID, owner="u1", sha256="1" * 64, size_bytes=512, online=True, request="r1"
)
ours = {"device_id": ID, "product_id": 7000}
developed = (DeviceImported(**ours), DevelopmentMarked(**ours))
SCENES: dict[type[Command], tuple[tuple[Event, ...], Command]] = {
    CreateIntegration: ((), CreateIntegration(**HOOK, user_id="u1")),
    AdmitDevice: ((claimed, waiting), AdmitDevice(device_id=ID, product_id=7000, owner="u1")),
    FlashOwnBinary: ((claimed,), flash_own),
    FlashBinary: (
        developed,
        FlashBinary(**ours, sha256="1" * 64, size_bytes=512, online=True, request="r1"),
    ),
    ClaimDevice: ((), ClaimDevice(device_id=ID, user_id="u1", reachable=True)),
    AcceptTransfer: (
        (claimed, asked),
        AcceptTransfer(**ANSWER, user_id="u1", at="2030-01-01T10:00:00Z"),
    ),
    DeclineTransfer: ((claimed, asked), DeclineTransfer(**ANSWER, user_id="u1")),
    WithdrawTransfer: ((claimed, asked), WithdrawTransfer(**ANSWER, user_id="u2")),
    ExpireInvitation: (
        (invited,),
        ExpireInvitation(team="7000", user_id="u1", at="2030-01-01T10:30:00Z"),
    ),
    ReplaceApiUserToken: (
        (program,),
        ReplaceApiUserToken(team="7000", api_user_id="p1", token_id="b2"),
    ),
}
KINDS = [(noun, kind) for noun, kinds in COMMANDS.items() for kind in kinds]
ANYTHING = [kind for kinds in EVENTS.values() for kind in kinds]


def again(command: Command) -> Command:
    """The same command as it would be sent a second time: what it looks up is looked up anew."""
    match command:
        case ReleaseFirmware(product_default=default, groups=groups):
            return replace(command, held_default=default, held_groups=groups)
        case _:
            return command


@pytest.mark.parametrize(("noun", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_repeating_an_accepted_command_yields_nothing(noun: str, kind: type[Command]) -> None:
    decider = DECIDERS[noun]
    changes = 0

    @law_of_a_command
    @given(st.sampled_from(BEGINNINGS[noun]), some_of(EVENTS[noun], 8), made_of_the_pool(kind))
    def check(beginning: tuple[Event, ...], history: list[Event], command: Command) -> None:
        nonlocal changes
        state = fold(decider, [*beginning, *history])
        try:
            events = decider.decide(state, command)
        except Refused:
            return
        for happened in events:
            state = decider.evolve(state, happened)
        if kind in TOLD_SO:
            with pytest.raises(TOLD_SO[kind]):
                decider.decide(state, again(command))
        else:
            assert list(decider.decide(state, again(command))) == []
        changes += bool(events)

    if kind in SCENES:
        beginning, command = SCENES[kind]
        check = example(beginning, [], command)(check)
    check()
    # Were the command refused in every scene, the law would say nothing of it.
    assert changes


@pytest.mark.parametrize("noun", NOUNS)
def test_history_is_never_refused_whatever_it_holds(noun: str) -> None:
    decider = DECIDERS[noun]

    @law
    @given(some_of(EVENTS[noun]))
    def check(history: list[object]) -> None:
        state = decider.initial
        for happened in history:
            state = decider.evolve(state, happened)
            assert type(state) is type(decider.initial)

    check()


@law
@given(some_of(ANYTHING, size_max=20))
def test_facts_are_folded_from_any_events_in_any_order(history: list[object]) -> None:
    device, product = NO_DEVICE_FACTS, None
    for happened in history:
        device = evolve_device(device, happened)  # type: ignore[arg-type]
        product = evolve_product(product, happened)  # type: ignore[arg-type]
    assert type(device) is type(NO_DEVICE_FACTS)
    assert product is None or type(product) is ProductFacts
