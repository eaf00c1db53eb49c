"""HTTP to hosts that strangers name, without being led around (docs/adr/0030).

Anybody may show us a DID or a handle, and with it a host to ask: the request must not become a way into our own
network. So: no redirect followed, and no connection but to a public unicast address. The address is checked twice, when
the name is resolved and when the socket is made: what was checked is what is connected to, whatever the name says a
moment later. Time, bytes and the number of requests are bounded.
"""

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from labeler.errors import BadInput, Unavailable

TIMEOUT_SECONDS: Final = 3.0  # the reference's, for everything: name, connection, answer
REQUESTS_AT_ONCE: Final = 32
REQUESTS_AT_ONE_HOST: Final = 8
LOOKUP_THREADS: Final = 16  # of our own: names that never resolve must not hold up what else uses threads
HEADERS: Final = {
    "Accept-Encoding": "identity",  # what is not compressed cannot unpack to more than it is
    "User-Agent": "labeler",
}

_WELL_KNOWN_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NO_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class NotPublicError(OSError):
    """A name leads to an address that is nobody's business but its owner's."""


class NoSuchHostError(Unavailable):
    """The resolver says there is no such host, which for a name of somebody else may yet change."""


def strangers(
    accept: str,
    is_local: Callable[[str], bool],
    names: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """Open a session that connects to public addresses alone, and for names that are `is_local` to loopback alone.

    `names` resolves host names, the system if None; `tls` says whose certificates count, the system's if None.
    """
    connector = aiohttp.TCPConnector(
        resolver=PublicNames(names or ThreadedNames(), is_local=is_local),
        socket_factory=functools.partial(public_socket, allow_local=is_local("localhost")),
        use_dns_cache=False,
        limit=REQUESTS_AT_ONCE,
        limit_per_host=REQUESTS_AT_ONE_HOST,
        force_close=True,
        ssl=tls or True,
    )
    return session(connector, {"Accept": accept})


def session(connector: aiohttp.TCPConnector, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """Open a session over `connector` that keeps nothing, unpacks nothing and knows no proxy."""
    return aiohttp.ClientSession(
        connector=connector,
        headers={**HEADERS, **headers},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would connect for us, unchecked
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )


async def fetch(client: aiohttp.ClientSession, url: str, turns: asyncio.Semaphore, *, of: str, max_bytes: int) -> bytes:
    """Get at most `max_bytes` of what is published for `of`, within three seconds from asking for a turn on.

    Raises `BadInput` for an answer that is none, `Unavailable` for one that may change, `NoSuchHostError` among these.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), turns:
            return await _get(client, url, max_bytes)
    except TimeoutError:
        raise Unavailable(f"{of} did not answer within {TIMEOUT_SECONDS:.0f} s") from None
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, NotPublicError):
            raise BadInput(f"{of} does not lead to a public address") from None
        if isinstance(error.os_error, socket.gaierror) and error.os_error.errno in _NO_NAME:
            raise NoSuchHostError(f"{of} has no host of its name") from error
        raise Unavailable(f"{of} cannot be looked up") from error
    except aiohttp.InvalidURL as error:  # a numeric host in a form only some systems understand
        raise BadInput(f"{of} names no host") from error
    except aiohttp.ClientError as error:
        raise Unavailable(f"{of} cannot be fetched: {type(error).__name__}") from error
    except BadInput as error:
        raise BadInput(f"{of}: {error.message}") from None


async def _get(client: aiohttp.ClientSession, url: str, max_bytes: int) -> bytes:
    async with client.get(url, allow_redirects=False) as answer:
        if answer.status == 429 or answer.status >= 500:
            raise Unavailable(f"the host answered {answer.status}")
        if answer.status != 200:  # a redirect too: what we want lies where we asked for it
            raise BadInput(f"its host answered {answer.status}")
        raw = bytearray()
        async for chunk in answer.content.iter_any():
            raw += chunk
            if len(raw) > max_bytes:
                raise BadInput("its answer is too long")
        return bytes(raw)


class ThreadedNames(AbstractResolver):
    """The system's resolver on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`; raises `OSError` when there is none."""
        ask = functools.partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Let go of the threads; a lookup that still runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class PublicNames(AbstractResolver):
    """A resolver that refuses a name with any address that is not public; what is local may lead to loopback only."""

    def __init__(self, names: AbstractResolver, *, is_local: Callable[[str], bool]) -> None:
        self._names = names
        self._is_local = is_local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raises `NotPublicError` if one of them is not for us to connect to."""
        allowed = is_loopback if self._is_local(host) else is_public
        found = await self._names.resolve(host, port, family)
        if not all(allowed(result["host"]) for result in found):
            raise NotPublicError(f"{host} leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._names.close()


def is_public(address: str) -> bool:
    """Tell whether a textual address is public unicast, also inside every way of writing IPv4 as IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.sixtofour is not None or parsed.teredo is not None or parsed.scope_id is not None:
            return False  # tunnels into an IPv4 network, and links
        embedded = parsed.ipv4_mapped
        if embedded is None and parsed in _WELL_KNOWN_NAT64:
            embedded = ipaddress.IPv4Address(parsed.packed[-4:])
        if embedded is not None:
            return is_public(str(embedded))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def is_loopback(address: str) -> bool:
    """Tell whether a textual address leads back to this machine."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False


def public_socket(address: tuple[Any, ...], *, allow_local: bool) -> socket.socket:
    """Make the socket for one connection; the last look at where it goes."""
    family, kind, proto, _, target = address
    host = str(target[0])
    if not is_public(host) and not (allow_local and is_loopback(host)):
        raise NotPublicError(f"{host} is not a public address")
    made = socket.socket(family, kind, proto)
    made.setblocking(False)
    return made
