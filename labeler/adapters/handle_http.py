"""Handles at their own domain: a TXT record in DNS, else a file over https (handle spec §Handle Resolution).

DNS is asked first and what it says goes; the host is asked only where DNS names no DID. A handle names the host we are
to ask, and anybody may show us one: it is asked as `public_http` asks strangers. Names under `.test` lead to this
machine, in a trial only.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, Self

from aiohttp.abc import AbstractResolver

from labeler.adapters.public_http import REQUESTS_AT_ONCE, NoSuchHostError, fetch, strangers
from labeler.atproto.handle import (
    MAX_BODY_BYTES,
    NO_HANDLE,
    TRIAL_TLD,
    TXT_LABEL,
    WELL_KNOWN,
    check_claimed,
    did_of_body,
    did_of_records,
    normal_handle,
)
from labeler.errors import BadInput, Unavailable
from labeler.ports import DidResolver

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

DNS_SECONDS: Final = 3.0  # for all name servers and all tries
ACCEPT: Final = "text/plain"


class HttpHandles:
    """`HandleResolver` over the network, without a memory. `async with` opens and closes it.

    `dids` finds the documents that must claim the handle. `dns` asks for TXT records, as the system is configured if
    None; `names`, `https_port` and `tls` say how hosts are reached.
    """

    def __init__(
        self,
        dids: DidResolver,
        *,
        allow_local: bool = False,
        dns: "Resolver | None" = None,
        names: AbstractResolver | None = None,
        https_port: int = 443,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._dids = dids
        self._allow_local = allow_local
        self._dns = dns
        self._names = names
        self._port = https_port
        self._tls = tls
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._strangers = strangers(ACCEPT, self._is_local, self._names, self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._strangers.close()

    async def resolve(self, handle: str) -> str:
        """Ask DNS, perhaps the host, and then for the DID document; three seconds each at most."""
        name = normal_handle(handle, trial=self._allow_local)
        did = await self._named(name)
        check_claimed(await self._dids.resolve(did), name)
        return did

    async def _named(self, handle: str) -> str:
        """The DID the handle names, whether that knows of it or not."""
        silent: Unavailable | None = None
        try:
            did = did_of_records(await self._records(handle))
        except Unavailable as error:
            did, silent = None, error
        except BadInput as error:
            raise BadInput(f"{handle}: {error.message}", name=error.name) from None
        if did is not None:
            return did
        try:
            url = f"https://{handle}:{self._port}{WELL_KNOWN}"
            did = did_of_body(await fetch(self._strangers, url, self._turns, of=handle, max_bytes=MAX_BODY_BYTES))
            why = f"{handle} serves something else"
        except (BadInput, NoSuchHostError) as error:
            why = str(error)
        if did is not None:
            return did
        if silent is not None:
            raise silent
        raise BadInput(f"{handle} names no DID: DNS has no record of it, and {why}", name=NO_HANDLE)

    async def _records(self, handle: str) -> list[str]:
        """The TXT records at `_atproto.<handle>`; raises `Unavailable` when no name server could say."""
        from dns.asyncresolver import Resolver  # noqa: PLC0415 - a whole DNS library, for who resolves a handle
        from dns.exception import DNSException  # noqa: PLC0415
        from dns.name import LabelTooLong, NameTooLong  # noqa: PLC0415
        from dns.resolver import NXDOMAIN, NoAnswer  # noqa: PLC0415

        try:
            if self._dns is None:
                self._dns = Resolver()
            answer = await self._dns.resolve(f"{TXT_LABEL}.{handle}.", "TXT", lifetime=DNS_SECONDS, search=False)
        except (NXDOMAIN, NoAnswer, NameTooLong, LabelTooLong):
            return []
        except (DNSException, OSError) as error:
            raise Unavailable(f"{handle} cannot be looked up in DNS: {type(error).__name__}") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]

    def _is_local(self, host: str) -> bool:
        return self._allow_local and (host == "localhost" or host.endswith(TRIAL_TLD))
