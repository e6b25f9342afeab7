"""Peers that are gone, or take nothing any more: the kernel gives their connections up."""

import os
import socket
from collections.abc import Iterable

TAKES_NOTHING_S = 60


def give_up_silent(listening: Iterable[socket.socket], after_s: float = TAKES_NOTHING_S) -> None:
    """Of whoever connects from now on, no connection outlives that time in which something waits
    to be taken and nothing is. Otherwise what was sent to a peer that sleeps is kept for hours.

    Where the system cannot, nothing is done: it is tcp(7)'s TCP_USER_TIMEOUT, of Linux.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for one in listening:
        # Not every loop's sockets have options: so we look at the same one by its number.
        with socket.socket(fileno=os.dup(one.fileno())) as ours:
            timeout_ms = round(1_000 * after_s)
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
