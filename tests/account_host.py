"""An account host on loopback, as far as service proxying goes: it speaks for its accounts to the service they name.

XRPC specification, "Service Proxying": the header `atproto-proxy` names a DID and a service in its document; the host
makes a service-auth token for the account, the service and the method, and passes answer and error back.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from labeler.atproto.keys import PrivateKey
from tests.did_host import token

PASSED_BACK = ("Content-Type", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining")


class AccountHost:
    """`accounts`: session → DID and key. `services`: DID → endpoint. `bare`: name the service by its DID alone."""

    def __init__(self, accounts: Mapping[str, tuple[str, PrivateKey]], services: Mapping[str, str]) -> None:
        self.accounts = accounts
        self.services = services
        self.bare = False
        self.port = 0
        self.tokens: list[str] = []  # as they were made

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def answer(self, request: web.Request) -> web.Response:
        nsid = request.path.removeprefix("/xrpc/")
        did, key = self.accounts[request.headers["Authorization"].removeprefix("Bearer ")]
        service = request.headers["atproto-proxy"]
        bare = service.partition("#")[0]
        made = token(key, iss=did, aud=bare if self.bare else service, lxm=nsid)
        self.tokens.append(made)
        headers = {"Authorization": f"Bearer {made}", "Content-Type": request.headers["Content-Type"]}
        async with aiohttp.ClientSession() as session:
            url = f"{self.services[bare]}/xrpc/{nsid}"
            async with session.request(request.method, url, data=await request.read(), headers=headers) as answer:
                back = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=back)


@asynccontextmanager
async def account_host(
    accounts: Mapping[str, tuple[str, PrivateKey]], services: Mapping[str, str]
) -> AsyncIterator[AccountHost]:
    """Serve on a free port of loopback until the block ends."""
    application = web.Application(client_max_size=64 * 1024 * 1024)
    host = AccountHost(accounts, services)
    application.router.add_post("/xrpc/{nsid}", host.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.port = runner.addresses[0][1]
    try:
        yield host
    finally:
        await runner.cleanup()
