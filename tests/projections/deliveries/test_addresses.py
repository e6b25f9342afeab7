import pytest

from projections.deliveries.addresses import INTERNET, NetworksMalformed, Reach, reach_of


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_deliveries_go_into_the_internet(address: str) -> None:
    assert INTERNET.takes_in(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.1"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.254", "192.0.0.8"),
        *("192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1"),
        *("2001:db8::1", "100::1", "4000::1"),
    ],
)
def test_deliveries_do_not_go_anywhere_else(address: str) -> None:
    assert not INTERNET.takes_in(address)


def test_the_operator_may_add_networks() -> None:
    reach = reach_of("10.1.0.0/16, fd00::/8")
    assert reach.takes_in("10.1.2.3")
    assert reach.takes_in("::ffff:10.1.2.3")
    assert reach.takes_in("fd00::5")
    assert not reach.takes_in("10.2.0.1")
    assert not reach.takes_in("127.0.0.1")
    assert reach.takes_in("8.8.8.8")


def test_the_operator_may_allow_everything_or_nothing() -> None:
    assert reach_of("1") == Reach(everywhere=True)
    assert reach_of("1").takes_in("169.254.169.254")
    assert reach_of("") == INTERNET


@pytest.mark.parametrize("text", ["yes", "10.0.0.0/33", "1, 10.0.0.0/8", "10.0.0.1/8"])
def test_what_is_no_network_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NetworksMalformed, match="ROLLCALL_DELIVER_PRIVATE"):
        reach_of(text)
