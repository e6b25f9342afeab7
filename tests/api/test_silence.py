"""A peer that takes nothing is given up by the kernel."""

import socket

import pytest

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
