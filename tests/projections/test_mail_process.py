"""Mails by `python -m projections`, which is killed while it sends them."""

from pathlib import Path

from tests.people import people
from tests.projections.following import query
from tests.projections.patience import eventually
from tests.projections.post_office import HOST, post_office
from tests.projections.test_process import projections

PEOPLE = 60
KILLS = 3


def test_killed_while_it_sends_each_mail_arrives_and_what_comes_twice_says_so(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    with people(database) as made:
        addresses = [f"user-{number}@example.com" for number in range(PEOPLE)]
        for address in addresses:
            made.sign_up(address)
    with post_office() as office:
        office.slow_s = 0.02
        told = {
            "ROLLCALL_SMTP_URL": f"smtp://{HOST}:{office.port}",
            "ROLLCALL_MAIL_FROM": "cloud@example.net",
            "ROLLCALL_PUBLIC_URL": "https://cloud.example.net",
        }
        for turn in range(1, KILLS + 1):
            with projections(database, nats_url, tmp_path, **told) as process:
                eventually(lambda turn=turn: len(office.taken) >= turn * PEOPLE // (KILLS + 1))
                process.kill()
                process.wait()
            (tmp_path / "ready").unlink()
        with projections(database, nats_url, tmp_path, **told):
            sent = "SELECT count(*) FROM follow.mail WHERE state = 'sent'"
            eventually(lambda: query(database, sent) == [(PEOPLE,)])
    assert {*office.addresses} == {*addresses}
    # Of each kill, the one mail that was on its way.
    assert len(office.taken) - PEOPLE <= KILLS
    assert len({(address, mail["Message-ID"]) for address, mail in office.taken}) == PEOPLE
    assert "https://cloud.example.net" in office.text()


def test_without_a_server_they_land_in_the_state_directory(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    with people(database) as made:
        made.sign_up("ada@example.com")
    with projections(database, nats_url, tmp_path, ROLLCALL_STATE=str(tmp_path)):
        [mail] = eventually(lambda: [*(tmp_path / "mails").glob("*.eml")])
        assert b"To: ada@example.com" in mail.read_bytes()
