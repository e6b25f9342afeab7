"""Where everything of one start listens, and how others reach it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollcall.embedded.ports import LOOPBACK, Ports
from rollcall.settings import WISHES, Settings

EVERY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Addresses:
    """Ports by name, and the addresses they make."""

    ports: Mapping[str, int]
    http_host: str
    mqtt_host: str
    nats_is_ours: bool

    @property
    def http(self) -> str:
        return f"http://{reachable(self.http_host)}:{self.ports['http']}"

    @property
    def mqtt(self) -> str | None:
        host = reachable(self.mqtt_host)
        return f"mqtt://{host}:{self.ports['mqtt']}" if self.nats_is_ours else None

    @property
    def nats(self) -> str | None:
        return f"nats://{LOOPBACK}:{self.ports['nats']}" if self.nats_is_ours else None

    def device_http(self, edge: int = 0) -> str:
        return f"http://{reachable(self.http_host)}:{self.ports[device_http_name(edge)]}"


def choose_addresses(
    settings: Settings, ports: Ports, edges: int, say: Callable[[str], None]
) -> Addresses:
    """Raises Trouble where a port that was asked for is taken."""
    ours = settings.nats_url is None
    hosts = {
        "http": settings.http_host,
        "device_http": settings.http_host,
        **({"mqtt": settings.mqtt_host, "nats": LOOPBACK} if ours else {}),
    }
    chosen = {}
    for wish in WISHES:
        if wish.name not in hosts:
            continue
        number = ports.choose(
            wish.name, default=wish.default, variable=wish.variable, host=hosts[wish.name]
        )
        if wish.name not in settings.ports and number != wish.default:
            say(f"Port {wish.default} is or was taken: {wish.name} uses {number}.")
        chosen[wish.name] = number
    for edge in range(1, edges):
        name = device_http_name(edge)
        chosen[name] = ports.choose(name, host=settings.http_host)
    chosen["monitoring"] = ports.choose("monitoring")
    return Addresses(chosen, settings.http_host, settings.mqtt_host, ours)


def device_http_name(edge: int) -> str:
    """The first edge has the port people ask for; the others have ports of their own."""
    return "device_http" if edge == 0 else f"device_http_{edge + 1}"


def reachable(host: str) -> str:
    return LOOPBACK if host in EVERY_ADDRESS else host
