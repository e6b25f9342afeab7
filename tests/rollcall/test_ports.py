import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing

import pytest

from rollcall.embedded.ports import Ports
from rollcall.trouble import Trouble


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def ports() -> Iterator[Callable[..., Ports]]:
    """Makes the ports of a start, given those asked for and those it had before."""
    with ExitStack() as held:

        def make(asked: Mapping[str, int] | None = None, **before: int) -> Ports:
            return held.enter_context(closing(Ports(asked or {}, before)))

        yield make


Starts = Callable[..., Ports]


def test_the_port_asked_for_is_chosen(ports: Starts, free: int) -> None:
    assert ports({"http": free}, http=1).choose("http", default=2) == free


def test_the_port_asked_for_is_never_replaced(ports: Starts, taken: int) -> None:
    with pytest.raises(Trouble, match=f"Port {taken} is taken, and WISH asks for it"):
        ports({"http": taken}).choose("http", variable="WISH")


def test_the_port_of_the_last_start_comes_before_our_own(ports: Starts, free: int) -> None:
    assert ports(http=free).choose("http", default=free + 1) == free


def test_our_own_is_chosen_where_the_last_one_is_taken(
    ports: Starts, taken: int, free: int
) -> None:
    assert ports(http=taken).choose("http", default=free) == free


def test_any_free_one_is_chosen_where_ours_is_taken(ports: Starts, taken: int) -> None:
    assert ports().choose("http", default=taken) not in {0, taken}


def test_zero_asks_for_any_free_one(ports: Starts, free: int) -> None:
    assert ports({"http": 0}).choose("http", default=free) not in {0, free}


def test_two_starts_at_once_do_not_choose_the_same(ports: Starts, free: int) -> None:
    first, second = ports(), ports()

    assert first.choose("http", default=free) != second.choose("http", default=free)


def test_a_port_is_for_others_again_once_a_start_has_ended(ports: Starts, free: int) -> None:
    first, second = ports(), ports()
    first.choose("http", default=free)
    first.close()

    assert second.choose("http", default=free) == free
