"""Who is mailed what, when something happened that concerns them; once, and to nobody else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address

import psycopg
import pytest

from domain.activation_code import RemoveActivationCode, ResendActivationCode
from domain.meter import RecordOutbound
from domain.organization import CreateOrganization, OfferOrganization
from domain.ownership import ClaimDevice, RequestTransfer
from domain.product import CreateProduct
from domain.product_ownership import OfferProduct
from domain.recorded import Provenance
from domain.roles import Role
from domain.team import InviteMember
from domain.user import ChangeEmail, RequestPasswordReset
from domain.user_events import EMAIL, RESET
from projections.fleet.model import FleetModel
from projections.housekeeping import Housekeeping
from projections.mails.letters import LINE_CHARACTERS_MAX, in_line
from projections.mails.model import MailModel
from projections.mails.post import Smtp, SmtpServer
from projections.mails.sender import MailSender
from projections.mails.writing import Writer
from tests.people import People, id_for, people
from tests.projections.following import follow, query, run
from tests.projections.post_office import HOST, PostOffice, post_office

ADA, BOB = "ada@example.com", "bob@example.com"
SENDER = Address("Rollcall", addr_spec="cloud@example.net")
URL = "https://cloud.example.net"
TOKEN = "c0ffee" * 6 + "c0ff"
PRODUCT = 7000


class Office:
    """A log with people in it, a mail server, and what brings the one to the other."""

    def __init__(self, database: str, people: People, server: PostOffice) -> None:
        self.database = database
        self.people = people
        self.server = server
        self.later = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    def sender(self) -> MailSender:
        server = SmtpServer(HOST, self.server.port, tls=False, starttls="never")
        writer = Writer(self.people.seals, SENDER, URL)
        return MailSender(writer, Smtp(server, SENDER), now=lambda: self.now)

    def send(self) -> None:
        """Until nothing more is due."""
        follow(self.database, MailModel(now=lambda: self.now))
        run(self.database, self.sender())

    def sign_up(self, email: str) -> str:
        """Somebody whose welcome was sent long ago."""
        user_id = self.people.sign_up(email)
        self.send()
        self.server.taken.clear()
        return user_id

    def ask_for_reset(self, user_id: str, token: str = TOKEN, lasts_h: int = 1) -> None:
        self.people.do(
            RequestPasswordReset(
                user_id=user_id,
                reset=self.people.seals.seal(user_id, RESET, token),
                reset_hash="ab" * 32,
                expires_at=instant(self.now + timedelta(hours=lasts_h)),
            )
        )

    def change_email(self, user_id: str, email: str) -> None:
        sealed = self.people.seals.seal(user_id, EMAIL, email)
        self.people.do(ChangeEmail(user_id=user_id, email=sealed))

    def invite(self, user_id: str, team: str, actor: str = "somebody") -> None:
        invite = InviteMember(
            team=team,
            user_id=user_id,
            role=Role.DEVELOPER,
            at=instant(self.now),
            expires_at=instant(self.now + timedelta(days=14)),
        )
        self.people.fleet.execute(invite, Provenance(actor=actor))

    def listed(self) -> list[tuple[str, str]]:
        mails = 'SELECT kind, state FROM follow.mail ORDER BY "position", recipient'
        return [(kind, state) for kind, state in query(self.database, mails)]


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with people(database) as made, post_office() as server:
        yield Office(database, made, server)


def test_whoever_signs_up_is_welcomed(office: Office) -> None:
    office.people.sign_up(ADA)
    office.send()
    [(address, message)] = office.server.taken
    assert address == ADA
    assert message["To"] == ADA
    assert message["From"] == "Rollcall <cloud@example.net>"
    assert message["Subject"] == "Welcome to Rollcall"
    assert message["Auto-Submitted"] == "auto-generated"
    assert URL in office.server.text()


def test_the_administrator_of_the_first_start_is_not(office: Office) -> None:
    office.people.sign_up("admin@rollcall.local", administrator=True)
    office.send()
    assert office.server.taken == []
    assert office.listed() == []


def test_the_code_for_a_new_password_is_in_the_mail_and_nowhere_else(office: Office) -> None:
    user_id = office.sign_up(ADA)
    office.ask_for_reset(user_id)
    office.send()
    assert office.server.addresses == [ADA]
    assert TOKEN in office.server.text()
    rows = query(office.database, "SELECT m::text FROM follow.mail m")
    rows += query(office.database, "SELECT convert_from(state, 'UTF8') FROM log.fleet_events")
    assert rows
    assert not any(secret in str(rows) for secret in (TOKEN, ADA))


def test_a_code_that_works_no_longer_is_not_sent(office: Office) -> None:
    user_id = office.sign_up(ADA)
    office.ask_for_reset(user_id, lasts_h=1)
    office.later = timedelta(hours=2)
    office.send()
    assert office.server.taken == []
    assert office.listed()[-1] == ("reset", "dropped")


def test_a_change_of_e_mail_is_told_at_both_and_the_old_one_does_not_learn_the_new(
    office: Office,
) -> None:
    user_id = office.sign_up(ADA)
    office.change_email(user_id, "ada@new.example")
    office.send()
    told = {address: message.get_content() for address, message in office.server.taken}
    assert told.keys() == {ADA, "ada@new.example"}
    assert "ada@new.example" not in told[ADA]
    assert "If it was not you" in told[ADA]


def test_later_mails_go_to_the_new_e_mail(office: Office) -> None:
    user_id = office.sign_up(ADA)
    office.change_email(user_id, "ada@new.example")
    office.change_email(user_id, "ada@newest.example")
    office.ask_for_reset(user_id)
    office.send()
    assert office.server.addresses[-1] == "ada@newest.example"


def test_whoever_is_invited_learns_to_what_as_what_and_by_whom(office: Office) -> None:
    bob = office.sign_up(BOB)
    ada = office.sign_up(ADA)
    office.people.do(CreateProduct(product_id=PRODUCT, platform_id=6, name="Kettle", slug="kettle"))
    follow(office.database, FleetModel())
    office.invite(bob, str(PRODUCT), actor=f"user:{ada}")
    office.send()
    assert office.server.addresses == [BOB]
    assert office.server.subjects == [f"{ADA} invites you to Kettle"]
    assert "with the role Developer" in office.server.text()
    assert f"/v1/user/invitations/{PRODUCT}/accept" in office.server.text()


def test_an_invitation_by_nobody_known_to_something_unknown_is_sent_all_the_same(
    office: Office,
) -> None:
    bob = office.sign_up(BOB)
    office.invite(bob, id_for("an organization"))
    office.send()
    assert office.server.subjects == [
        f"Somebody invites you to organization {id_for('an organization')}"
    ]


def test_whoever_is_offered_a_product_or_an_organization_is_asked(office: Office) -> None:
    ada, bob = office.sign_up(ADA), office.sign_up(BOB)
    by_ada = Provenance(actor=f"user:{ada}")
    team = id_for("an organization")
    for command in (
        CreateProduct(
            product_id=PRODUCT, platform_id=6, name="Kettle", slug="k", owner=f"user:{ada}"
        ),
        OfferProduct(product_id=PRODUCT, user_id=bob, is_member=True),
        CreateOrganization(organization_id=team, slug="acme", name="Acme", owner=ada),
        OfferOrganization(organization_id=team, user_id=bob, is_member=True),
    ):
        office.people.fleet.execute(command, by_ada)
    office.people.sign_up("cyd@example.com")  # after which `access` knows all
    follow(office.database, FleetModel())
    office.send()
    offers = [(to, str(mail["Subject"])) for to, mail in office.server.taken if to == BOB]
    assert offers == [(BOB, f"{ADA} offers you Kettle"), (BOB, f"{ADA} offers you Acme")]
    assert f"/v1/user/transfers/{PRODUCT}/accept" in office.server.text(0)
    assert f"/v1/user/transfers/{team}/accept" in office.server.text(1)


def test_whoever_has_a_device_that_another_asks_for_is_asked(office: Office) -> None:
    ada, bob = office.sign_up(ADA), office.sign_up(BOB)
    device_id, transfer_id = "0" * 23 + "1", "f" * 24
    office.people.do(ClaimDevice(device_id=device_id, user_id=ada, reachable=True))
    office.people.do(
        RequestTransfer(
            device_id=device_id,
            user_id=bob,
            transfer_id=transfer_id,
            at=instant(office.now),
            expires_at=instant(office.now + timedelta(days=7)),
        )
    )
    office.send()
    assert office.server.addresses == [ADA]
    assert office.server.subjects == [f"{BOB} asks you for a device"]
    assert device_id in office.server.text()
    assert f"/v1/user/device_transfers/{transfer_id}/accept" in office.server.text()


def test_a_name_adds_no_header_and_no_line(office: Office) -> None:
    bob = office.sign_up(BOB)
    name = "Kettle\r\nBcc: everybody@example.com\r\n\r\nhttps://evil.example " + "x" * 400
    with psycopg.connect(office.database) as connection:
        connection.execute(
            "INSERT INTO access.organization VALUES (%s, 'o', %s, '', now(), now())",
            [id_for("evil"), name],
        )
    office.invite(bob, id_for("evil"))
    office.send()
    [(address, message)] = office.server.taken
    assert (address, message["Bcc"]) == (BOB, None)
    assert len(message["Subject"]) < LINE_CHARACTERS_MAX + 40
    assert not any(line.startswith("Bcc:") for line in office.server.text().splitlines())


@pytest.mark.parametrize(
    ("name", "line"),
    [("Kettle", "Kettle"), (" a \n b\u2028c\x00d ", "a b c d"), ("Köttbullar 🍲", "Köttbullar 🍲")],
)
def test_a_name_is_one_line(name: str, line: str) -> None:
    assert in_line(name) == line


def test_letters_of_other_alphabets_arrive_as_they_are(office: Office) -> None:
    bob = office.sign_up(BOB)
    ada = office.sign_up(ADA)
    office.people.do(CreateProduct(product_id=PRODUCT, platform_id=6, name="Чайник", slug="k"))
    follow(office.database, FleetModel())
    office.invite(bob, str(PRODUCT), actor=f"user:{ada}")
    office.send()
    assert office.server.subjects == [f"{ADA} invites you to Чайник"]
    assert "Чайник" in office.server.text()


def test_nothing_is_sent_twice_whoever_looks_again(office: Office) -> None:
    office.people.sign_up(ADA)
    office.people.sign_up(BOB)
    for _ in range(3):
        office.send()
    with psycopg.connect(office.database) as connection:
        connection.execute("DELETE FROM follow.tracking WHERE application_name = 'mails'")
    office.send()
    assert sorted(office.server.addresses) == [ADA, BOB]


def test_of_a_log_that_is_old_nothing_is_told(office: Office) -> None:
    office.people.sign_up(ADA)
    office.later = timedelta(days=8)
    office.send()
    assert office.listed() == []


def test_who_was_erased_is_not_mailed(office: Office) -> None:
    user_id = office.people.sign_up(ADA)
    office.people.sign_up(BOB)
    office.people.erase(user_id)
    office.send()
    assert office.server.addresses == [BOB]
    assert office.listed() == [("welcome", "dropped"), ("welcome", "sent")]


@pytest.mark.parametrize(
    "email",
    [
        "no address",
        "a,b@example.com",
        "a@b@c",
        "@",
        "",
        "a\nBcc: b@example.com",
        f"{'a' * 300}@b.c",
    ],
)
def test_what_is_no_address_is_parked_and_keeps_nobody_waiting(office: Office, email: str) -> None:
    office.people.sign_up(email)
    office.people.sign_up(BOB)
    office.send()
    assert office.server.addresses == [BOB]
    assert office.listed()[0][1] in {"parked", "dropped"}


def test_what_was_sent_long_ago_is_forgotten(office: Office) -> None:
    office.people.sign_up(ADA)
    office.send()
    office.later = timedelta(days=91)
    run(office.database, Housekeeping(now=lambda: office.now))
    assert office.listed() == []


def test_an_activation_code_is_mailed_to_who_is_invited_and_sent_again(office: Office) -> None:
    office.people.do(CreateProduct(product_id=PRODUCT, platform_id=6, name="Lamp", slug="lamp"))
    follow(office.database, FleetModel())
    code = office.people.invite_buyer(PRODUCT, BOB, "AB23")
    office.send()
    assert office.server.addresses == [BOB]
    assert office.server.subjects == ["Your activation code for Lamp"]
    assert "AB23" in office.server.text()
    office.people.do(ResendActivationCode(activation_id=code, product_id=PRODUCT))
    office.send()
    assert office.server.addresses == [BOB, BOB]


def test_who_is_invited_no_longer_is_not_mailed(office: Office) -> None:
    code = office.people.invite_buyer(PRODUCT, BOB, "AB23")
    office.people.do(RemoveActivationCode(activation_id=code, product_id=PRODUCT))
    office.send()
    assert office.server.addresses == []
    assert office.listed() == [("activation", "dropped")]


def test_whoever_pays_is_told_before_the_limit_and_at_it(office: Office) -> None:
    ada = office.sign_up(ADA)
    office.people.do(CreateProduct(product_id=PRODUCT, platform_id=6, name="Kettle", slug="kettle"))
    follow(office.database, FleetModel())
    for place, (messages, limit) in enumerate([(70, 100), (30, 100), (1, 100)], start=1):
        office.people.do(
            RecordOutbound(
                meter=f"product-{PRODUCT}",
                period_start="2030-01-15",
                period_end="2030-02-15",
                day="2030-01-20",
                messages=messages,
                devices={"api": messages},
                first_place=place,
                last_place=place,
                batch_id=f"batch {place}",
                limit=limit,
                warn_at=(70,),
                payer=ada,
            )
        )
    office.send()
    assert office.server.addresses == [ADA, ADA]
    assert office.server.subjects == [
        "Kettle has used 70 % of its outbound messages",
        "Kettle has used all of its outbound messages",
    ]
    assert "70 of the 100 outbound messages" in office.server.text(0)
    assert "until 2030-02-15" in office.server.text(1)
