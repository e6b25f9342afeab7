"""What a mail says can be done with it can be done, in the cloud as users run it."""

import re
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import httpx
import pytest

from tests.cloud import Cloud, cloud

TIMEOUT_S = 30.0
POLL_S = 0.05
PASSWORD, NEW_PASSWORD = "correct horse battery", "staple correct horse"


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with cloud() as ours:
        yield ours


@pytest.fixture
def anybody(running: Cloud) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=running.status["http"], trust_env=False, timeout=TIMEOUT_S
    ) as client:
        yield client


def mailed(running: Cloud, email: str, subject: str) -> str:
    """What the mail with that subject says, once it is there."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        for path in (running.state.path / "mails").glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(mail, EmailMessage)
            if mail["To"] == email and re.search(subject, mail["Subject"]):
                content: str = mail.get_content()
                return content.replace("\r\n", "\n")
        time.sleep(POLL_S)
    raise AssertionError(f"no mail {subject!r} to {email}")


def curl(client: httpx.Client, text: str, **stated: str) -> httpx.Response:
    """Do what the one command in the mail does, with what it leaves to the reader filled in."""
    [command] = re.findall(r"^  curl (.*)$", text.replace("\\\n", ""), flags=re.MULTILINE)
    for word, meant in stated.items():
        command = command.replace(word, meant)
    method, url = re.findall(r"-X (\w+) (\S+)", command)[0]
    fields = dict(re.findall(r"-d (\w+)=(\S+)", command))
    fields |= dict(re.findall(r"--data-urlencode '(\w+)=([^']+)'", command))
    headers = dict(re.findall(r'-H "([^:]+): ([^"]+)"', command))
    return client.request(method, url, data=fields or None, headers=headers)


def sign_up(client: httpx.Client, email: str) -> None:
    answer = client.post("/v1/users", json={"username": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text


def log_in(client: httpx.Client, email: str, password: str) -> httpx.Response:
    fields = {"grant_type": "password", "username": email, "password": password}
    ours = {"client_id": "particle", "client_secret": "particle"}
    return client.post("/oauth/token", data=fields | ours)


def test_a_password_is_chosen_anew_by_the_code_that_was_mailed(
    running: Cloud, anybody: httpx.Client
) -> None:
    email = "ada@example.com"
    sign_up(anybody, email)
    assert running.status["http"] in mailed(running, email, "^Welcome")
    anybody.post("/v1/user/password-reset", json={"username": email}).raise_for_status()
    text = mailed(running, email, "new password")
    curl(anybody, text, YOUR_NEW_PASSWORD=NEW_PASSWORD).raise_for_status()
    assert log_in(anybody, email, PASSWORD).status_code == 400
    assert log_in(anybody, email, NEW_PASSWORD).status_code == 200


def test_an_invitation_is_accepted_as_its_mail_says(running: Cloud, anybody: httpx.Client) -> None:
    email = "bob@example.com"
    sign_up(anybody, email)
    made = running.http.post("/v1/products", json={"name": "Kettle", "platform_id": 6})
    product = made.json()["product"]["id"]
    invited = running.http.post(f"/v1/products/{product}/team", json={"username": email})
    assert invited.is_success, invited.text
    text = mailed(running, email, "invites you to Kettle$")
    token = log_in(anybody, email, PASSWORD).json()["access_token"]
    curl(anybody, text, **{"$TOKEN": token}).raise_for_status()
    teams = anybody.get("/v1/user/memberships", headers={"Authorization": f"Bearer {token}"})
    assert str(product) in teams.text
