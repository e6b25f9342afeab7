"""Device events for tests, as they are stored."""

from datetime import UTC, datetime
from typing import Any

from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.event import Owner

DEVICE = "e00fce681234567890abcdef"
USER = "5f1e0c0000000000000000ce"
AT = datetime(2030, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
IN_PRODUCT = Owner(product_id=7000)
IN_SANDBOX = Owner(user_id=USER)
IN_ORGANIZATION = Owner(organization_id="5f1e0c0000000000000000ff")


def device_event(data: str | None = "21.5", name: str = "temp", **more: Any) -> DeviceEventRow:
    return DeviceEventRow(
        **{
            "id": 41,
            "device_id": DEVICE,
            "product_id": 7000,
            "user_id": USER,
            "name": name,
            "data": data,
            "ttl": 60,
            "published_at": AT,
            "received_at": AT,
            "version": 3,
            "publisher": None,
            "position": None,
            **more,
        }
    )
