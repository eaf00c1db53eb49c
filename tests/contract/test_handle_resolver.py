"""What every `HandleResolver` does; the dictionary is the reference."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.rcode
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from labeler.adapters.did_static import StaticDids
from labeler.adapters.handle_http import HttpHandles
from labeler.adapters.handle_static import StaticHandles
from labeler.errors import BadInput, Unavailable
from labeler.ports import HandleResolver
from labeler.service.handle_cache import CachedHandles
from labeler.service.observe import Metrics
from tests.handle_host import certificate, handle_host, name_server

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
BOB = "did:web:bob.test"
HANDLE = "alice.test"


class Loopback(ThreadedResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [{**result, "hostname": host} for result in await super().resolve("127.0.0.1", port)]


class World:
    """A resolver, a way to let a handle name a DID, the documents, and a way to take answers away for a while."""

    def __init__(
        self,
        handles: HandleResolver,
        dids: StaticDids,
        name: Callable[[str, str], None],
        fail: Callable[[bool], None],
    ) -> None:
        self.handles = handles
        self.dids = dids
        self.name = name
        self.fail = fail

    def claim(self, did: str, *names: str) -> None:
        """Let the document of `did` say by which names it goes."""
        self.dids.documents[did] = {"id": did, "alsoKnownAs": list(names)}


@asynccontextmanager
async def static(_: Path) -> AsyncIterator[World]:
    dids = StaticDids()
    handles = StaticHandles(dids)
    yield World(handles, dids, handles.named.__setitem__, lambda broken: setattr(handles, "broken", broken))


@asynccontextmanager
async def network(folder: Path, *, by_dns: bool) -> AsyncIterator[World]:
    async def unavailable(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    server, client = certificate(folder, HANDLE)
    dids = StaticDids()
    async with (
        name_server() as dns_server,
        handle_host(server) as host,
        HttpHandles(
            dids,
            allow_local=True,
            dns=dns_server.resolver(),
            names=Loopback(),
            https_port=host.port,
            tls=client,
        ) as handles,
    ):

        def name(handle: str, did: str) -> None:
            if by_dns:
                dns_server.name(handle, f"did={did}")
            else:
                host.claims[handle] = did

        def fail(broken: bool) -> None:
            dns_server.rcode = dns.rcode.SERVFAIL if broken else None
            host.misbehave = unavailable if broken else None

        yield World(handles, dids, name, fail)


@asynccontextmanager
async def cached(folder: Path) -> AsyncIterator[World]:
    async with static(folder) as world:
        kept = CachedHandles(world.handles, Metrics())
        yield World(kept, world.dids, world.name, world.fail)
        await kept.close()


@pytest.fixture(params=["memory", "dns", "https", "cached"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    match request.param:
        case "memory":
            made = static(tmp_path)
        case "cached":
            made = cached(tmp_path)
        case kind:
            made = network(tmp_path, by_dns=kind == "dns")
    async with made as found:
        yield found


async def refusal(world: World, handle: str = HANDLE) -> BadInput:
    with pytest.raises(BadInput) as refused:
        await world.handles.resolve(handle)
    return refused.value


async def test_a_handle_leads_to_the_did_that_claims_it(world: World) -> None:
    world.name(HANDLE, ALICE)
    world.claim(ALICE, f"at://{HANDLE}")
    assert await world.handles.resolve(HANDLE) == ALICE


async def test_letters_of_any_case_are_the_same_handle(world: World) -> None:
    world.name(HANDLE, ALICE)
    world.claim(ALICE, "at://Alice.Test")
    assert await world.handles.resolve("ALICE.test") == await world.handles.resolve(HANDLE) == ALICE


async def test_another_name_beside_it_does_not_matter(world: World) -> None:
    world.name(HANDLE, BOB)
    world.claim(BOB, "at://bob.test", f"at://{HANDLE}")
    assert await world.handles.resolve(HANDLE) == BOB


async def test_one_that_names_no_did_is_not_found(world: World) -> None:
    for _ in range(2):
        assert (await refusal(world)).name == "HandleNotFound"


@pytest.mark.parametrize("claimed", [[], ["at://bob.test"], ["at://notalice.test"], ["https://alice.test"]])
async def test_one_whose_did_does_not_claim_it_is_invalid_and_says_so(world: World, claimed: list[str]) -> None:
    world.name(HANDLE, ALICE)
    world.claim(ALICE, *claimed)
    refused = await refusal(world)
    assert refused.name == "InvalidHandle"
    assert f"{HANDLE} leads to {ALICE}, which does not claim it" in refused.message


async def test_one_whose_did_has_no_document_is_refused(world: World) -> None:
    world.name(HANDLE, ALICE)
    assert ALICE in (await refusal(world)).message


@pytest.mark.parametrize("handle", ["", "alice", "alice.", "did:plc:alice", "@alice.test", "alice.local", "a.onion"])
async def test_what_is_no_handle_or_never_looked_up_is_invalid(world: World, handle: str) -> None:
    assert (await refusal(world, handle)).name == "InvalidHandle"


async def test_when_nobody_can_say_it_is_unavailable(world: World) -> None:
    world.name(HANDLE, ALICE)
    world.claim(ALICE, f"at://{HANDLE}")
    world.fail(True)
    with pytest.raises(Unavailable):
        await world.handles.resolve(HANDLE)


async def test_a_did_that_cannot_be_resolved_now_is_unavailable(world: World) -> None:
    world.name(HANDLE, ALICE)
    world.dids.broken = True
    with pytest.raises(Unavailable):
        await world.handles.resolve(HANDLE)
