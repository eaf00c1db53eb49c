"""What every `DidResolver` does; the dictionary is the reference."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from labeler.adapters.did_http import HttpDids
from labeler.adapters.did_static import StaticDids
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput, Unavailable
from labeler.ports import DidResolver
from labeler.service.did_cache import CachedDids
from labeler.service.observe import Metrics
from tests.did_host import account, did_host

DID = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
OTHER = "did:plc:otheraaaaaaaaaaaaaaaaaaa"
KEY = PrivateKey.from_hex("31" * 32)


class World:
    """A resolver, the documents it finds, and a way to take them away for a while."""

    def __init__(self, dids: DidResolver, documents: dict[str, dict[str, Any]], fail: Callable[[bool], None]) -> None:
        self.dids = dids
        self.documents = documents
        self.fail = fail


@asynccontextmanager
async def static() -> AsyncIterator[World]:
    dids = StaticDids()
    yield World(dids, dids.documents, lambda broken: setattr(dids, "broken", broken))


@asynccontextmanager
async def http() -> AsyncIterator[World]:
    async def unavailable(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    async with did_host() as host, HttpDids(host.url) as dids:
        yield World(dids, host.documents, lambda broken: setattr(host, "misbehave", unavailable if broken else None))


@asynccontextmanager
async def cached() -> AsyncIterator[World]:
    async with static() as world:
        kept = CachedDids(world.dids, Metrics())
        yield World(kept, world.documents, world.fail)
        await kept.close()


@pytest.fixture(params=["memory", "http", "cached"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    kinds = {"memory": static, "http": http, "cached": cached}
    async with kinds[request.param]() as made:
        yield made


@pytest.mark.row(225)
async def test_a_document_comes_as_it_is_published(world: World) -> None:
    world.documents[DID] = account(DID, KEY, unknown={"kept": [1, "two"]})
    assert await world.dids.resolve(DID) == world.documents[DID]


async def test_what_is_done_to_an_answer_stays_with_who_asked(world: World) -> None:
    world.documents[DID] = account(DID, KEY)
    (await world.dids.resolve(DID))["verificationMethod"].clear()
    assert (await world.dids.resolve(DID))["verificationMethod"]


async def test_a_did_without_a_document_is_bad_input(world: World) -> None:
    for _ in range(2):
        with pytest.raises(BadInput):
            await world.dids.resolve(DID)


@pytest.mark.row(225)
async def test_a_document_of_another_did_is_none(world: World) -> None:
    world.documents[DID] = account(OTHER, KEY)
    with pytest.raises(BadInput):
        await world.dids.resolve(DID)


async def test_a_refresh_sees_what_is_published_now(world: World) -> None:
    world.documents[DID] = account(DID, KEY)
    await world.dids.resolve(DID)
    world.documents[DID] = account(DID, KEY, alsoKnownAs=["at://alice.example.com"])
    assert (await world.dids.resolve(DID, refresh=True))["alsoKnownAs"] == ["at://alice.example.com"]


async def test_when_nobody_can_say_it_is_unavailable(world: World) -> None:
    world.documents[DID] = account(DID, KEY)
    world.fail(True)
    for refresh in (False, True):
        with pytest.raises(Unavailable):
            await world.dids.resolve(DID, refresh=refresh)
