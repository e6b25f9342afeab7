"""One thread and one connection per follower: it works alone of its kind, waits, recovers."""

import sys
from collections.abc import Callable
from hashlib import sha256
from threading import Event, Thread
from typing import Any, Protocol

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from domain.log.fleet import as_app_role
from projections.status import say_following, say_stopped
from projections.trouble import Stopped, passes, reason_of

IDLE_S = 0.5  # how long a follower waits for news before it looks by itself
STANDBY_S = 0.5  # how often one that stands by tries to take over
BACKOFF_S_MIN = 0.1
BACKOFF_S_MAX = 2.0
CONNECT_TIMEOUT_S = 10

# Read models can be made again from the log, and their position moves with them: their commits need
# not wait for the disk. Few rows meet huge tables here: never scan one to find a page's rows.
OPTIONS = "-c synchronous_commit=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"


class Task(Protocol):
    """What a follower does, step by step. `channel` is where PostgreSQL says that there is news.

    `rest_s` is how long it rests after a step, so that there is more to do in the next: who is in
    no hurry must not compete with the read models, commit by commit.
    """

    name: str
    channel: str
    rest_s: float

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """A new connection: whatever was remembered from an earlier one may be out of date."""

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Do what there is to do, or a bounded part of it; False if there was nothing.

        Raises Stopped where it can never go on.
        """


def follower_conninfo(conninfo: str, name: str) -> str:
    options = as_app_role(conninfo_to_dict(conninfo).get("options"))
    return make_conninfo(
        conninfo,
        options=f"{options} {OPTIONS}",
        application_name=f"rollcall {name}",
        connect_timeout=CONNECT_TIMEOUT_S,
    )


def lock_key(name: str) -> int:
    """The advisory lock that makes a follower the only one of its name."""
    digest = sha256(f"rollcall follower {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class Runner:
    """Runs a task in its own thread until told to stop. Trouble that passes is waited out."""

    def __init__(self, task: Task, conninfo: str, *, died: Callable[[], None]) -> None:
        """`died` is called, in the thread, when it ended by anything but `stop` or Stopped."""
        self.name = task.name
        self.ready = Event()  # it works, stands by, or has stopped and said why
        self._task = task
        self._conninfo = follower_conninfo(conninfo, task.name)
        self._died = died
        self._stopping = Event()
        self._stepped = False  # since the last trouble
        self._thread = Thread(target=self._run, name=task.name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the step that it is at."""
        self._stopping.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._recover()
        except BaseException:
            self._died()
            raise

    def _recover(self) -> None:
        backoff_s = BACKOFF_S_MIN
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._work(connection)
                return
            except Exception as error:
                if not passes(error):
                    raise
                self._say(f"{reason_of(error)}; again in {backoff_s:.1f} s")
            if self._stepped:
                backoff_s = BACKOFF_S_MIN
            self._stepped = False
            self._stopping.wait(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_S_MAX)

    def _work(self, connection: Connection[tuple[Any, ...]]) -> None:
        if not self._take_over(connection):
            return
        try:
            self._task.begin(connection)
            connection.execute(SQL("LISTEN {}").format(Identifier(self._task.channel)))
            say_following(connection, self.name)
            self.ready.set()
            self._follow(connection)
        except Stopped as stopped:
            say_stopped(connection, self.name, stopped.position, stopped.reason)
            self._say(str(stopped))
            self.ready.set()

    def _take_over(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Wait until no other process does the same; False when told to stop meanwhile."""
        while not self._stopping.is_set():
            cursor = connection.execute("SELECT pg_try_advisory_lock(%s)", [lock_key(self.name)])
            if cursor.fetchone() == (True,):
                return True
            self.ready.set()
            self._stopping.wait(STANDBY_S)
        return False

    def _follow(self, connection: Connection[tuple[Any, ...]]) -> None:
        while not self._stopping.is_set():
            busy = self._task.step(connection)
            self._stepped = True
            if busy:
                self._stopping.wait(self._task.rest_s)
            else:
                for _ in connection.notifies(timeout=IDLE_S, stop_after=1):
                    pass  # that there is news is all it says

    def _say(self, sentence: str) -> None:
        print(f"{self.name}: {sentence}", file=sys.stderr, flush=True)
