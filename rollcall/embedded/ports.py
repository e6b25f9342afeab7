"""Which port each server gets: the one asked for, or else the one it had, ours, or any free one."""

import errno
import random
import socket
import sys
from collections.abc import Mapping

from rollcall.trouble import Trouble

LOOPBACK = "127.0.0.1"
# Below those that systems give to outgoing connections: one of these would have the port, for its
# own end, whenever our server is away for a moment; even a connection that looks for that server.
FREE = range(16_384, 32_768)
TAKEN = {errno.EADDRINUSE, errno.EACCES}


class Ports:
    """The ports of one start. Not to be closed before everything that uses them has ended."""

    def __init__(self, asked: Mapping[str, int], remembered: Mapping[str, int]) -> None:
        self._claims: list[socket.socket] = []
        self._asked = asked
        self._remembered = remembered

    def choose(
        self, name: str, *, default: int = 0, variable: str = "", host: str = LOOPBACK
    ) -> int:
        """0 is any free port. Raises Trouble where the one asked for is taken."""
        asked = self._asked.get(name)
        if asked:
            if not self._claim(host, asked):
                raise Trouble(f"Port {asked} is taken, and {variable} asks for it.")
            return asked
        wished = default if asked is None else 0
        for number in (self._remembered.get(name, 0), wished):
            if number and self._claim(host, number):
                return number
        return self._any_free(host)

    def close(self) -> None:
        """Let other Rollcalls have them."""
        for claim in self._claims:
            claim.close()

    def _any_free(self, host: str) -> int:
        for number in random.sample(FREE, k=len(FREE)):
            if self._claim(host, number):
                return number
        raise Trouble(f"No port from {FREE.start} to {FREE.stop - 1} of {host} is free.")

    def _claim(self, host: str, number: int) -> bool:
        """Whether it is free, and from now on ours: its server listens only moments later."""
        try:
            socket.create_server((host, number)).close()
        except OSError as error:
            if error.errno in TAKEN:
                return False
            raise Trouble(f"Nothing can listen on {host}: {error.strerror}.") from None
        return sys.platform != "linux" or self._claim_among_rollcalls(number)

    def _claim_among_rollcalls(self, number: int) -> bool:
        """Of two starts at the same time one gets the abstract socket of this name."""
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0rollcall-port-{number}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True
