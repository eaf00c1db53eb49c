"""The real service, wired from a configuration file, on a loopback port of its own; and how examples are drawn."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from labeler.adapters.keyfile import new_key, write_new_key
from labeler.settings import Settings, load_settings
from labeler.wiring import run

LIMIT_S = 20.0

# The same examples on every run, so that what one finds all find, and no deadline that a busy machine could miss.
settings.register_profile("repository", derandomize=True, deadline=None)
settings.load_profile("repository")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Running:
    """A labeler that listens."""

    url: str
    did: str
    client: httpx.AsyncClient

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    async def label(self, did: str, *create: str, negate: tuple[str, ...] = ()) -> None:
        """Decide as a moderator."""
        event = {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": list(create),
            "negateLabelVals": list(negate),
        }
        subject = {"$type": "com.atproto.admin.defs#repoRef", "did": did}
        answer = await self.client.post(
            "/xrpc/tools.ozone.moderation.emitEvent",
            json={"event": event, "subject": subject, "createdBy": self.did},
            headers={"Authorization": "Bearer moderator"},
        )
        assert answer.status_code == 200, answer.text

    async def submit(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Hand in telemetry as the relay."""
        answer = await self.client.post(
            "/xrpc/email.atmos.telemetry.submitEvents",
            json={"events": events},
            headers={"Authorization": "Bearer relay"},
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@dataclass
class Installation:
    """A configuration and its data directory, served as often as a test likes."""

    folder: Path
    port: int

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder / "labeler.toml", {})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Running]:
        """Serve until the block ends; whatever ended the service early is raised."""
        configured, stop = self.settings, asyncio.Event()
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        service = asyncio.create_task(run(configured, ready=url.set_result, stop=stop))
        both: set[asyncio.Future[Any]] = {service, url}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT_S)
        if not url.done():
            await service
        try:
            async with httpx.AsyncClient(base_url=await url, timeout=LIMIT_S) as client:
                yield Running(await url, configured.service.did, client)
        finally:
            stop.set()
            await asyncio.wait_for(service, LIMIT_S)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    port = free_port()
    write_new_key(tmp_path / "signing.key", new_key())
    (tmp_path / "policy.toml").write_text(Path("labeler/policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "labeler.toml").write_text(
        f"""
        [service]
        hostname = "localhost:{port}"
        listen = "127.0.0.1:{port}"

        [[relays]]
        did = "did:web:smtp.example.com"
        token_sha256 = "{hashlib.sha256(b"relay").hexdigest()}"

        [[operators]]
        did = "did:plc:moderator"
        role = "moderator"
        token_sha256 = "{hashlib.sha256(b"moderator").hexdigest()}"
        """
    )
    return Installation(tmp_path, port)
