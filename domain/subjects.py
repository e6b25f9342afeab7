"""The names on the wire between our processes and to devices: NATS subjects and streams.

MQTT writes the same names with slashes: `d.<id>.up.hello` is the topic `d/<id>/up/hello`.
"""

# Targeting facts, the last one per subject, from which every edge answers. In position order;
# `facts.head` closes a batch and names the position that all facts before it are as of.
FACTS_STREAM = "FACTS"
FACTS_SUBJECTS = "facts.>"
FACTS_HEAD = "facts.head"

# What edges and timers report of devices, on its way into the log, and the server's own word on
# who connected and disconnected, in one order.
JOURNAL_STREAM = "JOURNAL"
JOURNAL_SUBJECTS = "journal.>"
PRESENCE_CONNECT = "presence.connect"
PRESENCE_DISCONNECT = "presence.disconnect"
PRESENCE_CONNECTIONS = "presence.connz"

# What devices publish, on its way into the table of device events.
DEVICE_EVENTS_STREAM = "DEVICE_EVENTS"
DEVICE_EVENTS_SUBJECTS = "d.*.up.events"
# In the place of a device's id: what people publish takes the same way. No device has this id.
API = "api"
# And what the cloud itself publishes, and what it says of what stands in the log.
CLOUD = "cloud"
LOG = "log"

# What integrations publish, each below its owner's own name. No stream of ours keeps it.
OUT_SUBJECTS = "out.>"

# Every event of the log, for whoever integrates: arrays of events, in position order.
FLEET_STREAM = "FLEET_EVENTS"
FLEET_SUBJECTS = "fleet.>"


def facts_of_device(device_id: str) -> str:
    return f"facts.device.{device_id}"


def facts_of_product(product_id: int) -> str:
    return f"facts.product.{product_id}"


def facts_of_firmware(product_id: int, version: int) -> str:
    return f"facts.firmware.{product_id}.{version}"


def fleet_events_of(product_id: int | None) -> str:
    """Where events of a product are announced, or those about none."""
    return f"fleet.{'none' if product_id is None else product_id}"


def up(device_id: str, what: str) -> str:
    """Where a device speaks."""
    return f"d.{device_id}.up.{what}"


def answer(device_id: str, request_id: str) -> str:
    """Where a device answers one request, which nobody else ever listens to."""
    return up(device_id, f"answer.{request_id}")


def down(device_id: str, what: str) -> str:
    """Where a device listens."""
    return f"d.{device_id}.dn.{what}"


def out_of(owner: str, below: str) -> str:
    """Where integrations of an owner publish, and nobody else does."""
    return f"out.{owner}.{below}"
