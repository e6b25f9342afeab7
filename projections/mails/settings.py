"""What the environment says about mails: from whom, by which server, about which cloud."""

from collections.abc import Mapping
from email.headerregistry import Address
from pathlib import Path

from msgspec import Struct

from projections.mails.post import (
    Folder,
    Nowhere,
    Post,
    PostMalformed,
    Smtp,
    SmtpServer,
    sender_of,
    smtp_server,
)

SMTP_URL = "ROLLCALL_SMTP_URL"
MAIL_FROM = "ROLLCALL_MAIL_FROM"
PUBLIC_URL = "ROLLCALL_PUBLIC_URL"
STATE = "ROLLCALL_STATE"

SENDER_OF_FILES = "Rollcall <rollcall@localhost>"  # a server would not take mails from there
PUBLIC_URL_DEFAULT = "http://127.0.0.1:8080"
FOLDER_NAME = "mails"


class MailSettings(Struct, frozen=True):
    """Without a `server` mails go into the `folder`; without that, nowhere."""

    sender: Address
    url: str
    server: SmtpServer | None = None
    folder: Path | None = None

    @property
    def post(self) -> Post:
        if self.server is not None:
            return Smtp(self.server, self.sender)
        return Folder(self.folder) if self.folder else Nowhere()

    @property
    def place(self) -> str:
        """Where mails go, for people; without any secret."""
        if self.server is not None:
            scheme = "smtps" if self.server.tls else "smtp"
            return f"{scheme}://{self.server.host}:{self.server.port}"
        return str(self.folder) if self.folder else "nowhere"


def mail_settings(environment: Mapping[str, str]) -> MailSettings:
    """Raises PostMalformed, which names the variable."""
    url, sender = environment.get(SMTP_URL), environment.get(MAIL_FROM)
    if url and not sender:
        raise PostMalformed(f"{SMTP_URL} is set, so {MAIL_FROM} must be set too")
    state, public = environment.get(STATE), environment.get(PUBLIC_URL) or PUBLIC_URL_DEFAULT
    if not public.startswith(("http://", "https://")):
        raise PostMalformed(f"{PUBLIC_URL} is not http://… or https://…")
    return MailSettings(
        sender=sender_in(sender or SENDER_OF_FILES),
        url=public,
        server=server_in(url) if url else None,
        folder=Path(state) / FOLDER_NAME if state else None,
    )


def sender_in(text: str) -> Address:
    try:
        return sender_of(text)
    except PostMalformed as error:
        raise PostMalformed(f"{MAIL_FROM} {error}") from None


def server_in(url: str) -> SmtpServer:
    try:
        return smtp_server(url)
    except PostMalformed as error:
        raise PostMalformed(f"{SMTP_URL} {error}") from None
