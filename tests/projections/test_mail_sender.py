"""Mails arrive, however the server behaves; once, or under the same id where nobody can know."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import psycopg
import pytest

from domain.user import ChangeEmail
from domain.user_events import EMAIL
from projections.mails.model import MailModel
from projections.mails.post import (
    NEVER,
    OFFERED,
    REQUIRED,
    Folder,
    Nowhere,
    Post,
    PostMalformed,
    Smtp,
    SmtpServer,
    smtp_server,
)
from projections.mails.sender import ATTEMPTS_MAX, MailSender, wait_after
from projections.mails.settings import mail_settings
from projections.mails.writing import Writer
from tests.people import People, id_for, people
from tests.projections.following import follow, query, run
from tests.projections.post_office import (
    HOST,
    PASSWORD,
    USER,
    PostOffice,
    free_port,
    papers,
    post_office,
    right_password,
)
from tests.projections.test_mails import SENDER, URL

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"
PLAIN = {"tls": False, "starttls": NEVER}


class Outbox:
    """What is to be sent, and a clock to wait by."""

    def __init__(self, database: str, people: People) -> None:
        self.database = database
        self.people = people
        self.later = timedelta()

    def send(self, post: Post | int) -> None:
        """Whatever is due, by that post, or by the plain server at that port."""
        if isinstance(post, int):
            post = Smtp(SmtpServer(HOST, post, **PLAIN), SENDER)
        follow(self.database, MailModel())
        # A sender that is started anew each time: nothing is kept but in the list.
        writer = Writer(self.people.seals, SENDER, URL)
        now = lambda: datetime.now(UTC) + self.later
        run(self.database, MailSender(writer, post, now=now))

    def wait(self) -> None:
        self.later += timedelta(days=1)

    def listed(self) -> list[tuple[str, int, str]]:
        """State, attempts and trouble, in the order of events."""
        mails = 'SELECT state, attempts, trouble FROM follow.mail ORDER BY "position"'
        return [
            (state, attempts, trouble) for state, attempts, trouble in query(self.database, mails)
        ]


@pytest.fixture
def outbox(database: str) -> Iterator[Outbox]:
    with people(database) as made:
        made.sign_up(ADA)
        made.sign_up(BOB)
        made.sign_up(CYD)
        yield Outbox(database, made)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with post_office() as server:
        yield server


def test_what_is_due_goes_in_one_session(outbox: Outbox, office: PostOffice) -> None:
    outbox.send(office.port)
    assert office.addresses == [ADA, BOB, CYD]
    assert office.sessions == 1
    assert outbox.listed() == [("sent", 1, "")] * 3


def test_a_server_that_refuses_for_now_is_asked_again_later(
    outbox: Outbox, office: PostOffice
) -> None:
    office.answers = ["451 not now"] * 3
    outbox.send(office.port)
    assert outbox.listed() == [("due", 1, "SMTPDataError 451")] * 3
    outbox.send(office.port)
    assert office.taken == [], "not before it is time"
    outbox.wait()
    outbox.send(office.port)
    assert sorted(office.addresses) == [ADA, BOB, CYD]
    assert outbox.listed() == [("sent", 2, "")] * 3


def test_a_recipient_nobody_knows_is_parked_and_the_others_get_theirs(
    outbox: Outbox, office: PostOffice
) -> None:
    office.unknown = {BOB}
    outbox.send(office.port)
    assert office.addresses == [ADA, CYD]
    assert outbox.listed()[1] == ("parked", 1, "SMTPRecipientsRefused 550")
    outbox.wait()
    outbox.send(office.port)
    assert len(office.taken) == 2


def test_a_mail_refused_for_good_is_parked(outbox: Outbox, office: PostOffice) -> None:
    office.answers = ["554 we do not like it"]
    outbox.send(office.port)
    assert office.addresses == [BOB, CYD]
    assert outbox.listed()[0] == ("parked", 1, "SMTPDataError 554")


def test_the_words_of_a_server_are_not_kept_for_they_name_the_recipient(
    outbox: Outbox, office: PostOffice, capfd: pytest.CaptureFixture[str]
) -> None:
    office.unknown = {ADA, BOB, CYD}
    outbox.send(office.port)
    assert "parked" in capfd.readouterr().err
    rows = query(outbox.database, "SELECT m::text FROM follow.mail m")
    assert "example.com" not in f"{rows} {capfd.readouterr()}"


def test_a_server_that_is_not_there_is_waited_for(outbox: Outbox) -> None:
    server = PostOffice(free_port())
    outbox.send(server.port)
    outbox.wait()
    outbox.send(server.port)
    assert outbox.listed() == [("due", 2, "SMTPConnectError")] * 3
    outbox.wait()
    with post_office(server):
        outbox.send(server.port)
    assert server.addresses == [ADA, BOB, CYD]


def test_a_server_that_dies_in_the_middle_gets_the_mail_again_under_the_same_id(
    outbox: Outbox, office: PostOffice
) -> None:
    """It had taken the mail, and could not say so."""
    office.answers = ["250 taken", ""]
    outbox.send(office.port)
    assert sorted(office.addresses) == [ADA, BOB, CYD]
    assert outbox.listed()[1] == ("due", 1, "SMTPServerDisconnected")
    outbox.wait()
    outbox.send(office.port)
    assert sorted(office.addresses) == [ADA, BOB, BOB, CYD]
    ids = [(address, message["Message-ID"]) for address, message in office.taken]
    assert len(set(ids)) == len({one for _, one in ids}) == 3


def test_a_database_that_dies_before_it_is_written_down_leads_to_a_second_mail_of_the_same_id(
    outbox: Outbox, office: PostOffice
) -> None:
    crash = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    office.meanwhile = lambda: query(outbox.database, crash, "rollcall mail_sender") and None
    with pytest.raises(psycopg.OperationalError):
        outbox.send(office.port)
    office.meanwhile = lambda: None
    outbox.send(office.port)
    assert office.addresses == [ADA, ADA, BOB, CYD]
    assert len({message["Message-ID"] for _, message in office.taken}) == 3


def test_a_slow_server_gets_some_at_a_time_and_all_in_the_end(
    outbox: Outbox, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told to stop need not wait for all of them."""
    monkeypatch.setattr("projections.mails.post.SESSION_S", 0.2)
    office.slow_s = 0.3
    outbox.send(office.port)
    assert office.addresses == [ADA, BOB, CYD]
    assert office.sessions == 3


def test_a_server_that_never_answers_is_left(
    outbox: Outbox, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.mails.post.SMTP_TIMEOUT_S", 0.3)
    office.slow_s = 1.0
    outbox.send(office.port)
    assert outbox.listed() == [("due", 1, "SMTPReadTimeoutError")] * 3


def test_after_days_of_trouble_a_mail_is_parked(outbox: Outbox) -> None:
    port = free_port()
    for _ in range(ATTEMPTS_MAX + 3):
        outbox.send(port)
        outbox.wait()
    assert outbox.listed() == [("parked", ATTEMPTS_MAX, "SMTPConnectError")] * 3


def test_attempts_are_ever_further_apart_up_to_a_day() -> None:
    waits = [wait_after(attempts) for attempts in range(1, ATTEMPTS_MAX)]
    assert waits[:4] == [30, 60, 120, 240]
    assert waits[-1] == max(waits) == 86_400
    assert timedelta(seconds=sum(waits)) > timedelta(days=2)


def test_over_tls_with_a_log_in(outbox: Outbox, tmp_path: Path) -> None:
    proof = papers(tmp_path)
    with post_office(
        ssl_context=proof.context, authenticator=right_password, auth_require_tls=False
    ) as office:
        server = SmtpServer(HOST, office.port, True, NEVER, USER, PASSWORD, str(proof.ca))
        outbox.send(Smtp(server, SENDER))
    assert office.addresses == [ADA, BOB, CYD]
    assert office.logged_in


def test_with_starttls_and_a_log_in(outbox: Outbox, tmp_path: Path) -> None:
    proof = papers(tmp_path)
    with post_office(
        tls_context=proof.context,
        require_starttls=True,
        authenticator=right_password,
        auth_required=True,
    ) as office:
        server = SmtpServer(HOST, office.port, False, REQUIRED, USER, PASSWORD, str(proof.ca))
        outbox.send(Smtp(server, SENDER))
    assert office.addresses == [ADA, BOB, CYD]
    assert office.encrypted
    assert office.logged_in


def test_a_server_without_starttls_gets_neither_a_mail_nor_the_password(outbox: Outbox) -> None:
    heard = []

    def listen(*said: object) -> object:
        heard.append(said)
        return right_password(*said)  # type: ignore[arg-type]

    with post_office(authenticator=listen, auth_require_tls=False) as office:
        server = SmtpServer(HOST, office.port, False, REQUIRED, USER, PASSWORD)
        outbox.send(Smtp(server, SENDER))
    assert (office.taken, heard) == ([], [])
    assert outbox.listed()[0][0] == "due"


@pytest.mark.parametrize("starttls", [REQUIRED, OFFERED])
def test_a_server_that_cannot_prove_its_name_gets_no_mail(
    outbox: Outbox, tmp_path: Path, starttls: str
) -> None:
    with post_office(tls_context=papers(tmp_path, "127.0.0.2").context) as office:
        outbox.send(Smtp(SmtpServer(HOST, office.port, False, starttls), SENDER))
        ca = str(tmp_path / "ca.pem")
        outbox.wait()
        outbox.send(Smtp(SmtpServer(HOST, office.port, False, starttls, ca=ca), SENDER))
    assert office.taken == []
    assert {state for state, _, _ in outbox.listed()} == {"due"}


def test_a_wrong_password_is_trouble_that_may_pass(outbox: Outbox) -> None:
    with post_office(authenticator=right_password, auth_require_tls=False) as office:
        server = SmtpServer(HOST, office.port, False, NEVER, USER, "wrong")
        outbox.send(Smtp(server, SENDER))
        assert outbox.listed() == [("due", 1, "SMTPAuthenticationError 535")] * 3
        outbox.wait()
        server = SmtpServer(HOST, office.port, False, NEVER, USER, PASSWORD)
        outbox.send(Smtp(server, SENDER))
    assert office.addresses == [ADA, BOB, CYD]


def test_without_a_server_mails_are_files_that_nobody_else_may_read(
    outbox: Outbox, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "mails"
    outbox.send(Folder(folder))
    outbox.send(Folder(folder))
    files = sorted(folder.iterdir())
    mails = [message_from_bytes(path.read_bytes(), policy=default) for path in files]
    assert sorted(mail["To"] for mail in mails) == [ADA, BOB, CYD]
    assert {path.suffix for path in files} == {".eml"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert outbox.listed() == [("sent", 1, "")] * 3


def test_a_folder_where_a_file_is_is_tried_again(outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "mails").touch()
    outbox.send(Folder(tmp_path / "mails"))
    assert outbox.listed()[0] == ("due", 1, "FileExistsError File exists")


def test_with_neither_they_wait(outbox: Outbox, office: PostOffice) -> None:
    outbox.send(Nowhere())
    assert outbox.listed() == [("due", 1, "nowhere to send mails")] * 3
    outbox.wait()
    outbox.send(office.port)
    assert len(office.taken) == 3


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 587, False, REQUIRED)),
        ("smtps://mail.example", SmtpServer("mail.example", 465, True, NEVER)),
        ("smtp://127.0.0.1:25", SmtpServer("127.0.0.1", 25, False, NEVER)),
        ("smtp://[::1]:25", SmtpServer("::1", 25, False, NEVER)),
        (
            "smtp://u%40x:p%3Aw%2F@mail.example:2525?starttls=offered",
            SmtpServer("mail.example", 2525, False, OFFERED, "u@x", "p:w/"),
        ),
    ],
)
def test_the_server_is_named_by_a_url(url: str, server: SmtpServer) -> None:
    assert smtp_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        *("mail.example", "http://mail.example", "smtp://", "smtp://mail.example:99999"),
        *("smtp://mail.example?starttls=maybe", "smtp://mail.example?tls=1", "smtp://[::1"),
        "smtps://u:secret@mail.example?ca=/nowhere/ca.pem",
    ],
)
def test_a_url_that_cannot_be_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(PostMalformed) as refused:
        mail_settings({"ROLLCALL_SMTP_URL": url, "ROLLCALL_MAIL_FROM": "a@b.c"})
    assert str(refused.value).startswith("ROLLCALL_SMTP_URL ")
    assert "secret" not in str(refused.value)


def test_settings_say_where_mails_go_and_no_secret(tmp_path: Path) -> None:
    told = {"ROLLCALL_SMTP_URL": "smtps://u:secret@mail.example", "ROLLCALL_MAIL_FROM": "R <a@b.c>"}
    settings = mail_settings({**told, "ROLLCALL_STATE": str(tmp_path)})
    assert settings.place == "smtps://mail.example:465"
    assert str(settings.sender) == "R <a@b.c>"
    assert mail_settings({"ROLLCALL_STATE": str(tmp_path)}).place == str(tmp_path / "mails")
    assert mail_settings({}).place == "nowhere"


@pytest.mark.parametrize(
    "told",
    [
        {"ROLLCALL_SMTP_URL": "smtp://mail.example"},
        {"ROLLCALL_MAIL_FROM": "nobody"},
        {"ROLLCALL_MAIL_FROM": "a@b.c\nBcc: d@e.f"},
        {"ROLLCALL_PUBLIC_URL": "cloud.example"},
    ],
)
def test_settings_that_cannot_be_name_the_variable(told: dict[str, str]) -> None:
    with pytest.raises(PostMalformed, match="ROLLCALL_"):
        mail_settings(told)


def test_nobodys_mailbox_is_filled_by_way_of_us(
    outbox: Outbox, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.mails.sender.AN_HOUR_MAX", 3)
    ada, bob = id_for(ADA), id_for(BOB)

    def change_often(user_id: str, times: int) -> None:
        for number in range(times):
            sealed = outbox.people.seals.seal(user_id, EMAIL, f"{user_id[:4]}+{number}@example.com")
            outbox.people.do(ChangeEmail(user_id=user_id, email=sealed))

    outbox.send(office.port)
    change_often(ada, 5)
    outbox.send(office.port)
    change_often(ada, 2)
    change_often(bob, 1)
    outbox.send(office.port)
    new = [subject for subject in office.subjects if subject == "Your new e-mail address"]
    assert len(new) == 3 + 1
    assert [state for state, _, _ in outbox.listed()].count("dropped") == 2 * 4
    outbox.later = timedelta(hours=2)
    change_often(ada, 1)
    outbox.send(office.port)
    assert len(office.taken) == 3 + 2 * (3 + 1 + 1)


@pytest.mark.parametrize("knows_utf8", [True, False])
def test_an_address_of_another_alphabet_goes_to_who_can_read_it(
    outbox: Outbox, knows_utf8: bool
) -> None:
    outbox.people.sign_up("jorg@exämple.com")
    outbox.people.sign_up("jörg@exämple.com")
    with post_office(enable_SMTPUTF8=knows_utf8) as office:
        outbox.send(office.port)
    everywhere = {ADA, BOB, CYD, "jorg@xn--exmple-cua.com"}
    assert {*office.addresses} - everywhere == (
        {"jörg@xn--exmple-cua.com"} if knows_utf8 else set()
    )
    assert {*office.addresses} >= everywhere
    assert outbox.listed()[4][0] == ("sent" if knows_utf8 else "due")
