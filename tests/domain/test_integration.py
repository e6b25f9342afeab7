"""The life of an integration, as given/when/then."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.integration import (
    INTEGRATION,
    INTEGRATIONS_PER_OWNER_MAX,
    AskDeliveryRetry,
    AskReplay,
    CreateIntegration,
    IntegrationCommand,
    IntegrationExists,
    IntegrationUnknown,
    OneDeviceInSandboxOnly,
    OwnerAmbiguous,
    RemoveIntegration,
    ReplaceIntegration,
    RotateSigningSecret,
    TooManyIntegrations,
)
from domain.integration_events import (
    DeliveryRetryAsked,
    IntegrationChanged,
    IntegrationCreated,
    IntegrationDisabled,
    IntegrationEnabled,
    IntegrationRemoved,
    ReplayAsked,
    SigningSecretRotated,
)
from tests.given import Story

ID = "5f1e0c0000000000000000ea"
USER = "5f1e0c0000000000000000ad"
DEVICE = "e00fce681234567890abcdef"
UNTIL = "2030-01-02T10:00:00.000Z"
WHOLE: dict[str, Any] = {
    "integration_id": ID,
    "kind": "webhook",
    "name": "temp for example.com",
    "event_prefix": "temp",
    "settings": "v1.settings",
    "secret": "v1.secret",
}

story = Story(INTEGRATION)
create = CreateIntegration(**WHOLE, product_id=7000)
created = IntegrationCreated(**WHOLE, product_id=7000)
created_in_sandbox = IntegrationCreated(**WHOLE, user_id=USER)
same = ReplaceIntegration(integration_id=ID, name=WHOLE["name"], event_prefix="temp")
disabled = IntegrationDisabled(integration_id=ID, product_id=7000)
rotate = RotateSigningSecret(integration_id=ID, secret="v1.new", former_until=UNTIL)
ask_retry = AskDeliveryRetry(integration_id=ID, request="r1")
ask_replay = AskReplay(integration_id=ID, request="r1")
remove = RemoveIntegration(integration_id=ID)
removed = IntegrationRemoved(integration_id=ID, product_id=7000)


def test_an_integration_is_created() -> None:
    story.when(create).then(created)
    story.given(created).when(create).then_nothing()


@pytest.mark.parametrize("owner", [{"user_id": USER}, {"organization_id": USER}])
def test_it_belongs_to_somebody(owner: dict[str, Any]) -> None:
    story.when(CreateIntegration(**WHOLE, **owner)).then(IntegrationCreated(**WHOLE, **owner))


@pytest.mark.parametrize("owner", [{}, {"user_id": USER, "product_id": 7000}])
def test_and_to_nobody_else(owner: dict[str, Any]) -> None:
    story.when(CreateIntegration(**WHOLE, **owner)).then_refused(OwnerAmbiguous)


def test_an_id_is_given_once() -> None:
    other = replace(create, settings="v1.other")
    story.given(created).when(other).then_refused(IntegrationExists)
    story.given(created, removed).when(create).then_refused(IntegrationExists)


def test_an_owner_has_only_so_many() -> None:
    full = replace(create, there_are=INTEGRATIONS_PER_OWNER_MAX)
    story.when(full).then_refused(TooManyIntegrations, "100")
    story.when(replace(full, there_are=INTEGRATIONS_PER_OWNER_MAX - 1)).then(created)
    story.given(created).when(full).then_nothing()


def test_only_in_a_sandbox_is_it_for_one_device() -> None:
    story.when(replace(create, device_id=DEVICE)).then_refused(OneDeviceInSandboxOnly)
    one = replace(same, device_id=DEVICE)
    story.given(created).when(one).then_refused(OneDeviceInSandboxOnly)
    story.given(created_in_sandbox).when(one).then(
        IntegrationChanged(
            integration_id=ID,
            name=WHOLE["name"],
            event_prefix="temp",
            settings="v1.settings",
            device_id=DEVICE,
        )
    )


def test_replacing_it_leaves_nothing_as_it_was_but_settings_that_are_not_sent() -> None:
    wanted = ReplaceIntegration(integration_id=ID, name="other", event_prefix="t")
    changed = IntegrationChanged(
        integration_id=ID, name="other", event_prefix="t", settings="v1.settings", product_id=7000
    )
    story.given(created).when(wanted).then(changed)
    story.given(created).when(replace(wanted, settings="v1.new")).then(
        replace(changed, settings="v1.new")
    )
    story.given(created, changed).when(wanted).then_nothing()
    story.given(created).when(same).then_nothing()


def test_it_is_disabled_and_enabled() -> None:
    story.given(created).when(replace(same, disabled=True)).then(disabled)
    story.given(created, disabled).when(replace(same, disabled=True)).then_nothing()
    story.given(created, disabled).when(same).then(
        IntegrationEnabled(integration_id=ID, product_id=7000)
    )
    other = IntegrationChanged(
        integration_id=ID,
        name="other",
        event_prefix="temp",
        settings="v1.settings",
        product_id=7000,
    )
    story.given(created).when(replace(same, name="other", disabled=True)).then(other, disabled)


def test_it_may_be_disabled_from_the_start() -> None:
    made = replace(created, disabled=True)
    story.when(replace(create, disabled=True)).then(made)
    story.given(made).when(same).then(IntegrationEnabled(integration_id=ID, product_id=7000))


def test_what_it_signs_with_is_rotated() -> None:
    rotated = SigningSecretRotated(
        integration_id=ID, secret="v1.new", former_until=UNTIL, product_id=7000
    )
    story.given(created).when(rotate).then(rotated)
    story.given(created, rotated).when(rotate).then_nothing()


def test_it_is_removed_once_and_for_all() -> None:
    story.given(created).when(remove).then(removed)
    story.given(created, removed).when(remove).then_nothing()


def test_that_something_is_sent_again_is_on_record() -> None:
    ask = AskDeliveryRetry(integration_id=ID, request="r1", delivery_id=7)
    asked = DeliveryRetryAsked(integration_id=ID, request="r1", delivery_id=7, product_id=7000)
    story.given(created).when(ask).then(asked)
    story.given(created, asked).when(ask).then_nothing()
    again = replace(ask, request="r2", delivery_id=None)
    story.given(created, asked).when(again).then(replace(asked, request="r2", delivery_id=None))


def test_so_is_that_history_is() -> None:
    part: dict[str, Any] = {"since": "2030-01-01T10:00:00.000Z", "before": UNTIL, "after": 3}
    ask = AskReplay(integration_id=ID, request="r1", **part)
    asked = ReplayAsked(integration_id=ID, request="r1", **part, product_id=7000)
    story.given(created).when(ask).then(asked)
    story.given(created, asked).when(ask).then_nothing()
    story.given(created, asked).when(replace(ask, request="r2")).then(replace(asked, request="r2"))


@pytest.mark.parametrize("command", [same, rotate, ask_retry, ask_replay])
def test_nothing_else_is_done_with_one_that_is_gone(command: IntegrationCommand) -> None:
    story.given(created, removed).when(command).then_refused(IntegrationUnknown)


@pytest.mark.parametrize("command", [same, rotate, ask_retry, ask_replay, remove])
def test_nor_with_one_that_never_was(command: IntegrationCommand) -> None:
    story.when(command).then_refused(IntegrationUnknown)
