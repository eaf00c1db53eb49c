"""The real service with operators of every role, and operators who use its console without a browser."""

import hashlib
import html
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from labeler.atproto.keys import PrivateKey
from tests.did_host import DidHost, account, did_host

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

ALICE = "did:plc:alice"
REMOTE = "did:plc:remoteeeeeeeeeeeeeeeeeee"  # an operator without a token here, known by the key of the account
STRANGER = "did:plc:strangerrrrrrrrrrrrrrrrr"
KEY = PrivateKey.from_hex("42" * 32)
LOGIN, AGENT = "/console/login", {"Accept": "text/html"}


@dataclass
class Seat:
    """One operator before the console."""

    client: httpx.AsyncClient

    async def log_in(self, token: str, **fields: str) -> httpx.Response:
        return await self.client.post(LOGIN, data={"token": token} | fields)

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', await self.see("/console"))
        assert found is not None
        return found[1]

    async def send(self, path: str, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Send a form as one of our pages does, unless a field says otherwise."""
        token = fields.pop("csrf", None) or await self.csrf()
        return await self.client.post(path, data={"csrf": token} | fields, headers=headers)


class Office(NamedTuple):
    """The service, the host of documents, and a way to take a seat."""

    running: "Running"
    dids: DidHost
    sit: Callable[..., Any]


@pytest.fixture
async def office(installation: "Installation") -> AsyncIterator[Office]:
    seats: list[httpx.AsyncClient] = []
    async with did_host() as dids:
        for did in (REMOTE, STRANGER):
            dids.documents[did] = account(did, KEY)
        roles = {"admin": "admin", "other-admin": "admin", "triage": "triage"}
        with (installation.folder / "labeler.toml").open("a") as file:
            for name, role in roles.items():
                digest = hashlib.sha256(name.encode()).hexdigest()
                file.write(f'\n[[operators]]\ndid = "did:plc:{name}"\nrole = "{role}"\ntoken_sha256 = "{digest}"\n')
            file.write(f'\n[[operators]]\ndid = "{REMOTE}"\nrole = "triage"\n')
            file.write(f'\n[identity]\nplc_directory = "{dids.url}"\n')
        async with installation.serving() as running:

            async def sit(token: str | None = None) -> Seat:
                client = httpx.AsyncClient(base_url=running.url, headers=AGENT, timeout=20)
                seats.append(client)
                seat = Seat(client)
                if token is not None:
                    assert (await seat.log_in(token)).status_code == 303
                return seat

            yield Office(running, dids, sit)
            for client in seats:
                await client.aclose()


def sent(number: int, **fields: Any) -> dict[str, Any]:
    """A message of ALICE, taken in just now."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"id": f"event-{number}", "kind": "accepted", "did": ALICE, "at": at} | fields


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))
