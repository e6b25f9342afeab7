"""An integration: where device events of a product, a user or an organization are sent outside."""

from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.integration_events import (
    DeliveryRetryAsked,
    IntegrationChanged,
    IntegrationCreated,
    IntegrationDisabled,
    IntegrationEnabled,
    IntegrationEvent,
    IntegrationRemoved,
    ReplayAsked,
    SigningSecretRotated,
)
from domain.model import Command, Decider, Refused, Unknown
from domain.names import DeviceId, Id, Instant, Name, Sealed
from domain.published import EventName

INTEGRATIONS_PER_OWNER_MAX = 100

WEBHOOK: Literal["webhook"] = "webhook"
NATS: Literal["nats"] = "nats"

# What a text is sealed as.
SETTINGS = "settings"
SIGNING_SECRET = "signing_secret"

Kind = Literal["webhook", "nats"]


class AboutIntegration(Command):
    integration_id: Id

    @property
    def stream(self) -> str:
        return f"integration-{self.integration_id}"


class CreateIntegration(AboutIntegration):
    """`there_are` is how many its owner has now."""

    kind: Kind
    name: Name
    event_prefix: EventName
    settings: Sealed
    secret: Sealed
    product_id: int | None = None
    user_id: Id | Literal[""] = ""
    organization_id: Id | Literal[""] = ""
    device_id: DeviceId | Literal[""] = ""
    disabled: bool = False
    there_are: int = 0


class ReplaceIntegration(AboutIntegration):
    """All of it; settings that are None are the same as before."""

    name: Name
    event_prefix: EventName
    settings: Sealed | None = None
    device_id: DeviceId | Literal[""] = ""
    disabled: bool = False


class RotateSigningSecret(AboutIntegration):
    secret: Sealed
    former_until: Instant


class AskDeliveryRetry(AboutIntegration):
    """Without a `delivery_id`, of all that are parked. `request` tells one asking from another."""

    request: Name
    delivery_id: int | None = None


class AskReplay(AboutIntegration):
    request: Name
    since: Instant | Literal[""] = ""
    before: Instant | Literal[""] = ""
    after: int | None = None
    until: int | None = None


class RemoveIntegration(AboutIntegration):
    pass


IntegrationCommand: TypeAlias = (
    CreateIntegration
    | ReplaceIntegration
    | RotateSigningSecret
    | AskDeliveryRetry
    | AskReplay
    | RemoveIntegration
)


class IntegrationUnknown(Unknown):
    """Integration not found."""


class IntegrationExists(Refused):
    """There is an integration with this id already, or was once."""


class TooManyIntegrations(Refused):
    """There are {limit} integrations, which is the limit."""


class OneDeviceInSandboxOnly(Refused):
    """Only an integration among one's own devices can be for one device alone."""

    field = "deviceID"


class OwnerAmbiguous(Refused):
    """An integration is a product's, or a user's, or an organization's: exactly one of these."""


class Integration(Struct, frozen=True):
    """`created` is how it came into being; the rest is as it is now. `asked` is the request that
    something was last to be sent again by."""

    created: IntegrationCreated | None = None
    name: str = ""
    event_prefix: str = ""
    settings: str = ""
    secret: str = ""
    device_id: str = ""
    disabled: bool = False
    asked: str = ""
    removed: bool = False


def decide(integration: Integration, command: IntegrationCommand) -> list[IntegrationEvent]:
    match command:
        case CreateIntegration():
            return create(integration, command)
        case RemoveIntegration() if integration.removed:
            return []
    created = integration.created
    if created is None or integration.removed:
        raise IntegrationUnknown
    about, product_id = command.integration_id, created.product_id
    match command:
        case ReplaceIntegration():
            return change(integration, created, command)
        case RotateSigningSecret(secret=secret, former_until=until):
            if secret == integration.secret:
                return []
            return [
                SigningSecretRotated(
                    integration_id=about, secret=secret, former_until=until, product_id=product_id
                )
            ]
        case AskDeliveryRetry(request=request) | AskReplay(request=request) if (
            request == integration.asked
        ):
            return []
        case AskDeliveryRetry(request=request, delivery_id=delivery_id):
            return [
                DeliveryRetryAsked(
                    integration_id=about,
                    request=request,
                    delivery_id=delivery_id,
                    product_id=product_id,
                )
            ]
        case AskReplay():
            return [replay(command, product_id)]
        case RemoveIntegration():
            return [IntegrationRemoved(integration_id=about, product_id=product_id)]
    assert_never(command)


def replay(command: AskReplay, product_id: int | None) -> ReplayAsked:
    return ReplayAsked(
        integration_id=command.integration_id,
        request=command.request,
        since=command.since,
        before=command.before,
        after=command.after,
        until=command.until,
        product_id=product_id,
    )


def create(integration: Integration, command: CreateIntegration) -> list[IntegrationEvent]:
    owners = (command.product_id is not None, command.user_id != "", command.organization_id != "")
    if sum(owners) != 1:
        raise OwnerAmbiguous
    must_be_sandbox_if_one_device(command.user_id, command.device_id)
    created = IntegrationCreated(
        integration_id=command.integration_id,
        kind=command.kind,
        name=command.name,
        event_prefix=command.event_prefix,
        settings=command.settings,
        secret=command.secret,
        product_id=command.product_id,
        user_id=command.user_id,
        organization_id=command.organization_id,
        device_id=command.device_id,
        disabled=command.disabled,
    )
    if integration.created == created and not integration.removed:
        return []
    if integration.created is not None:
        raise IntegrationExists
    if command.there_are >= INTEGRATIONS_PER_OWNER_MAX:
        raise TooManyIntegrations(limit=INTEGRATIONS_PER_OWNER_MAX)
    return [created]


def change(
    integration: Integration, created: IntegrationCreated, command: ReplaceIntegration
) -> list[IntegrationEvent]:
    must_be_sandbox_if_one_device(created.user_id, command.device_id)
    about, product_id = command.integration_id, created.product_id
    events: list[IntegrationEvent] = []
    changed = IntegrationChanged(
        integration_id=about,
        name=command.name,
        event_prefix=command.event_prefix,
        settings=integration.settings if command.settings is None else command.settings,
        product_id=product_id,
        device_id=command.device_id,
    )
    if evolve(integration, changed) != integration:
        events.append(changed)
    if command.disabled and not integration.disabled:
        events.append(IntegrationDisabled(integration_id=about, product_id=product_id))
    if integration.disabled and not command.disabled:
        events.append(IntegrationEnabled(integration_id=about, product_id=product_id))
    return events


def must_be_sandbox_if_one_device(user_id: str, device_id: str) -> None:
    if device_id and not user_id:
        raise OneDeviceInSandboxOnly


def evolve(integration: Integration, event: IntegrationEvent) -> Integration:
    match event:
        case IntegrationCreated():
            return Integration(
                created=event,
                name=event.name,
                event_prefix=event.event_prefix,
                settings=event.settings,
                secret=event.secret,
                device_id=event.device_id,
                disabled=event.disabled,
            )
        case IntegrationChanged():
            return replace(
                integration,
                name=event.name,
                event_prefix=event.event_prefix,
                settings=event.settings,
                device_id=event.device_id,
            )
        case IntegrationEnabled():
            return replace(integration, disabled=False)
        case IntegrationDisabled():
            return replace(integration, disabled=True)
        case SigningSecretRotated(secret=secret):
            return replace(integration, secret=secret)
        case DeliveryRetryAsked(request=request) | ReplayAsked(request=request):
            return replace(integration, asked=request)
        case IntegrationRemoved():
            return replace(integration, removed=True)
    assert_never(event)


INTEGRATION = Decider(initial=Integration(), decide=decide, evolve=evolve)
