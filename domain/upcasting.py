"""How events stored in older formats are read: a step per format, from one stored JSON to the next.

To change the shape of an event: raise its FORMAT, write here how the former format becomes it, and
add its line to the golden files. Stored events are never rewritten.
"""

from collections.abc import Callable, Mapping
from typing import Any

# Stored name of the former format -> (stored name of the next, how its JSON object changes).
Upcaster = tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]

UPCASTERS: dict[str, Upcaster] = {}


def upcast(
    topic: str, event: dict[str, Any], steps: Mapping[str, Upcaster] = UPCASTERS
) -> tuple[str, dict[str, Any]]:
    """The newest stored name and shape of an event stored as `topic`."""
    while topic in steps:
        topic, change = steps[topic]
        event = change(event)
    return topic, event
