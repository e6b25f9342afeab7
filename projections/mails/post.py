"""Where mails go: to an SMTP server, or into a folder where there is none."""

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from time import monotonic
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from msgspec import Struct

from projections.mails.writing import Mail

SMTP_TIMEOUT_S = 60.0  # for one answer; some servers look at a mail for long before they take it
CONNECT_TIMEOUT_S = 10.0
QUIT_TIMEOUT_S = 2.0
SESSION_S = 4.0  # after that no further mail is begun: who is told to stop must not wait for long
PORTS = {"smtp": 587, "smtps": 465}
LOOPBACKS = ("localhost", "127.0.0.1", "::1")
REQUIRED, OFFERED, NEVER = "required", "offered", "never"
STARTTLS = {REQUIRED: True, OFFERED: None, NEVER: False}
PERMANENT = range(500, 600)  # said of a recipient or a mail, it will be said again


class PostMalformed(ValueError):
    """The settings for mails cannot be used."""


class Taken(NamedTuple):
    """It has been taken over by whoever brings it on."""


class Refused(NamedTuple):
    """It will never be taken. `reason` names no address."""

    reason: str


class NotNow(NamedTuple):
    reason: str


Outcome = Taken | Refused | NotNow
Say = Callable[[Mail, Outcome], None]


class Post(Protocol):
    """What takes mails."""

    def deliver(self, mails: Sequence[Mail], say: Say) -> None:
        """Deliver them, and say of each what came of it, as soon as it is known. Of those that were
        not tried nothing is said."""


class SmtpServer(Struct, frozen=True):
    """A server that brings mails on. `ca` is a file of the authorities it may be vouched for by."""

    host: str
    port: int
    tls: bool
    starttls: str
    user: str = ""
    password: str = ""
    ca: str | None = None


class Smtp:
    """Mails by SMTP, some in one session."""

    def __init__(self, server: SmtpServer, sender: Address) -> None:
        self._server = server
        self._sender = sender.addr_spec

    def deliver(self, mails: Sequence[Mail], say: Say) -> None:
        asyncio.run(self._deliver(mails, say))

    async def _deliver(self, mails: Sequence[Mail], say: Say) -> None:
        client = self._client()
        try:
            await self._open(client)
        except (SMTPException, OSError) as error:
            for mail in mails:
                say(mail, NotNow(reason_of(error)))
        else:
            await self._hand_over(client, mails, say)
            await leave(client)
        finally:
            client.close()

    async def _hand_over(self, client: SMTP, mails: Sequence[Mail], say: Say) -> None:
        ends_at = monotonic() + SESSION_S
        for mail in mails:
            outcome = await self._send(client, mail)
            say(mail, outcome)
            # After trouble nobody knows which answer belongs to which mail.
            if isinstance(outcome, NotNow) or monotonic() > ends_at or not client.is_connected:
                break

    def _client(self) -> SMTP:
        server = self._server
        context = None
        if server.tls or server.starttls != NEVER:
            context = ssl.create_default_context(cafile=server.ca)
        return SMTP(
            hostname=server.host,
            port=server.port,
            timeout=SMTP_TIMEOUT_S,
            use_tls=server.tls,
            start_tls=False if server.tls else STARTTLS[server.starttls],
            tls_context=context,
        )

    async def _open(self, client: SMTP) -> None:
        await client.connect(timeout=CONNECT_TIMEOUT_S)
        if self._server.user:
            await client.login(self._server.user, self._server.password)

    async def _send(self, client: SMTP, mail: Mail) -> Outcome:
        try:
            await client.send_message(
                mail.message,
                sender=self._sender,
                recipients=[mail.address],
                timeout=SMTP_TIMEOUT_S,
            )
        except (SMTPException, OSError) as error:
            about_it = isinstance(
                error, SMTPRecipientsRefused | SMTPRecipientRefused | SMTPDataError
            )
            if about_it and code_of(error) in PERMANENT:
                return Refused(reason_of(error))
            return NotNow(reason_of(error))
        return Taken()


async def leave(client: SMTP) -> None:
    """What was taken is taken, whether the server still says good-bye or not."""
    try:
        if client.is_connected:
            await client.quit(timeout=QUIT_TIMEOUT_S)
    except (SMTPException, OSError):
        return


def code_of(error: Exception) -> int:
    """The number by which a server refused, 0 if it said none."""
    if isinstance(error, SMTPRecipientsRefused):
        return max((one.code for one in error.recipients), default=0)
    return error.code if isinstance(error, SMTPResponseException) else 0


def reason_of(error: Exception) -> str:
    """One line about trouble, without the server's own words: they repeat the address."""
    return f"{type(error).__name__} {code_of(error) or ''}".strip()


class Nowhere:
    """No server and no folder: mails wait, and are parked in the end."""

    def deliver(self, mails: Sequence[Mail], say: Say) -> None:
        for mail in mails:
            say(mail, NotNow("nowhere to send mails"))


class Folder:
    """Mails as files, for whoever has no server: to be read there, or picked up by a program."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, mails: Sequence[Mail], say: Say) -> None:
        for mail in mails:
            name = f"{mail.due.position}-{mail.due.recipient}.eml"
            try:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_whole(self._path / name, bytes(mail.message))
            except OSError as error:
                say(mail, NotNow(f"{type(error).__name__} {error.strerror}"))
            else:
                say(mail, Taken())


def write_whole(path: Path, content: bytes) -> None:
    """For the owner's eyes only; a reader finds all of it or nothing."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def smtp_server(url: str) -> SmtpServer:
    """`smtp://user:password@host:port` or `smtps://…`, with `?starttls=` required, offered or never
    and `?ca=` a file. Where it is not said, STARTTLS is required of every server but one on this
    machine. Raises PostMalformed, whose words repeat no password."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        raise PostMalformed("is no URL") from None
    if parts.scheme not in PORTS or not host:
        raise PostMalformed("is not smtp://host or smtps://host")
    if unknown := asked.keys() - {"starttls", "ca"}:
        raise PostMalformed(f"may say starttls and ca after its question mark, not {min(unknown)}")
    starttls = asked.get("starttls", NEVER if host in LOOPBACKS else REQUIRED)
    if starttls not in STARTTLS:
        raise PostMalformed(f"may say starttls={', '.join(STARTTLS)}")
    ca = asked.get("ca")
    if ca is not None and not Path(ca).is_file():
        raise PostMalformed("names a file of authorities that is not there")
    tls = parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(
        host, port or PORTS[parts.scheme], tls, NEVER if tls else starttls, user, password, ca
    )


def sender_of(text: str) -> Address:
    """`Name <mail@example.com>`, or the address alone. Raises PostMalformed."""
    name, address = parseaddr(text) if text.isprintable() else ("", "")
    try:
        sender = Address(name, addr_spec=address)
    except (ValueError, IndexError):
        raise PostMalformed("is no address to send mails from") from None
    if not sender.username or not sender.domain:
        raise PostMalformed("is no address to send mails from")
    return sender
