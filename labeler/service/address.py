"""Where a request comes from: the peer's address, or what a trusted proxy says it is."""

import contextlib
import ipaddress
from collections.abc import Iterable
from typing import Final

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOUSEHOLD_BITS: Final = 64  # of an IPv6 address: whoever has one has them all (RFC 6177 §2)


def client_address(request: web.Request, proxies: Iterable[Network]) -> str:
    """Name the client's address: the peer's, or what a trusted proxy says it is ("" when nobody can tell).

    X-Forwarded-For is read from the right, because only its tail was written by proxies we trust. Of an IPv6 address
    the first 64 bits count.
    """
    proxies = tuple(proxies)
    chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    address = request.remote or ""
    while chain and _within(address, proxies):
        address = chain.pop()
    with contextlib.suppress(ValueError):
        return _counted(ipaddress.ip_address(address))
    return ""


def _counted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), HOUSEHOLD_BITS), strict=False).network_address)


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
