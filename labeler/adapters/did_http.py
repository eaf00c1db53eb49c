"""DID documents over HTTP: did:web at its host, did:plc at the directory (DID spec §Blessed DID Methods).

A did:web names the host we are to ask, and anybody may show us one: the request must not become a way into our own
network. So: https on the standard port, no redirect followed, no address literal, and no connection but to a public
unicast address. The address is checked twice, when the name is resolved and when the socket is made: what was checked
is what is connected to, whatever the name says a moment later. Time, bytes and the number of requests are bounded.

Exempt is what the operator configured: the directory, our own DID, and `localhost` in a trial.
"""

import asyncio
import contextlib
import functools
import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from labeler.atproto.did_document import did_web_url
from labeler.atproto.json_text import parse_json
from labeler.errors import BadInput, Unavailable

MAX_BYTES: Final = 64 * 1024  # a did:plc document comes from at most 7,500 bytes of operation
TIMEOUT_SECONDS: Final = 3.0  # the reference's, for everything: name, connection, answer
REQUESTS_AT_ONCE: Final = 32
REQUESTS_AT_ONE_HOST: Final = 8
LOOKUP_THREADS: Final = 16  # of our own: names that never resolve must not hold up what else uses threads
PLC_DIRECTORY: Final = "https://plc.directory"
LOCALHOST: Final = "localhost"
HEADERS: Final = {
    "Accept": "application/did+ld+json,application/json",
    "Accept-Encoding": "identity",  # what is not compressed cannot unpack to more than it is
    "User-Agent": "labeler",
}

_DID_PLC: Final = re.compile(r"did:plc:[a-z2-7]{24}", re.ASCII)
_WELL_KNOWN_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class NotPublicError(OSError):
    """A name leads to an address that is nobody's business but its owner's."""


class HttpDids:
    """`DidResolver` over the network, without a memory: every call is a request. `async with` opens and closes it.

    `own` is our own DID, fetched wherever it leads. `names` resolves host names, the system if None.
    """

    def __init__(
        self,
        plc_directory: str = PLC_DIRECTORY,
        *,
        own: str | None = None,
        allow_local: bool = False,
        names: AbstractResolver | None = None,
    ) -> None:
        self._plc_directory = plc_directory.rstrip("/")
        self._own = own
        self._allow_local = allow_local
        self._names = names
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def __aenter__(self) -> Self:
        names = self._names or ThreadedNames()
        self._strangers = _session(
            aiohttp.TCPConnector(
                resolver=PublicNames(names, allow_local=self._allow_local),
                socket_factory=functools.partial(_public_socket, allow_local=self._allow_local),
                use_dns_cache=False,
                limit=REQUESTS_AT_ONCE,
                limit_per_host=REQUESTS_AT_ONE_HOST,
                force_close=True,
            )
        )
        self._configured = _session(aiohttp.TCPConnector(limit=REQUESTS_AT_ONCE, keepalive_timeout=15.0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._strangers.close()
        await self._configured.close()

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """Fetch the document of `did`; raises `BadInput` or `Unavailable` within three seconds."""
        session, url = self._place(did)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._turns:
                raw = await _fetch(session, url)
        except TimeoutError:
            raise Unavailable(f"{did} did not answer within {TIMEOUT_SECONDS:.0f} s") from None
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, NotPublicError):
                raise BadInput(f"{did} does not lead to a public address") from None
            raise Unavailable(f"{did} cannot be looked up") from error
        except aiohttp.InvalidURL as error:  # a numeric host in a form only some systems understand
            raise BadInput(f"{did} names no host") from error
        except aiohttp.ClientError as error:
            raise Unavailable(f"{did} cannot be fetched: {type(error).__name__}") from error
        except BadInput as error:
            raise BadInput(f"{did}: {error.message}") from None
        document = parse_json(raw)
        if not isinstance(document, dict) or document.get("id") != did:
            raise BadInput(f"what is published for {did} is not its DID document")
        return document

    def _place(self, did: str) -> tuple[aiohttp.ClientSession, str]:
        """Where the document lies, and whom to ask with; raises `BadInput` for what we do not ask."""
        if _DID_PLC.fullmatch(did):
            return self._configured, f"{self._plc_directory}/{did}"
        if not did.startswith("did:web:"):
            raise BadInput("only did:plc and did:web can be resolved here")
        url = did_web_url(did)
        if did == self._own:
            return self._configured, url
        if url.startswith("http:") and not self._allow_local:
            raise BadInput("did:web:localhost is for trials only")
        return self._strangers, url


class ThreadedNames(AbstractResolver):
    """The system's resolver on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="did-names")

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
    """A resolver that refuses a name with any address that is not public; `localhost` is that in a trial."""

    def __init__(self, names: AbstractResolver, *, allow_local: bool) -> None:
        self._names = names
        self._allow_local = allow_local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raises `NotPublicError` if one of them is not for us to connect to."""
        allowed = is_loopback if self._allow_local and host == LOCALHOST else is_public
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


def _public_socket(address: tuple[Any, ...], *, allow_local: bool) -> socket.socket:
    """Make the socket for one connection; the last look at where it goes."""
    family, kind, proto, _, target = address
    host = str(target[0])
    if not is_public(host) and not (allow_local and is_loopback(host)):
        raise NotPublicError(f"{host} is not a public address")
    made = socket.socket(family, kind, proto)
    made.setblocking(False)
    return made


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers=HEADERS,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would connect for us, unchecked
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    """Get at most `MAX_BYTES`; raises `BadInput` for an answer that is none, `Unavailable` for one that may change."""
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status == 429 or answer.status >= 500:
            raise Unavailable(f"the host of the DID document answered {answer.status}")
        if answer.status != 200:  # a redirect too: the document lies where the DID says
            raise BadInput(f"its host answered {answer.status}")
        raw = bytearray()
        async for chunk in answer.content.iter_any():
            raw += chunk
            if len(raw) > MAX_BYTES:
                raise BadInput("its DID document is too long")
        return bytes(raw)
