"""An embedded NATS server: JetStream, the door for MQTT, and accounts that keep devices apart."""

import os
import signal
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from device_edge.nkeys import KeyPair
from rollcall.embedded.binaries import nats_server
from rollcall.embedded.ports import LOOPBACK
from rollcall.embedded.processes import spawn

HEALTH_TIMEOUT_S = 2
MEMORY_BYTES_MIN = 512 << 20
MEMORY_SHARE = 4  # of the machine's memory, one part in so many

ACCOUNTS = """\
accounts {{
  SYS {{
    users: [ {{ user: sys, password: "{sys}" }} ]
    exports: [
      {{ stream: "$SYS.ACCOUNT.FLEET.CONNECT", accounts: [FLEET] }}
      {{ stream: "$SYS.ACCOUNT.FLEET.DISCONNECT", accounts: [FLEET] }}
      {{ service: "$SYS.REQ.ACCOUNT.FLEET.CONNZ", accounts: [FLEET] }}
      {{ service: "$SYS.REQ.SERVER.*.KICK", accounts: [FLEET] }}
    ]
  }}
  AUTH {{ users: [ {{ user: auth, password: "{auth}" }} ] }}
  FLEET {{
    jetstream: enabled
    users: [ {{ user: edge, password: "{edge}" }} ]
    imports: [
      {{ stream: {{ account: SYS, subject: "$SYS.ACCOUNT.FLEET.CONNECT" }}
        to: "presence.connect" }}
      {{ stream: {{ account: SYS, subject: "$SYS.ACCOUNT.FLEET.DISCONNECT" }}
        to: "presence.disconnect" }}
      {{ service: {{ account: SYS, subject: "$SYS.REQ.ACCOUNT.FLEET.CONNZ" }}
        to: "presence.connz" }}
      {{ service: {{ account: SYS, subject: "$SYS.REQ.SERVER.*.KICK" }}
        to: "presence.kick.*" }}
    ]
  }}
}}
system_account: SYS
authorization {{
  timeout: 5
  auth_callout {{ issuer: {issuer}, account: AUTH, auth_users: [ sys, auth, edge ] }}
}}
"""

SERVER = """\
server_name: rollcall
listen: "{loopback}:{nats}"
http: "{loopback}:{monitoring}"
max_payload: 1MB            # batches between our own processes; the edge bounds what devices send
max_subscriptions: 256      # of one connection; a device needs a handful
max_connections: 131072
write_deadline: "10s"       # a device that reads slower than this is let go
jetstream {{
  store_dir: "{store}"
  max_memory_store: 256MB
  max_file_store: 16GB
  sync_interval: "2m"       # a killed server loses nothing, only a power cut could
}}
mqtt {{ listen: "{mqtt_host}:{mqtt}" }}
"""


class Nats:
    """The server below `home`, with the ports `nats`, `mqtt` and `monitoring`."""

    name = "nats"
    stop_signal = signal.SIGTERM
    stop_timeout_s = 10.0

    def __init__(
        self,
        home: Path,
        log: Path,
        *,
        ports: Mapping[str, int],
        accounts: str,
        mqtt_host: str = LOOPBACK,
    ) -> None:
        self.log = log
        self._home = home
        self._ports = ports
        self._configuration = accounts + SERVER.format(
            loopback=LOOPBACK, mqtt_host=mqtt_host, store=home / "nats", **ports
        )

    @property
    def monitoring_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['monitoring']}"

    def url(self, user: str, password: str) -> str:
        return f"nats://{user}:{password}@{LOOPBACK}:{self._ports['nats']}"

    def start(self) -> subprocess.Popen[bytes]:
        configuration = self._home / "nats.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration)
        return spawn(
            [nats_server(), "-c", configuration],
            log=self.log,
            environment={"PATH": os.defpath, "GOMEMLIMIT": str(memory_bytes())},
            death_signal=signal.SIGTERM,
        )

    def is_ready(self) -> bool:
        health = HTTPConnection(LOOPBACK, self._ports["monitoring"], timeout=HEALTH_TIMEOUT_S)
        try:
            health.request("GET", "/healthz?js-enabled-only=true")
            return health.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            health.close()


def accounts(*, issuer_seed: str, sys: str, auth: str, edge: str) -> str:
    """The part of a NATS configuration that Rollcall needs, given its users' passwords."""
    issuer = KeyPair.from_seed(issuer_seed).public_key
    return ACCOUNTS.format(issuer=issuer, sys=sys, auth=auth, edge=edge)


def memory_bytes() -> int:
    """What the server is to stay below: each of many thousand connections takes some 90 KB."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(MEMORY_BYTES_MIN, machine // MEMORY_SHARE)
