"""A host of DID documents and a PLC directory on loopback, which can misbehave as real hosts do."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from labeler.atproto.keys import PrivateKey
from tests import tokens

WELL_KNOWN = "/.well-known/did.json"


class DidHost:
    """Serves `documents` at `/<did>` as a PLC directory does, and the one of `did` at its well-known place.

    `misbehave` answers instead of us while it is set. `asked` are the requests that came in, as (path, headers).
    """

    def __init__(self) -> None:
        self.port = 0
        self.documents: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.misbehave: Any = None
        self.open = self.most = 0  # requests being answered, now and at most

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def did(self) -> str:
        return f"did:web:localhost%3A{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers)))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            if self.misbehave is not None:
                answer: web.StreamResponse = await self.misbehave(request)
                return answer
            did = self.did if request.path == WELL_KNOWN else request.path.removeprefix("/")
            if did not in self.documents:
                return web.json_response({"message": f"DID not registered: {did}"}, status=404)
            return web.json_response(self.documents[did], content_type="application/did+ld+json")
        finally:
            self.open -= 1


@asynccontextmanager
async def did_host() -> AsyncIterator[DidHost]:
    """Serve on a free port of loopback until the block ends."""
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    host = DidHost()
    application.router.add_route("*", "/{path:.*}", host.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.port = runner.addresses[0][1]
    try:
        yield host
    finally:
        await runner.cleanup()


def account(did: str, key: PrivateKey, **more: Any) -> dict[str, Any]:
    """Return the DID document of an account with `key` at #atproto."""
    method = {
        "id": f"{did}#atproto",
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": key.public_key.multikey,
    }
    return {"id": did, "alsoKnownAs": [], "verificationMethod": [method], "service": []} | more


def token(key: PrivateKey, *, now: datetime | None = None, header: object = None, **claims: Any) -> str:
    """Make a service-auth token: `iss`, `aud` and `lxm` among the claims, the rest as a client fills it in."""
    at = int((now or datetime.now(UTC)).timestamp())
    return tokens.token(header, claims={"iat": at, "exp": at + 60, "jti": secrets.token_hex(16)} | claims, key=key)


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError
