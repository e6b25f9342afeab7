"""The life of an OAuth client, as given/when/then."""

from typing import Any

import pytest

from domain.client import (
    CLIENT,
    ChangeClient,
    ClientChanged,
    ClientCommand,
    ClientIdTaken,
    ClientRegistered,
    ClientRemoved,
    ClientUnknown,
    RedirectMissing,
    RegisterClient,
    RemoveClient,
)
from tests.given import Story

ID = "lamp-app-1234"
WHOLE: dict[str, Any] = {
    "client_id": ID,
    "name": "Lamp app",
    "type": "web",
    "redirect_uri": "https://lamp.example/back",
    "secret_hash": "a" * 64,
    "scope": "customers:create",
    "user_id": "5f1e0c0000000000000000ad",
    "product_id": 7000,
}

story = Story(CLIENT)
register = RegisterClient(**WHOLE)
registered = ClientRegistered(**WHOLE)
remove, removed = RemoveClient(client_id=ID), ClientRemoved(client_id=ID)


def change(name: str | None = None, scope: str | None = None) -> ChangeClient:
    return ChangeClient(client_id=ID, name=name, scope=scope)


def changed(name: str, scope: str) -> ClientChanged:
    return ClientChanged(client_id=ID, name=name, scope=scope)


def test_a_client_is_registered_with_all_that_was_said_of_it() -> None:
    story.given().when(register).then(registered)


def test_registering_the_same_again_changes_nothing() -> None:
    story.given(registered).when(register).then_nothing()
    story.given(registered, changed("Lamps", "")).when(register).then_nothing()


def test_two_clients_do_not_share_an_id() -> None:
    other = RegisterClient(**{**WHOLE, "secret_hash": "b" * 64})
    story.given(registered).when(other).then_refused(ClientIdTaken, ID)


def test_a_removed_client_does_not_come_back() -> None:
    story.given(registered, removed).when(register).then_refused(ClientIdTaken)


def test_a_client_of_the_web_says_where_it_is() -> None:
    nowhere = RegisterClient(client_id=ID, name="Lamp app", type="web")
    story.given().when(nowhere).then_refused(RedirectMissing)
    installed = RegisterClient(client_id=ID, name="Lamp app", type="installed")
    story.given().when(installed).then(
        ClientRegistered(client_id=ID, name="Lamp app", type="installed")
    )


def test_name_and_scope_change_each_by_itself() -> None:
    given = story.given(registered)
    given.when(change(name="Lamps")).then(changed("Lamps", "customers:create"))
    given.when(change(scope="")).then(changed("Lamp app", ""))
    given.when(change("Lamps", "*:*")).then(changed("Lamps", "*:*"))


def test_what_is_so_already_is_no_change() -> None:
    story.given(registered).when(change()).then_nothing()
    story.given(registered).when(change("Lamp app", "customers:create")).then_nothing()
    given = story.given(registered, changed("Lamps", ""))
    given.when(change("Lamps")).then_nothing()


def test_a_client_is_removed_once() -> None:
    story.given(registered).when(remove).then(removed)
    story.given(registered, removed).when(remove).then_nothing()


@pytest.mark.parametrize("command", [change("Lamps"), remove])
def test_an_unknown_client_is_neither_changed_nor_removed(command: ClientCommand) -> None:
    story.given().when(command).then_refused(ClientUnknown)


def test_a_removed_client_is_not_changed() -> None:
    story.given(registered, removed).when(change("Lamps")).then_refused(ClientUnknown)
