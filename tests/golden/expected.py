"""What each line of `events.jsonl` must be read as, for ever: in the order of the lines.

A new event type gets a line there and an entry here. An event whose shape changes keeps its old
line, whose entry here becomes what the upcaster makes of it, and gets a new one.
"""

from domain import description, firmware, group, product, session
from domain import device_events as happened
from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.recorded import Provenance
from domain.targeting import Rule
from tests.golden.customers import CUSTOMERS
from tests.golden.integrations import INTEGRATIONS
from tests.golden.meters import METERS
from tests.golden.owners import OWNERS
from tests.golden.people import PEOPLE
from tests.golden.teams import TEAMS

ID = "e00fce681234567890abcdef"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
AT = "2030-01-01T10:00:00.000000Z"

NOBODY = Provenance()
ADA = Provenance("ada", "api 127.0.0.1", "request-1", 41, "command-1")

WHOLE_HELLO = Hello(
    product_id=7000,
    version=2,
    platform_id=6,
    system_version="3.3.1",
    app_hash="c0ffee",
    reset_reason="power_down",
    updates_enabled=False,
)
WHOLE_ANSWER = Answer(
    told=Told.PENDING, rule=Rule.GROUP, version=3, product_id=7000, group="beta", joins=True
)

PRODUCT: list[tuple[Event, Provenance]] = [
    (
        product.ProductCreated(
            product_id=7000,
            platform_id=6,
            name="Lámpara",
            slug="lampara-v1",
            description="It glows",
            owner="ada",
        ),
        ADA,
    ),
    (
        product.ProductCreated(product_id=7001, platform_id=13, name="Bulb", slug="bulb-v1"),
        NOBODY,
    ),
    (product.ProductRenamed(product_id=7000, name="Bulb"), ADA),
    (product.ProductDescribed(product_id=7000, description="It shines"), ADA),
    (product.AutoApprovalAllowed(product_id=7000), ADA),
    (product.AutoApprovalForbidden(product_id=7000), ADA),
    (product.FailedAttemptsLimited(product_id=7000, attempts_max=5), ADA),
    (product.ProductRetired(product_id=7000), ADA),
]

GROUP: list[tuple[Event, Provenance]] = [
    (
        group.GroupCreated(
            product_id=7000, group="beta", name="beta", color="ff0000", description="The brave"
        ),
        ADA,
    ),
    (group.GroupRenamed(product_id=7000, group="beta", name="testers"), ADA),
    (
        group.GroupDescribed(product_id=7000, group="beta", color="00ff00", description="Calm"),
        ADA,
    ),
    (group.GroupRemoved(product_id=7000, group="beta"), ADA),
]

FIRMWARE: list[tuple[Event, Provenance]] = [
    (
        firmware.FirmwareUploaded(
            product_id=7000,
            version=3,
            sha256=SHA256,
            size_bytes=512,
            title="Third",
            description="Better light",
            mandatory=True,
            file_name="lamp.bin",
        ),
        ADA,
    ),
    (
        firmware.FirmwareDescribed(
            product_id=7000, version=3, title="Bright", description="", mandatory=False
        ),
        ADA,
    ),
    (
        firmware.FirmwareProven(product_id=7000, version=3, device_id=ID),
        Provenance("reaction", cause=40),
    ),
    (
        firmware.FirmwareReleased(
            product_id=7000,
            version=3,
            product_default=True,
            groups=("beta", "gamma"),
            intelligent=True,
        ),
        ADA,
    ),
    (firmware.FirmwareDeleted(product_id=7000, version=3), ADA),
]

DEVICE: list[tuple[Event, Provenance]] = [
    (happened.DeviceImported(device_id=ID, product_id=7000), ADA),
    (happened.DeviceQuarantined(device_id=ID, product_id=7000), NOBODY),
    (happened.DeviceJoined(device_id=ID, product_id=7000), NOBODY),
    (happened.DeviceDenied(device_id=ID, product_id=7000), ADA),
    (happened.DeviceRemoved(device_id=ID, product_id=7000), ADA),
    (happened.DeviceNamed(device_id=ID, name="Küche"), ADA),
    (happened.DeviceNoted(device_id=ID, notes='It "flickers"\nat night'), ADA),
    (happened.DeviceGrouped(device_id=ID, product_id=7000, groups=("beta", "gamma")), ADA),
    (
        happened.FirmwareLocked(
            device_id=ID, product_id=7000, version=3, flash=True, request="request-1"
        ),
        ADA,
    ),
    (happened.FirmwareUnlocked(device_id=ID, product_id=7000), ADA),
    (happened.DevelopmentMarked(device_id=ID, product_id=7000), ADA),
    (happened.DevelopmentUnmarked(device_id=ID, product_id=7000), ADA),
    (happened.UpdatesForced(device_id=ID, product_id=7000), ADA),
    (happened.UpdatesUnforced(device_id=ID, product_id=7000), ADA),
    (
        happened.UpdateRetryAsked(device_id=ID, product_id=7000, version=3, request="request-1"),
        ADA,
    ),
    (
        happened.BinaryFlashed(
            device_id=ID, product_id=7000, sha256=SHA256, size_bytes=512, request="request-1"
        ),
        ADA,
    ),
    (happened.BillingStarted(device_id=ID, product_id=7000), NOBODY),
]

SESSION: list[tuple[Event, Provenance]] = [
    (
        session.DeviceHandshook(
            device_id=ID,
            product_id=7000,
            said=WHOLE_HELLO,
            told=WHOLE_ANSWER,
            based_on=40,
            running=2,
            at=AT,
            edge="edge-1",
            connection="server-1/7",
        ),
        NOBODY,
    ),
    (
        session.DeviceHandshook(
            device_id=ID,
            product_id=None,
            said=Hello(),
            told=Answer(told=Told.UNKNOWN),
            based_on=0,
            running=None,
            at=AT,
        ),
        NOBODY,
    ),
    (session.FirmwareSeenRunning(device_id=ID, product_id=7000, version=3, before=2), NOBODY),
    (session.FirmwareSeenRunning(device_id=ID, product_id=None, version=None), NOBODY),
    (session.UpdateStarted(device_id=ID, product_id=7000, version=3, at=AT), NOBODY),
    (session.UpdateDelivered(device_id=ID, product_id=7000, version=3, at=AT), NOBODY),
    (session.UpdateConfirmed(device_id=ID, product_id=7000, version=3), NOBODY),
    (
        session.FirmwareUpdateFailed(
            device_id=ID, product_id=7000, version=3, reason="no space", attempt=2, at=AT
        ),
        NOBODY,
    ),
    (
        session.UpdateStuck(
            device_id=ID, product_id=7000, version=3, attempts=3, reason="no space"
        ),
        NOBODY,
    ),
    (
        session.SessionEnded(
            device_id=ID, product_id=7000, reason="asleep", at=AT, connection="server-1/7"
        ),
        NOBODY,
    ),
]

DESCRIBED: list[tuple[Event, Provenance]] = [
    (
        description.DeviceDescribed(
            device_id=ID,
            product_id=7000,
            has=description.Description(
                functions=("check", "blink"),
                variables={
                    "count": description.VariableType.INT32,
                    "name": description.VariableType.STRING,
                },
                serial_number="P046AF450A5TKQW",
                imei="490154203237518",
                iccid="8934076500002589174",
            ),
            at=AT,
        ),
        NOBODY,
    ),
    (
        description.DeviceDescribed(
            device_id=ID, product_id=None, has=description.Description(), at=AT
        ),
        NOBODY,
    ),
]

RETENTION: list[tuple[Event, Provenance]] = [
    (product.EventRetentionChanged(product_id=7000, days=90), ADA),
    (product.EventRetentionChanged(product_id=7000, days=None), NOBODY),
]

EXPECTED: list[tuple[Event, Provenance]] = [
    *PRODUCT,
    *GROUP,
    *FIRMWARE,
    *DEVICE,
    *SESSION,
    *DESCRIBED,
    *TEAMS,
    *PEOPLE,
    *OWNERS,
    *CUSTOMERS,
    *RETENTION,
    *INTEGRATIONS,
    *METERS,
]
