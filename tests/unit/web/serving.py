"""A site served on loopback, for tests that ask it over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from aiohttp import web

from labeler.service.http import Http


@asynccontextmanager
async def served(http: Http) -> AsyncIterator[httpx.AsyncClient]:
    """Serve `http` on a free port; yield a client that asks it."""
    runner = http.runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout=20) as client:
        yield client
    await runner.cleanup()
