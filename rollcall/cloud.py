"""The whole cloud on one machine: from taking the state directory until the last process ended."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg

from rollcall.addresses import Addresses, choose_addresses
from rollcall.children import Child, ChildProgram, Surroundings
from rollcall.embedded.nats import Nats, accounts
from rollcall.embedded.postgres import Postgres
from rollcall.embedded.processes import end, identify, unprivileged
from rollcall.secret_keys import Secrets, admin_token_of, admit, secrets_of
from rollcall.settings import Settings
from rollcall.state import Runtime, State
from rollcall.supervisor import Supervisor
from rollcall.trouble import Trouble

POSTGRES_VERSION_MIN = 15
POSTGRES_VERSION_MAX = 18
CONNECT_TIMEOUT_S = 10


@dataclass
class Cloud:
    """One start of everything.

    `say` takes a sentence for the terminal at any time; `announce` takes, once everything serves,
    where that is.
    """

    settings: Settings
    children: Sequence[Child]
    migrate: Callable[[str], object]
    say: Callable[[str], None]
    announce: Callable[[str], None]
    _database: str | None = None
    _complete: bool = False

    def run(self) -> None:
        """Until a signal asks us to stop. Raises Trouble; nothing is left running either way."""
        state, settings = State(self.settings.state), self.settings
        with ExitStack() as held:
            held.enter_context(state.own(None if settings.database_url else unprivileged()))
            if left := state.runtime():
                # A killed supervisor's children die by themselves on Linux, but not in an instant.
                end(left.children, signals={Postgres.name: signal.SIGINT})
            edges = sum(child.edge is not None for child in self.children)
            addresses = choose_addresses(settings, state.ports(), edges, self.say)
            for claim in addresses.claims:
                held.enter_context(claim)
            state.remember_ports({**state.ports(), **addresses.ports})
            held.callback(state.forget_runtime)
            supervisor = Supervisor(
                changed=lambda: state.remember_runtime(self._runtime(supervisor, addresses)),
                say=self.say,
            )
            held.callback(supervisor.stop)
            new_token = self._start(supervisor, state, addresses)
            self._complete = True
            supervisor.changed()
            own_database = None if settings.database_url else self._database
            self.announce(announcement(state, addresses, own_database))
            if new_token:
                self.announce(f"This first start made the administrator's token: {new_token}")
            supervisor.keep_running()

    def _start(self, supervisor: Supervisor, state: State, addresses: Addresses) -> str | None:
        """Layer upon layer. Returns the administrator's token if it was made just now."""
        settings, secrets = self.settings, secrets_of(state)
        self._database = settings.database_url
        if self._database is None:
            postgres = Postgres(state.path, state.logs / "postgres.log")
            self._database = postgres.conninfo
            supervisor.start([postgres])
        token, new = admin_token_of(state)
        self._prepare_database(self._database, token)
        if settings.nats_url is None:
            supervisor.start([embedded_nats(settings, secrets, state, addresses)])
        around = Surroundings(settings, secrets, addresses, self._database)
        supervisor.start(
            [ChildProgram(child, state, around.environment(child)) for child in self.children]
        )
        return token if new else None

    def _prepare_database(self, conninfo: str, token: str) -> None:
        try:
            check_version(conninfo)
            self.migrate(conninfo)
            admit(token, conninfo)
        except psycopg.OperationalError as error:
            raise Trouble(f"The database cannot be used: {error}") from None

    def _runtime(self, supervisor: Supervisor, addresses: Addresses) -> Runtime:
        return Runtime(
            supervisor=identify(os.getpid()),
            children=supervisor.identities,
            ready=self._complete and supervisor.ready,
            ports=dict(addresses.ports),
            http=addresses.http,
            device_http=addresses.device_http(),
            mqtt=addresses.mqtt,
            nats=addresses.nats,
            database=self._database,
        )


def check_version(conninfo: str) -> None:
    """Raises Trouble where the server is of a version that we do not know."""
    with psycopg.connect(conninfo, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        found = connection.info.server_version // 10_000
    if not POSTGRES_VERSION_MIN <= found <= POSTGRES_VERSION_MAX:
        raise Trouble(
            f"DATABASE_URL leads to a PostgreSQL {found}; Rollcall runs on "
            f"{POSTGRES_VERSION_MIN} to {POSTGRES_VERSION_MAX}."
        )


def embedded_nats(
    settings: Settings, secrets: Secrets, state: State, addresses: Addresses
) -> Nats:
    return Nats(
        state.path,
        state.logs / "nats.log",
        ports={name: addresses.ports[name] for name in ("nats", "mqtt", "monitoring")},
        mqtt_host=settings.mqtt_host,
        accounts=accounts(
            issuer_seed=settings.issuer_seed or secrets.issuer_seed,
            sys=secrets.nats_sys,
            auth=secrets.nats_auth,
            edge=secrets.nats_edge,
        ),
    )


def announcement(state: State, addresses: Addresses, database: str | None) -> str:
    """Where everything listens, for the terminal."""
    rows = (
        ("HTTP", addresses.http),
        ("MQTT", addresses.mqtt or "at your own NATS"),
        ("NATS", addresses.nats or "your own, by NATS_URL"),
        ("firmware", addresses.device_http()),
        ("database", database or "your own, by DATABASE_URL"),
        ("state", str(state.path)),
        ("token", f"in {state.admin_token}"),
    )
    return "\n".join(["Rollcall runs.", *(f"  {name:9} {value}" for name, value in rows)])
