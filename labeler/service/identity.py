"""Who we are, for resolvers and for tools: the did:web document and its neighbours under /.well-known."""

from aiohttp import web

from labeler.atproto.did_document import labeler_document
from labeler.atproto.keys import PublicKey
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
        """Answer the DID document of a did:web; other methods have theirs elsewhere, so 404."""
        if not self._did.startswith("did:web:"):
            return envelope(404, "NotFound", f"{self._did} is not a did:web; resolve it where it is registered.")
        return json_response(labeler_document(self._did, PublicKey.from_did_key(self._key_id), self._endpoint))

    async def ozone_metadata(self, _: web.Request) -> web.StreamResponse:
        """Answer what the Ozone web interface reads to configure itself."""
        return json_response({"did": self._did, "url": self._endpoint, "publicKey": self._key_id})


async def robots(_: web.Request) -> web.StreamResponse:
    """Let crawlers in: everything public here is meant to be read."""
    return web.Response(text="User-agent: *\nAllow: /\n")
