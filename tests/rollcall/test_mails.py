"""An operator sees where mails go, what waits and why, and can have it tried again."""

import json
from collections.abc import Callable, Iterator

import psycopg
import pytest

from rollcall.addresses import Addresses
from rollcall.children import Surroundings, children
from rollcall.handed_on import must_be_understood
from rollcall.secret_keys import Secrets
from rollcall.settings import read_settings
from rollcall.trouble import Trouble
from tests.cloud import Cloud

USER = "0123456789abcdef01234567"
LIST = """
    INSERT INTO follow.mail ("position", recipient, user_id, kind, state, due_at, attempts, trouble)
    VALUES (7, 'user', %(user)s, 'welcome', 'sent', now(), 1, ''),
           (8, 'user', %(user)s, 'reset', 'due', now() + interval '1 hour', 2, 'SMTPConnectError'),
           (9, 'former', %(user)s, 'address_left', 'parked', now(), 14, 'SMTPDataError 451')
"""


@pytest.fixture
def listed(cloud: Cloud) -> Iterator[Cloud]:
    """A cloud with a mail that was sent, one that waits, and one that is parked."""
    with psycopg.connect(cloud.status["database"], autocommit=True) as connection:
        connection.execute(LIST, {"user": USER})
        yield cloud
        connection.execute("DELETE FROM follow.mail")


def test_without_a_server_mails_are_files_and_the_status_says_where(cloud: Cloud) -> None:
    folder = str(cloud.state.path / "mails")
    assert json.loads(cloud.run("status", "--json").stdout)["mails"] == folder
    assert folder in cloud.run("status").stdout
    assert folder in cloud.output.read_text()


def test_with_a_server_the_status_names_it_without_the_password(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud(
        ROLLCALL_SMTP_URL="smtps://us:s3cret@mail.example", ROLLCALL_MAIL_FROM="a@b.example"
    )
    cloud.start()
    assert cloud.status["mails"] == "smtps://mail.example:465"
    assert "s3cret" not in cloud.output.read_text()


def test_what_waits_and_what_is_parked_is_listed_and_whom_it_is_for_by_id(listed: Cloud) -> None:
    waits, parked = listed.run("mails").stdout.splitlines()
    assert waits.startswith(f"8 reset to {USER}; due ")
    assert waits.endswith(" UTC, tried 2 times: SMTPConnectError")
    assert parked == (
        f"9 address_left to {USER}, at their former address; parked, tried 14 times:"
        " SMTPDataError 451"
    )


def test_what_is_parked_is_due_again_when_somebody_asks(listed: Cloud) -> None:
    assert listed.run("mails", "--again").stdout == "Due again: 1.\n"
    assert [line.split()[0] for line in listed.run("mails").stdout.splitlines()] == ["8", "9"]
    assert "parked" not in listed.run("mails").stdout


def test_that_there_is_nothing_is_said(cloud: Cloud) -> None:
    assert cloud.run("mails").stdout == "No mail waits, none is parked.\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ROLLCALL_SMTP_URL", "http://mail.example"),
        ("ROLLCALL_MAIL_FROM", "nobody"),
        ("ROLLCALL_PUBLIC_URL", "cloud.example"),
        ("ROLLCALL_LIMITS", "requests=many"),
        ("ROLLCALL_PROXIES", "-1"),
        ("ROLLCALL_DELIVER_PRIVATE", "10.0.0.0/40"),
    ],
)
def test_what_the_processes_would_not_understand_starts_nothing(variable: str, value: str) -> None:
    settings = read_settings({"ROLLCALL_MAIL_FROM": "a@b.example", variable: value})
    with pytest.raises(Trouble, match=variable):
        must_be_understood(settings)


def test_it_is_refused_before_anything_runs(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    refused = cloud.run("up", ROLLCALL_LIMITS="nonsense")
    assert refused.returncode == 1
    assert refused.stderr.startswith("rollcall: ROLLCALL_LIMITS: there is no limit 'nonsense'")


def test_the_mail_server_and_its_password_are_told_to_the_process_that_sends() -> None:
    wanted = {"ROLLCALL_SMTP_URL": "smtp://u:p@mail.example", "ROLLCALL_MAIL_FROM": "a@b.example"}
    ports = {"http": 8080, "nats": 4222, "device_http": 8081}
    around = Surroundings(
        read_settings(wanted),
        Secrets(*(["secret"] * 5)),
        Addresses(ports, "127.0.0.1", "127.0.0.1", nats_is_ours=True),
        database="dbname=x",
    )
    told = {child.name: around.environment(child) for child in children(edges=1)}
    assert [name for name in told if "ROLLCALL_SMTP_URL" in told[name]] == ["projections"]
    assert told["projections"]["ROLLCALL_PUBLIC_URL"] == "http://127.0.0.1:8080"
