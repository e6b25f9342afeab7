"""Somebody at a terminal: particle-cli logs in and out, and handles tokens."""

import re

import pytest

from tests.clients.particle_js import ParticleJs
from tests.clients.people import PASSWORD, People, Person, must_be_out, with_second_factor
from tests.clients.terminal import Terminal
from tests.cloud import Cloud

DEAD = "You're not logged in."
ASKED = [("your password", PASSWORD)]
TOKEN = re.compile(r"\b[0-9a-f]{40}\b")


@pytest.fixture(scope="module")
def someone(people: People) -> Person:
    return people.sign_up()


def test_the_profile_leads_to_rollcall(rollcall: Cloud, terminal: Terminal) -> None:
    assert f"Using API: {rollcall.status['http']}" in terminal.shows("profile")
    terminal.shows("profile", "work")
    other = terminal.shows("profile")
    assert "Current profile: work" in other
    assert rollcall.status["http"] not in other


def test_somebody_logs_in_is_told_who_they_are_and_logs_out(
    terminal: Terminal, someone: Person, library: ParticleJs
) -> None:
    assert DEAD in terminal.fails("whoami")
    credentials = ("--username", someone.email, "--password", PASSWORD)
    assert "Successfully completed login!" in terminal.shows("login", *credentials)
    token = terminal.profile["access_token"]
    assert terminal.profile["access_token_expires_at"]
    assert someone.email in terminal.shows("whoami")

    assert f"logged out from {someone.email}" in terminal.shows("logout")
    must_be_out(library.having(auth=token))
    assert DEAD in terminal.fails("whoami")
    assert "already logged out" in terminal.shows("cloud logout")


def test_credentials_are_asked_for(terminal: Terminal, someone: Person) -> None:
    answers = [("your email address", someone.email), ("your password", PASSWORD)]
    assert "Successfully completed login!" in terminal.shows("cloud login", answers=answers)


def test_wrong_credentials_are_said_to_be_so(terminal: Terminal, someone: Person) -> None:
    printed = terminal.fails("login", "--username", someone.email, "--password", "a guess of mine")
    assert "User credentials are invalid" in printed
    assert not terminal.profile.get("access_token")


def test_a_login_code_is_asked_for_where_one_is_due(terminal: Terminal, people: People) -> None:
    someone = people.sign_up()
    codes = iter(with_second_factor(someone))
    credentials = ("--username", someone.email, "--password", PASSWORD)
    printed = terminal.shows("login", *credentials, answers=[("enter a login code", next(codes))])
    assert "Successfully completed login!" in printed
    printed = terminal.shows("login", *credentials, "--otp", next(codes))
    assert "Successfully completed login!" in printed

    made = [*ASKED, ("enter a login code", next(codes))]
    assert TOKEN.search(terminal.shows("token create", answers=made))
    printed = terminal.fails("login", *credentials, "--otp", "000000")
    assert "This login code didn't work." in printed


def test_a_token_logs_in(terminal: Terminal, someone: Person) -> None:
    assert "Successfully completed login!" in terminal.shows("login", "--token", someone.token)
    assert terminal.profile["username"] == someone.email
    assert terminal.profile["access_token_expires_at"] > "2026"


def test_a_token_that_was_revoked_is_forgotten(
    terminal: Terminal, people: People, library: ParticleJs
) -> None:
    someone = people.sign_up()
    terminal.shows("login", "--token", someone.token)
    library.call("deleteAccessToken", token=someone.token)
    must_be_out(someone.js)
    assert DEAD in terminal.fails("list")
    assert terminal.profile["access_token"] is None


def test_tokens_are_made_and_revoked(
    terminal: Terminal, someone: Person, library: ParticleJs
) -> None:
    terminal.shows("login", "--token", someone.token)
    printed = terminal.shows("token create", "--expires-in", "3600", answers=ASKED)
    assert "New access token expires on" in printed
    (made,) = TOKEN.findall(printed)
    assert library.having(auth=made).call("getUserInfo")["username"] == someone.email

    printed = terminal.shows("token create", "--never-expires", answers=ASKED)
    assert "New access token never expires" in printed

    assert "Successfully revoked" in terminal.shows("token revoke", made)
    must_be_out(library.having(auth=made))
    assert "reason: Token not found." in terminal.run("token revoke", made).text
    assert someone.email in terminal.shows("whoami")
