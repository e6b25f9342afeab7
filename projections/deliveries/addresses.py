"""Which addresses may be delivered to: those of the internet, and what the operator adds."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from msgspec import Struct

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
AddressInfo: TypeAlias = tuple[Any, Any, int, str, tuple[Any, ...]]

EVERYTHING = "1"
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
PROTOCOLS = IPv4Network("192.0.0.0/24")  # not every Python knows that it is nobody's
# They carry an IPv4 address to somebody who unpacks it: nobody needs them to be reached.
TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))


class AddressRefused(OSError):
    """Deliveries do not go to that address."""


class NetworksMalformed(ValueError):
    """ROLLCALL_DELIVER_PRIVATE is 1, for all networks, or a list of networks as 10.1.0.0/16."""


class Reach(Struct, frozen=True):
    """How far deliveries go: into the internet, into these networks, or `everywhere`."""

    networks: tuple[Network, ...] = ()
    everywhere: bool = False

    def takes_in(self, text: str) -> bool:
        """Whether a delivery may go to this address."""
        if self.everywhere:
            return True
        address = plain(ip_address(text.partition("%")[0]))
        return is_public(address) or any(
            address.version == network.version and address in network for network in self.networks
        )


INTERNET = Reach()


def plain(address: Address) -> Address:
    """The address that packets go to in the end: an IPv4 address may be dressed up as IPv6."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether it is one machine of the internet: none of this host, of a network behind it, of a
    provider's, and no group of machines."""
    if address.is_multicast or not address.is_global or address.is_reserved:
        return False
    if isinstance(address, IPv6Address):
        return address in GLOBAL_UNICAST and not any(address in tunnel for tunnel in TUNNELS)
    return address not in PROTOCOLS


def reach_of(text: str) -> Reach:
    """What the environment allows besides the internet; nothing, if it says nothing. Raises
    NetworksMalformed."""
    words = [word for word in text.replace(",", " ").split() if word]
    if words == [EVERYTHING]:
        return Reach(everywhere=True)
    try:
        return Reach(networks=tuple(ip_network(word) for word in words))
    except ValueError as error:
        sentence = " ".join((NetworksMalformed.__doc__ or "").split())
        raise NetworksMalformed(f"{sentence} {error}") from None


def socket_within(reach: Reach) -> Callable[[AddressInfo], socket.socket]:
    """What makes the socket of every connection: here at the latest it is known where it goes,
    whatever the name resolved to and whoever redirected there."""

    def open_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not reach.takes_in(str(address[0])):
            raise AddressRefused(f"deliveries do not go to {address[0]}")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    return open_socket
