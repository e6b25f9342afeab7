"""A real SMTP server for tests: takes mails, or behaves as badly as the worst of them."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

HOST = "127.0.0.1"
USER, PASSWORD = "rollcall", "pass:word@%/?"


@dataclass
class PostOffice:
    """What it took, and how it behaves. `answers` are given one after the other, then all is well;
    an answer of nothing breaks the connection off after the mail was taken."""

    port: int
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    slow_s: float = 0.0
    meanwhile: Callable[[], None] = lambda: None  # once it has taken a mail, before it says so
    sessions: int = 0
    logged_in: bool = False
    encrypted: bool = False

    @property
    def addresses(self) -> list[str]:
        return [address for address, _ in self.taken]

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for _, message in self.taken]

    def text(self, number: int = -1) -> str:
        content: str = self.taken[number][1].get_content()
        return content

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, said: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions += 1
        return said

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return f"550 <{address}> no such user here"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.slow_s)
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("2") or not answer:
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=default)
            assert isinstance(message, EmailMessage)
            self.taken += [(address, message) for address in envelope.rcpt_tos]
        self.meanwhile()
        self.logged_in = bool(session.authenticated)
        self.encrypted = session.ssl is not None
        if not answer:
            assert server.transport is not None
            server.transport.abort()
            await asyncio.sleep(0.1)
        return answer or "250 never heard"


def right_password(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
) -> AuthResult:
    assert isinstance(given, LoginPassword)
    right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def post_office(office: PostOffice | None = None, **options: Any) -> Iterator[PostOffice]:
    """Open until the block ends, at the port that it had before, if it had one."""
    office = office or PostOffice(free_port())
    controller = Controller(office, hostname=HOST, port=office.port, **options)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True)
class Papers:
    """What a server proves its name with: `ca` is whom to believe."""

    ca: Path
    context: ssl.SSLContext


def papers(folder: Path, name: str = HOST) -> Papers:
    """A certificate for that address, vouched for by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(name))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    ca, secret = folder / "ca.pem", folder / "key.pem"
    ca.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, secret)
    return Papers(ca, context)
