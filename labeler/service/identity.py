"""Who we are, for resolvers and for tools: the did:web document and its neighbours under /.well-known."""

from aiohttp import web

from labeler.atproto.did_document import did_web_url, labeler_document
from labeler.atproto.keys import PublicKey
from labeler.errors import BadInput
from labeler.service.http import Plain, envelope, json_response


class Identity:
    """The pages that say who this labeler is. `endpoint` is our public origin, without a trailing slash."""

    def __init__(self, did: str, key_id: str, endpoint: str) -> None:
        self._did = did
        self._key_id = key_id
        self._endpoint = endpoint

    def pages(self) -> dict[str, Plain]:
        """Path → handler."""
        return {
            "/.well-known/did.json": self.did_document,
            "/.well-known/ozone-metadata.json": self.ozone_metadata,
            "/robots.txt": robots,
        }

    async def did_document(self, _: web.Request) -> web.StreamResponse:
        """Answer the DID document of the did:web of our host name; any other lies elsewhere, so 404.

        The configuration decides, never the Host header: that is the client's to choose.
        """
        if not self._is_here():
            return envelope(404, "NotFound", f"The document of {self._did} does not lie here.")
        return json_response(labeler_document(self._did, PublicKey.from_did_key(self._key_id), self._endpoint))

    def _is_here(self) -> bool:
        try:
            return did_web_url(self._did).lower() == f"{self._endpoint}/.well-known/did.json".lower()
        except BadInput:  # no did:web
            return False

    async def ozone_metadata(self, _: web.Request) -> web.StreamResponse:
        """Answer what the Ozone web interface reads to configure itself."""
        return json_response({"did": self._did, "url": self._endpoint, "publicKey": self._key_id})


async def robots(_: web.Request) -> web.StreamResponse:
    """Let crawlers in: everything public here is meant to be read."""
    return web.Response(text="User-agent: *\nAllow: /\n")
