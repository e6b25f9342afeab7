"""What the environment says to our processes, and not to us: looked at before any is started."""

from api.limits import LimitsMalformed, limits_wanted
from api.network import ProxiesMalformed, proxies_wanted
from projections.deliveries.addresses import NetworksMalformed, reach_of
from projections.mails.post import PostMalformed
from projections.mails.settings import STATE, MailSettings, mail_settings
from rollcall.settings import Settings
from rollcall.trouble import Trouble


def must_be_understood(settings: Settings) -> None:
    """Raises Trouble naming the variable that cannot be."""
    environment = settings.inherited
    mails_of(settings)
    try:
        limits_wanted(environment.get("ROLLCALL_LIMITS", ""))
    except LimitsMalformed as error:
        raise Trouble(f"ROLLCALL_LIMITS: {error}.") from None
    try:
        proxies_wanted(environment.get("ROLLCALL_PROXIES", ""))
    except ProxiesMalformed as error:
        raise Trouble(f"ROLLCALL_PROXIES: {error}") from None
    try:
        reach_of(environment.get("ROLLCALL_DELIVER_PRIVATE", ""))
    except NetworksMalformed as error:
        raise Trouble(str(error)) from None


def mails_of(settings: Settings) -> MailSettings:
    """How mails are sent. Raises Trouble naming the variable that cannot be."""
    try:
        return mail_settings({**settings.inherited, STATE: str(settings.state)})
    except PostMalformed as error:
        raise Trouble(f"{error}.") from None
