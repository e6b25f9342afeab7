"""Who calls is told by the connection, and by our own proxies; never by the caller."""

import pytest

from api.network import UNKNOWN, caller_address, network_of, plain

PEER, CALLER = "10.0.0.1", "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ([], 0, PEER),
        ([CALLER], 0, PEER),
        ([CALLER], 1, CALLER),
        (["203.0.113.9", CALLER], 1, CALLER),
        (["203.0.113.9", CALLER, "10.0.0.2"], 2, CALLER),
        # It came past the proxies, or they do not say what they were set up to say.
        ([], 1, PEER),
        ([CALLER], 2, PEER),
        (["nonsense"], 1, PEER),
    ],
)
def test_so_many_proxies_are_believed_and_no_more(
    forwarded: list[str], proxies: int, address: str
) -> None:
    assert caller_address(PEER, forwarded, proxies) == address


def test_where_nothing_is_known_everybody_is_one_caller() -> None:
    assert caller_address("", [], 0) == UNKNOWN
    assert network_of(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("192.0.2", ""),
        ("192.0.2.1.5", ""),
        ("2001:db8::g", ""),
        ("a" * 100_000, ""),
        ("192.0.2.1\r\nX: y", ""),
    ],
)
def test_an_address_has_one_spelling(written: str, address: str) -> None:
    assert plain(written) == address


def test_a_network_of_ipv6_is_one_caller_and_an_ipv4_address_is_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8:0:0:ffff::9") == "2001:db8::/64"
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
