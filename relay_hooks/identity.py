"""Who a labeler is: its label key and its address, from its DID document."""

import asyncio
import ssl
from collections import OrderedDict
from typing import Any, NamedTuple

import httpx
import msgspec

from labeler.atproto.did_document import did_web_url, label_key, labeler_endpoint
from labeler.atproto.keys import PublicKey
from labeler.atproto.syntax import check_did
from labeler.errors import BadInput, Unavailable
from relay_hooks import _clock

PLC_DIRECTORY = "https://plc.directory"
_LARGEST_DOCUMENT = 64 * 1024  # bytes; real ones have about one thousand
_HEADERS = {"Accept": "application/did+ld+json, application/json", "Accept-Encoding": "identity"}


class Identity(NamedTuple):
    """What a DID document says of a labeler: `key` signs its labels, `endpoint` is its origin, no trailing slash."""

    did: str
    key: PublicKey
    endpoint: str


class IdentityResolver:
    """Fetch DID documents of labelers over HTTPS (plain HTTP for did:web:localhost), and remember them for `ttl_s`.

    No redirects are followed, a document may have 64 KiB and `timeout_s` to arrive, `most` identities are kept.
    """

    def __init__(
        self, *, plc_directory: str = PLC_DIRECTORY, ttl_s: float = 3600.0, timeout_s: float = 3.0, most: int = 100
    ) -> None:
        self._plc_directory = plc_directory.rstrip("/")
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._most = most
        self._tls: ssl.SSLContext | None = None
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def resolve(self, did: str, *, fresh: bool = False) -> Identity:
        """Return the identity of a labeler; `fresh` asks again although it is known.

        Raises `BadInput` when the DID or its document cannot be used, `Unavailable` when no document could be had.
        """
        known = self._known.get(did)
        if known is not None and not fresh and _clock.monotonic() - known[0] < self._ttl_s:
            return known[1]
        document = await self._fetch(self._url(did))
        identity = Identity(did, label_key(document, did), labeler_endpoint(document, did))
        self._known[did] = (_clock.monotonic(), identity)
        self._known.move_to_end(did)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return identity

    def _url(self, did: str) -> str:
        if did.startswith("did:web:"):
            return did_web_url(did)
        if did.startswith("did:plc:"):
            return f"{self._plc_directory}/{check_did(did)}"
        raise BadInput("only did:web and did:plc can be resolved")

    async def _fetch(self, url: str) -> dict[str, Any]:
        if self._tls is None:  # reading the certificate store takes tens of milliseconds; mail must not wait for it
            self._tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(verify=self._tls, follow_redirects=False, trust_env=False) as client,
                client.stream("GET", url, headers=_HEADERS) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise Unavailable(f"{url} answered {response.status_code}")
                raw = b""
                async for piece in response.aiter_raw():
                    raw += piece
                    if len(raw) > _LARGEST_DOCUMENT:
                        raise BadInput(f"{url} is too long for a DID document")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise Unavailable(f"{url}: {type(error).__name__} {error}".rstrip()) from error
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise BadInput(f"{url} is not JSON") from error
