"""A wire to PostgreSQL that can be cut at the worst moment: after the commit, before the answer."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK_BYTES = 65_536
SELECT_S = 0.2


class Wire:
    """`swallow(needle)`: the next answer to a request that holds these bytes never arrives."""

    def __init__(self, conninfo: str) -> None:
        self._server = conninfo_to_dict(conninfo)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SELECT_S)
        self._needle = b""
        self._open = True
        self.cuts = 0
        port = str(self._listener.getsockname()[1])
        self.conninfo = make_conninfo(conninfo, host="127.0.0.1", port=port, sslmode="disable")
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def swallow(self, needle: bytes) -> None:
        self._needle = needle

    def close(self) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._carry, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _connect(self) -> socket.socket:
        host, port = str(self._server["host"]), self._server.get("port", 5432)
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, int(port or 5432)))

    def _carry(self, client: socket.socket) -> None:
        with client, self._connect() as server:
            cut_at_answer = False
            while self._open:
                for end in select.select([client, server], [], [], SELECT_S)[0]:
                    content = end.recv(CHUNK_BYTES)
                    if not content:
                        return
                    if end is client:
                        if self._needle and self._needle in content:
                            self._needle, cut_at_answer = b"", True
                        server.sendall(content)
                    elif cut_at_answer:
                        # It answers once it has committed.
                        self.cuts += 1
                        return
                    else:
                        client.sendall(content)


@contextmanager
def wire(conninfo: str) -> Iterator[Wire]:
    opened = Wire(conninfo)
    try:
        yield opened
    finally:
        opened.close()
