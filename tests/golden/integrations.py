"""The lines about integrations."""

from domain import integration_events as integration
from domain.model import Event
from domain.recorded import Provenance

INTEGRATION = "5f1e0c0000000000000000ea"
USER = "5f1e0c0000000000000000ce"
DEVICE = "e00fce681234567890abcdef"
SEALED = "v1.dGhpcyBpcyBub2JvZHkncyBidXNpbmVzcw=="
UNTIL = "2030-01-02T10:00:00.000Z"
ANN = Provenance(f"user:{USER}", "http 127.0.0.1", "request-1", 41, "command-1")
NOBODY = Provenance()

INTEGRATIONS: list[tuple[Event, Provenance]] = [
    (
        integration.IntegrationCreated(
            integration_id=INTEGRATION,
            kind="webhook",
            name="temp for example.com",
            event_prefix="temp",
            settings=SEALED,
            secret=SEALED,
            product_id=7000,
        ),
        ANN,
    ),
    (
        integration.IntegrationCreated(
            integration_id=INTEGRATION,
            kind="nats",
            name="temp",
            event_prefix="temp",
            settings=SEALED,
            secret=SEALED,
            user_id=USER,
            device_id=DEVICE,
            disabled=True,
        ),
        NOBODY,
    ),
    (
        integration.IntegrationChanged(
            integration_id=INTEGRATION,
            name="temp",
            event_prefix="temp/",
            settings=SEALED,
            product_id=7000,
            device_id=DEVICE,
        ),
        ANN,
    ),
    (integration.IntegrationDisabled(integration_id=INTEGRATION, product_id=7000), ANN),
    (integration.IntegrationEnabled(integration_id=INTEGRATION), NOBODY),
    (
        integration.SigningSecretRotated(
            integration_id=INTEGRATION, secret=SEALED, former_until=UNTIL, product_id=7000
        ),
        ANN,
    ),
    (
        integration.DeliveryRetryAsked(
            integration_id=INTEGRATION, request="request-1", delivery_id=7, product_id=7000
        ),
        ANN,
    ),
    (integration.DeliveryRetryAsked(integration_id=INTEGRATION, request="request-1"), NOBODY),
    (
        integration.ReplayAsked(
            integration_id=INTEGRATION,
            request="request-1",
            since=UNTIL,
            before=UNTIL,
            after=3,
            until=4,
            product_id=7000,
        ),
        ANN,
    ),
    (integration.ReplayAsked(integration_id=INTEGRATION, request="request-1"), NOBODY),
    (integration.IntegrationRemoved(integration_id=INTEGRATION, product_id=7000), ANN),
]
