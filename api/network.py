"""Where a call comes from, as far as it can be told."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network

from starlette.requests import Request

UNKNOWN = "unknown"
PROXIES_MAX = 16
FORWARDED_HEADER = b"x-forwarded-for"
ADDRESSES_REMEMBERED = 4_096  # most calls come from an address that called a moment ago
IPV6_PREFIX_BITS = 64  # what anybody has at least: one address of it says nothing


class ProxiesMalformed(ValueError):
    """The number of proxies is a number from 0 to 16."""


def proxies_wanted(text: str) -> int:
    """How many proxies of our own there are, as the environment says it; none if it says nothing.
    Raises ProxiesMalformed."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or int(text) > PROXIES_MAX:
        raise ProxiesMalformed(ProxiesMalformed.__doc__)
    return int(text)


def caller_address(peer: str, forwarded: Sequence[str], proxies: int) -> str:
    """The address of who calls through that many proxies of our own, each of which added the
    address that it was called from to the end of `forwarded`. What stands further left was written
    by the caller, and may be anything.
    """
    if not proxies or len(forwarded) < proxies:
        return plain(peer) or UNKNOWN
    return plain(forwarded[-proxies]) or plain(peer) or UNKNOWN


@lru_cache(ADDRESSES_REMEMBERED)
def plain(text: str) -> str:
    """An IP address as it is usually spelled, without a port; empty if it is none."""
    text = text.strip()
    if "." in text and text.count(":") <= 1:
        try:
            return str(IPv4Address(text.partition(":")[0]))
        except AddressValueError:
            return ""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    try:
        address = IPv6Address(text.partition("%")[0])
    except AddressValueError:
        return ""
    return str(address.ipv4_mapped or address)


def network_in(request: Request) -> str:
    """What a call is counted as coming from."""
    return network_of(request.client.host) if request.client else UNKNOWN


@lru_cache(ADDRESSES_REMEMBERED)
def network_of(address: str) -> str:
    """What is counted as one caller: an IPv4 address, or a network of IPv6."""
    if ":" not in address:
        return address
    return str(IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
