"""DID documents over HTTP: did:web at its host, did:plc at the directory (DID spec §Blessed DID Methods).

A did:web names the host we are to ask, and anybody may show us one: it is asked as `public_http` asks strangers, over
https on the standard port, and no address literal is a host.

Exempt is what the operator configured: the directory, our own DID, and `localhost` in a trial.
"""

import asyncio
import re
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver

from labeler.adapters.public_http import REQUESTS_AT_ONCE, fetch, session, strangers
from labeler.atproto.did_document import did_web_url
from labeler.atproto.json_text import parse_json
from labeler.errors import BadInput

MAX_BYTES: Final = 64 * 1024  # a did:plc document comes from at most 7,500 bytes of operation
PLC_DIRECTORY: Final = "https://plc.directory"
LOCALHOST: Final = "localhost"
ACCEPT: Final = "application/did+ld+json,application/json"

_DID_PLC: Final = re.compile(r"did:plc:[a-z2-7]{24}", re.ASCII)


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
        self._strangers = strangers(ACCEPT, lambda host: self._allow_local and host == LOCALHOST, self._names)
        self._configured = session(
            aiohttp.TCPConnector(limit=REQUESTS_AT_ONCE, keepalive_timeout=15.0), {"Accept": ACCEPT}
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._strangers.close()
        await self._configured.close()

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """Fetch the document of `did`; raises `BadInput` or `Unavailable` within three seconds."""
        client, url = self._place(did)
        document = parse_json(await fetch(client, url, self._turns, of=did, max_bytes=MAX_BYTES))
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
