"""A peer that takes nothing is given up by the kernel."""

import gc
import os
import socket
import threading

import pytest
import uvicorn

from api.__main__ import Server
from api.silence import TAKES_NOTHING_S as AFTER_S
from api.silence import give_up_silent

TAKES_NOTHING_S = 0.3
MORE_THAN_IS_HELD = 20_000_000  # bytes
GIVEN_UP_WITHIN_S = 20.0  # the kernel probes now and then


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_a_connection_to_a_peer_that_takes_nothing_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        give_up_silent([listening], TAKES_NOTHING_S)
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as ours:
            ours.settimeout(GIVEN_UP_WITHIN_S)
            with pytest.raises(TimeoutError, match="Connection timed out"):
                ours.sendall(bytes(MORE_THAN_IS_HELD))


@pytest.mark.asyncio
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_the_api_gives_up_who_takes_nothing() -> None:
    async def nothing(scope: object, receive: object, send: object) -> None:
        """Nobody asks."""

    config = uvicorn.Config(nothing, port=0, lifespan="off", log_config=None)
    config.load()
    server = Server(config, None, threading.Event())
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        [listening] = [one for each in server.servers for one in each.sockets]
        with socket.socket(fileno=os.dup(listening.fileno())) as ours:
            after_ms = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert after_ms == 1_000 * AFTER_S
    finally:
        await server.shutdown()
        gc.unfreeze()
