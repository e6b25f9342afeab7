"""Our own processes: which there are, and what each is told by its environment."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from domain.log.master_keys import spelled
from projections.mails.settings import PUBLIC_URL, SMTP_URL
from rollcall.addresses import Addresses, device_http_name
from rollcall.embedded.ports import LOOPBACK
from rollcall.embedded.processes import spawn
from rollcall.secret_keys import Secrets
from rollcall.settings import Settings
from rollcall.state import CHECKOUT, State

DELIVERY_WORKERS = 2  # one goes on while the other is started again


@dataclass(frozen=True)
class Child:
    """A Python module that runs until SIGTERM, and touches ROLLCALL_READY_FILE once it serves.

    `edge` counts the edges from 0, and is None for every other child. `reads_people` tells that it
    is given the key to what is sealed, `sends_mails` that it is given the mail server's address.
    """

    name: str
    module: str
    edge: int | None = None
    reads_people: bool = False
    sends_mails: bool = False


def children(edges: int) -> list[Child]:
    """Every process of ours, with that many edges."""
    return [
        Child("api", "api", reads_people=True),
        Child("projections", "projections", reads_people=True, sends_mails=True),
        *(Child(f"edge-{edge + 1}", "device_edge", edge) for edge in range(edges)),
        Child("journal", "device_edge.journal"),
        Child("intake", "device_edge.intake"),
        *(
            Child(f"deliveries-{number + 1}", "projections.deliveries", reads_people=True)
            for number in range(DELIVERY_WORKERS)
        ),
    ]


@dataclass(frozen=True)
class Surroundings:
    """What the children are told about."""

    settings: Settings
    secrets: Secrets
    addresses: Addresses
    database: str

    @property
    def nats_url(self) -> str:
        return self.settings.nats_url or self._own_nats("edge", self.secrets.nats_edge)

    @property
    def nats_auth_url(self) -> str:
        return self.settings.nats_auth_url or self._own_nats("auth", self.secrets.nats_auth)

    @property
    def issuer_seed(self) -> str:
        return self.settings.issuer_seed or self.secrets.issuer_seed

    @property
    def people_keys(self) -> dict[str, str]:
        """A file can be looked at again when another key is in it."""
        if keys := self.settings.people_keys:
            return {"ROLLCALL_MASTER_KEY": ",".join(map(spelled, keys))}
        return {"ROLLCALL_MASTER_KEY_FILE": str(State(self.settings.state).master_key)}

    def _own_nats(self, user: str, password: str) -> str:
        return f"nats://{user}:{password}@{LOOPBACK}:{self.addresses.ports['nats']}"

    def environment(self, child: Child) -> dict[str, str]:
        settings = self.settings
        told = {
            **settings.children_environment,
            "DATABASE_URL": self.database,
            "NATS_URL": self.nats_url,
            "NATS_AUTH_URL": self.nats_auth_url,
            "ROLLCALL_ISSUER_SEED": self.issuer_seed,
            "ROLLCALL_DEVICE_MASTER_KEY": settings.master_key or self.secrets.device_master_key,
            "ROLLCALL_HTTP_HOST": settings.http_host,
            "ROLLCALL_HTTP_PORT": str(self.addresses.ports["http"]),
            "ROLLCALL_STATE": str(settings.state),
            "PYTHONUNBUFFERED": "1",
        }
        told[PUBLIC_URL] = told.get(PUBLIC_URL) or self.addresses.http
        told.pop("ROLLCALL_MASTER_KEY", None)
        told.pop("ROLLCALL_MASTER_KEY_FILE", None)
        if child.reads_people:
            told |= self.people_keys
        if not child.sends_mails:
            told.pop(SMTP_URL, None)  # there may be a password in it
        if child.edge is not None:
            # Whoever puts a load balancer before the edges tells devices its address instead.
            own_url = self.addresses.device_http(child.edge)
            told["ROLLCALL_DEVICE_HTTP_URL"] = settings.device_http_url or own_url
            number = self.addresses.ports[device_http_name(child.edge)]
            told["ROLLCALL_DEVICE_HTTP_PORT"] = str(number)
        return told


class ChildProgram:
    """A child as the supervisor keeps it."""

    stop_signal = signal.SIGTERM
    stop_timeout_s = 10.0

    def __init__(self, child: Child, state: State, environment: Mapping[str, str]) -> None:
        self.name = child.name
        self.log = state.logs / f"{child.name}.log"
        self._module = child.module
        self._ready = state.ready / child.name
        self._environment = {**environment, "ROLLCALL_READY_FILE": str(self._ready)}

    def start(self) -> subprocess.Popen[bytes]:
        self._ready.unlink(missing_ok=True)
        return spawn(
            [sys.executable, "-m", self._module],
            log=self.log,
            environment=self._environment,
            death_signal=signal.SIGTERM,
            cwd=CHECKOUT,
        )

    def is_ready(self) -> bool:
        return self._ready.exists()
