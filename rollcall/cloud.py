"""The whole cloud on one machine: from taking the state directory until the last process ended."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from rollcall.addresses import choose_addresses
from rollcall.children import Child, ChildProgram, Surroundings
from rollcall.database import bring_up_to_date
from rollcall.embedded.nats import Nats, accounts
from rollcall.embedded.ports import Ports
from rollcall.embedded.postgres import Postgres
from rollcall.embedded.processes import end, identify, unprivileged
from rollcall.founding import Founded, found
from rollcall.handed_on import mails_of, must_be_understood
from rollcall.secret_keys import admin_token_of, people_keys_of, secrets_of
from rollcall.settings import Settings
from rollcall.state import Runtime, State
from rollcall.supervisor import Program, Supervisor


@dataclass
class Cloud:
    """One start of everything.

    `say` takes a sentence for the terminal at any time. `announce` is called once, when everything
    serves, with where that is.
    """

    settings: Settings
    children: Sequence[Child]
    say: Callable[[str], None]
    announce: Callable[[str], None]
    _complete: bool = False
    _founded: Founded | None = None

    def run(self) -> None:
        """Until a signal asks us to stop. Raises Trouble; nothing is left running either way."""
        settings, state = self.settings, State(self.settings.state)
        must_be_understood(settings)
        with ExitStack() as held:
            held.enter_context(state.own(None if settings.database_url else unprivileged()))
            if left := state.runtime():
                # A killed supervisor's children die by themselves on Linux, but not in an instant.
                end(left.children, signals={Postgres.name: signal.SIGINT})
            edges = sum(child.edge is not None for child in self.children)
            ports = held.enter_context(closing(Ports(settings.ports, state.ports())))
            addresses = choose_addresses(settings, ports, edges, self.say)
            state.remember_ports({**state.ports(), **addresses.ports})
            postgres = Postgres(state.path, state.logs / "postgres.log")
            database = settings.database_url or postgres.conninfo
            _, token_is_new = admin_token_of(state)
            around = Surroundings(settings, secrets_of(state), addresses, database)
            held.callback(state.forget_runtime)
            supervisor = Supervisor(
                changed=lambda: state.remember_runtime(self._runtime(supervisor, around)),
                say=self.say,
                logs=state.logs,
            )
            held.callback(supervisor.stop)
            founded = self._start(supervisor, state, around, postgres)
            self._complete = True
            supervisor.changed()
            unseen = founded.token if token_is_new or founded.token_is_new else None
            self.announce(announcement(state, around, founded, unseen))
            supervisor.keep_running()

    def _start(
        self,
        supervisor: Supervisor,
        state: State,
        around: Surroundings,
        postgres: Program,
    ) -> Founded:
        """Layer upon layer: what is started later needs what was started before."""
        if self.settings.database_url is None:
            supervisor.start([postgres])
        bring_up_to_date(around.database)
        founded = self._founded = found(
            around.database,
            people_keys_of(self.settings, state),
            self.settings.admin_email,
            state,
        )
        if self.settings.nats_url is None:
            supervisor.start([embedded_nats(state, around)])
        supervisor.start(
            [ChildProgram(child, state, around.environment(child)) for child in self.children]
        )
        return founded

    def _runtime(self, supervisor: Supervisor, around: Surroundings) -> Runtime:
        addresses = around.addresses
        return Runtime(
            supervisor=identify(os.getpid()),
            children=supervisor.identities,
            ready=self._complete and supervisor.ready,
            ports=dict(addresses.ports),
            http=addresses.http,
            device_http=addresses.device_http(),
            mqtt=addresses.mqtt,
            nats=addresses.nats,
            nats_url=around.nats_url,
            database=around.database,
            admin_email=self._founded.email if self._founded else None,
            mails=mails_of(around.settings).place,
        )


def embedded_nats(state: State, around: Surroundings) -> Nats:
    secrets = around.secrets
    return Nats(
        state.path,
        state.logs / "nats.log",
        ports={name: around.addresses.ports[name] for name in ("nats", "mqtt", "monitoring")},
        mqtt_host=around.settings.mqtt_host,
        accounts=accounts(
            issuer_seed=around.issuer_seed,
            sys=secrets.nats_sys,
            auth=secrets.nats_auth,
            edge=secrets.nats_edge,
        ),
    )


def announcement(
    state: State, around: Surroundings, founded: Founded, new_token: str | None
) -> str:
    """Where everything listens, for the terminal; and the token, the first time only."""
    addresses, settings = around.addresses, around.settings
    rows = (
        ("HTTP", addresses.http),
        ("MQTT", addresses.mqtt or "at your own NATS"),
        ("NATS", addresses.nats or "your own, by NATS_URL"),
        ("firmware", addresses.device_http()),
        ("database", "your own, by DATABASE_URL" if settings.database_url else around.database),
        ("state", str(state.path)),
        ("mails", mails_of(settings).place),
        ("people", administrator(state, founded)),
        ("token", f"in {state.admin_token}"),
        *([("", new_token)] if new_token else []),
    )
    return "\n".join(["Rollcall runs.", *(f"  {name:9} {value}" for name, value in rows)])


def administrator(state: State, founded: Founded) -> str:
    if not state.admin_password.exists():
        return f"{founded.email} is the administrator"
    return f"{founded.email} is the administrator, first password in {state.admin_password}"
