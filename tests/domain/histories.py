"""Short ways to write histories: recorded events, numbered as the log would."""

from datetime import UTC, datetime, timedelta

from domain.model import Event
from domain.recorded import Provenance, Recorded

START = datetime(2030, 1, 1, tzinfo=UTC)


def stream_of(event: Event) -> str:
    """The stream an event belongs to, told by what it is about."""
    kind = type(event).__module__.rpartition(".")[2].removesuffix("_events")
    match kind:
        case "device" | "ownership":
            return f"device-{event.device_id}"  # type: ignore[attr-defined]
        case "session":
            return f"{kind}-{event.device_id}"  # type: ignore[attr-defined]
        case "firmware":
            return f"firmware-{event.product_id}-{event.version}"  # type: ignore[attr-defined]
        case "group":
            return f"group-{event.product_id}-{event.group}"  # type: ignore[attr-defined]
    return f"product-{event.product_id}"  # type: ignore[attr-defined]


def recorded(*events: Event) -> list[Recorded]:
    """The events in the log, at positions 1, 2, 3 …"""
    versions: dict[str, int] = {}
    history = []
    for position, event in enumerate(events, start=1):
        stream = stream_of(event)
        versions[stream] = versions.get(stream, 0) + 1
        history.append(
            Recorded(
                stream,
                versions[stream],
                event,
                Provenance(actor="somebody"),
                position,
                START + timedelta(seconds=position),
            )
        )
    return history
