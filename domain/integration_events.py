"""What happens to an integration.

What may hold a secret, its settings and what it signs with, stands here only sealed under a key of
its own, which is destroyed with it: see domain/log/seals.py.
"""

from typing import TypeAlias

from domain.model import Event


class IntegrationCreated(Event):
    """It is one product's, or a user's, or an organization's.

    It takes device events whose name begins with `event_prefix`; with a `device_id`, of that device
    alone.
    """

    integration_id: str
    kind: str
    name: str
    event_prefix: str
    settings: str
    secret: str
    product_id: int | None = None
    user_id: str = ""
    organization_id: str = ""
    device_id: str = ""
    disabled: bool = False


class IntegrationChanged(Event):
    """It is set up like this from now on, and as it was before in no respect."""

    integration_id: str
    name: str
    event_prefix: str
    settings: str
    product_id: int | None = None
    device_id: str = ""


class IntegrationEnabled(Event):
    integration_id: str
    product_id: int | None = None


class IntegrationDisabled(Event):
    """Nothing is sent to it until it is enabled again."""

    integration_id: str
    product_id: int | None = None


class SigningSecretRotated(Event):
    """What it sends is signed with this secret from now on, and until then with the former too."""

    integration_id: str
    secret: str
    former_until: str
    product_id: int | None = None


class DeliveryRetryAsked(Event):
    """What was given up is to be tried for another day: one delivery, or all of them."""

    integration_id: str
    request: str
    delivery_id: int | None = None
    product_id: int | None = None


class ReplayAsked(Event):
    """A part of history is to be sent once more: what was published from one time to before
    another, and stands behind one device event, up to and with another. What is empty or None
    bounds nothing."""

    integration_id: str
    request: str
    since: str = ""
    before: str = ""
    after: int | None = None
    until: int | None = None
    product_id: int | None = None


class IntegrationRemoved(Event):
    """The key is destroyed: nobody can read any more what it was set up with."""

    integration_id: str
    product_id: int | None = None


IntegrationEvent: TypeAlias = (
    IntegrationCreated
    | IntegrationChanged
    | IntegrationEnabled
    | IntegrationDisabled
    | SigningSecretRotated
    | DeliveryRetryAsked
    | ReplayAsked
    | IntegrationRemoved
)
