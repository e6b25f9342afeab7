"""The read model of integrations: what there is, sealed as it came, and gone when it is gone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.integration import (
    SETTINGS,
    SIGNING_SECRET,
    CreateIntegration,
    RemoveIntegration,
    ReplaceIntegration,
    RotateSigningSecret,
)
from projections.integrations.model import IntegrationsModel
from projections.integrations.settings import WebhookSettings, stored
from projections.integrations.stored import COLUMNS, Opened, Row, open_all
from projections.rebuilding.rebuild import rebuild
from tests.people import People, people
from tests.projections.following import follow, query, rows_of

ID, OTHER = "5f1e0c0000000000000000ea", "5f1e0c0000000000000000eb"
DEVICE = "e00fce681234567890abcdef"
UNTIL = "2030-01-02T10:00:00.000Z"
SECOND = timedelta(seconds=1)


@pytest.fixture
def those(database: str) -> Iterator[People]:
    with people(database) as those:
        yield those


def create(those: People, integration_id: str = ID, **owner: object) -> CreateIntegration:
    those.seals.new_key(integration_id)
    texts = {
        SETTINGS: stored(WebhookSettings(url="https://receiver.example/in")),
        SIGNING_SECRET: "whsec_b25l",
    }
    sealed = those.seals.seal_all(integration_id, texts)
    command = CreateIntegration(
        integration_id=integration_id,
        kind="webhook",
        name="temp",
        event_prefix="temp",
        settings=sealed[SETTINGS],
        secret=sealed[SIGNING_SECRET],
        **(owner or {"product_id": 7000}),  # type: ignore[arg-type]
    )
    those.do(command)
    return command


def stored_rows(database: str, page_events_max: int = 5_000) -> dict[str, Row]:
    follow(database, IntegrationsModel(page_events_max=page_events_max))
    found = query(database, f"SELECT {COLUMNS} FROM integrations.integration")
    return {row[0]: Row(*row) for row in found}


def opened(database: str, those: People) -> Opened:
    (one,) = open_all(those.seals, list(stored_rows(database).values()))
    assert one is not None
    return one


def test_what_is_created_is_there_and_can_be_opened(database: str, those: People) -> None:
    command = create(those)
    one = opened(database, those)
    assert one.row.owner.name == "product-7000"
    assert (one.row.kind, one.row.event_prefix, one.row.disabled) == ("webhook", "temp", False)
    assert one.row.settings == command.settings
    assert one.settings == WebhookSettings(url="https://receiver.example/in")
    assert one.secrets_at(datetime.now(UTC)) == ("whsec_b25l",)


def test_nothing_secret_stands_in_the_log_or_in_the_table(database: str, those: People) -> None:
    create(those)
    stored_rows(database)
    for text in ("receiver.example", "whsec_b25l"):
        for place in (
            "SELECT convert_from(state, 'UTF8') FROM log.fleet_events",
            "SELECT i::text FROM integrations.integration i",
        ):
            assert (
                query(database, f"SELECT FROM ({place}) t (t) WHERE t LIKE %s", f"%{text}%") == []
            )


def test_it_follows_what_becomes_of_it(database: str, those: People) -> None:
    create(those, user_id=OTHER)
    assert stored_rows(database)[ID].owner.name == f"user-{OTHER}"
    wanted = ReplaceIntegration(
        integration_id=ID, name="other", event_prefix="t", device_id=DEVICE, disabled=True
    )
    those.do(wanted)
    row = stored_rows(database)[ID]
    found = (row.name, row.event_prefix, row.device_id, row.disabled)
    assert found == ("other", "t", DEVICE, True)
    those.do(ReplaceIntegration(integration_id=ID, name="other", event_prefix="t"))
    row = stored_rows(database)[ID]
    assert (row.device_id, row.disabled) == (None, False)
    assert row.created_at < row.updated_at


def test_for_a_while_it_signs_with_both_secrets(database: str, those: People) -> None:
    create(those)
    secret = those.seals.seal(ID, SIGNING_SECRET, "whsec_dHdv")
    those.do(RotateSigningSecret(integration_id=ID, secret=secret, former_until=UNTIL))
    one, until = opened(database, those), datetime(2030, 1, 2, 10, tzinfo=UTC)
    assert one.secrets_at(until - SECOND) == ("whsec_dHdv", "whsec_b25l")
    assert one.secrets_at(until) == ("whsec_dHdv",)


def test_with_it_goes_its_key(database: str, those: People) -> None:
    create(those)
    create(those, OTHER)
    row = stored_rows(database)[ID]
    those.do(RemoveIntegration(integration_id=ID))
    assert stored_rows(database).keys() == {OTHER}
    assert open_all(those.seals, [row, stored_rows(database)[OTHER]])[0] is None
    assert those.seals.unseal(ID, SETTINGS, row.settings) is None


def test_with_a_person_go_their_integrations(database: str, those: People) -> None:
    ann, bob = those.sign_up("ann@example.com"), those.sign_up("bob@example.com")
    create(those, ID, user_id=ann)
    create(those, OTHER, user_id=bob)
    row = stored_rows(database)[ID]
    those.erase(ann)
    assert stored_rows(database).keys() == {OTHER}
    assert those.seals.unseal(ID, SETTINGS, row.settings) is None


def test_it_is_the_same_wherever_pages_end_and_when_it_is_made_again(
    database: str, those: People
) -> None:
    ann = those.sign_up("ann@example.com")
    create(those, ID, user_id=ann)
    create(those, OTHER)
    those.do(ReplaceIntegration(integration_id=OTHER, name="n", event_prefix="p", disabled=True))
    those.erase(ann)
    stored_rows(database, page_events_max=1)
    live = rows_of(database, "integrations.integration")
    assert len(live) == 1
    rebuild(database, "integrations", accept=False, say=print)
    assert rows_of(database, "integrations.integration") == live
