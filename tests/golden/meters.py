"""The lines about what is used."""

from domain import allowance, meter
from domain.model import Event
from domain.recorded import Provenance

USER = "5f1e0c0000000000000000ce"
INTEGRATION = "5f1e0c0000000000000000ea"
DEVICE = "e00fce681234567890abcdef"
BATCH = "0b9a5f0e-8a5a-4d0a-9a4e-2f6f1c1f0f3d"
ANN = Provenance(f"user:{USER}", "http 127.0.0.1", "request-1", 41, "command-1")
TIMER = Provenance("timer:metering", command=BATCH)
PERIOD = {"period_start": "2030-01-31", "period_end": "2030-02-28"}

METERS: list[tuple[Event, Provenance]] = [
    (allowance.AllowanceSet(meter="product-7000", product_id=7000, limit=1_000), ANN),
    (allowance.AllowanceSet(meter=f"user-{USER}", limit=None), ANN),
    (
        meter.OutboundMessagesMetered(
            meter="product-7000",
            product_id=7000,
            day="2030-02-01",
            integration_id=INTEGRATION,
            messages=3,
            devices={DEVICE: 2, "api": 1},
            first_place=5,
            last_place=9,
            batch_id=BATCH,
            **PERIOD,
        ),
        TIMER,
    ),
    (
        meter.OutboundMessagesMetered(
            meter=f"user-{USER}",
            day="2030-02-01",
            messages=1,
            devices={DEVICE: 1},
            first_place=7,
            last_place=7,
            batch_id=BATCH,
            **PERIOD,
        ),
        TIMER,
    ),
    (
        meter.UsageWarned(
            meter="product-7000",
            product_id=7000,
            percent=70,
            limit=1_000,
            messages=701,
            payer=USER,
            **PERIOD,
        ),
        TIMER,
    ),
    (
        meter.UsageLimitReached(
            meter="product-7000",
            product_id=7000,
            limit=1_000,
            messages=1_000,
            payer=USER,
            **PERIOD,
        ),
        TIMER,
    ),
    (
        meter.DataMetered(
            meter="product-7000",
            product_id=7000,
            day="2030-02-01",
            messages=12,
            bytes=3_456,
            devices=2,
            **PERIOD,
        ),
        Provenance("timer:metering", command="data-2030-02-01"),
    ),
]
