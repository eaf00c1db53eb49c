"""Handles over the network: who is asked, in which order, and what a host or a name server could do to us."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import dns.rcode
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from labeler.adapters import handle_http, public_http
from labeler.adapters.did_static import StaticDids
from labeler.adapters.handle_http import HttpHandles
from labeler.errors import BadInput, LabelerError, Unavailable
from tests.did_host import hang
from tests.handle_host import HandleHost, NameServer, certificate, handle_host, name_server

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
BOB = "did:plc:bobaaaaaaaaaaaaaaaaaaaaa"
HANDLE = "alice.test"
PUBLIC = "alice.example.com"


class Names(AbstractResolver):
    """Resolves every name to `address`, or fails with what is put there."""

    def __init__(self) -> None:
        self.address: str | OSError = "127.0.0.1"
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if isinstance(self.address, OSError):
            raise self.address
        return [
            ResolveResult(
                hostname=host,
                host=self.address,
                port=port,
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        return None


class World(NamedTuple):
    """Everything on loopback that a handle is resolved with."""

    server: NameServer
    host: HandleHost
    names: Names
    dids: StaticDids
    client: ssl.SSLContext

    def handles(self, *, allow_local: bool = True, tls: ssl.SSLContext | None = None) -> HttpHandles:
        return HttpHandles(
            self.dids,
            allow_local=allow_local,
            dns=self.server.resolver(),
            names=self.names,
            https_port=self.host.port,
            tls=tls or self.client,
        )

    async def refusal(self, handle: str = HANDLE, *, allow_local: bool = True) -> LabelerError:
        async with asyncio.timeout(10), self.handles(allow_local=allow_local) as handles:
            with pytest.raises(LabelerError) as refused:
                await handles.resolve(handle)
        return refused.value


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server, client = certificate(tmp_path, HANDLE, PUBLIC)
    dids = StaticDids({did: {"id": did, "alsoKnownAs": [f"at://{HANDLE}"]} for did in (ALICE, BOB)})
    async with name_server() as names, handle_host(server) as host:
        yield World(names, host, Names(), dids, client)


async def test_dns_is_asked_first_and_what_it_says_goes(world: World) -> None:
    world.server.name(HANDLE, f"did={ALICE}")
    world.host.claims[HANDLE] = BOB
    async with world.handles() as handles:
        assert await handles.resolve(HANDLE) == ALICE
    assert world.server.asked == [f"_atproto.{HANDLE}"]
    assert world.host.asked == []


async def test_a_record_may_come_in_pieces(world: World) -> None:
    world.server.records[f"_atproto.{HANDLE}"] = [["did=", ALICE[:12], ALICE[12:]]]
    async with world.handles() as handles:
        assert await handles.resolve(HANDLE) == ALICE


async def test_records_that_disagree_are_invalid_and_no_host_is_asked(world: World) -> None:
    world.server.name(HANDLE, f"did={ALICE}", f"did={BOB}")
    world.host.claims[HANDLE] = ALICE
    refused = await world.refusal()
    assert isinstance(refused, BadInput)
    assert (refused.name, refused.message) == ("InvalidHandle", f"{HANDLE}: its DNS records name several DIDs")
    assert world.host.asked == []


@pytest.mark.parametrize("texts", [None, [], ["v=spf1 -all"]])
async def test_where_dns_names_nobody_the_host_is_asked(world: World, texts: list[str] | None) -> None:
    if texts is not None:
        world.server.name(HANDLE, *texts)
    world.host.claims[HANDLE] = f"\n{ALICE} \n"
    async with world.handles() as handles:
        assert await handles.resolve(HANDLE) == ALICE
    ((path, headers),) = world.host.asked
    assert path == "/.well-known/atproto-did"
    assert (headers["Accept"], headers["Accept-Encoding"]) == ("text/plain", "identity")


async def test_where_name_servers_fail_the_host_may_still_say(world: World) -> None:
    world.server.rcode = dns.rcode.SERVFAIL
    world.host.claims[HANDLE] = ALICE
    async with world.handles() as handles:
        assert await handles.resolve(HANDLE) == ALICE
    world.host.claims.clear()
    assert isinstance(await world.refusal(), Unavailable), "DNS may have a record that nobody could tell us of"


async def test_a_name_server_that_is_silent_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert handle_http.DNS_SECONDS == 3
    monkeypatch.setattr(handle_http, "DNS_SECONDS", 0.2)
    world.server.silent = True
    assert isinstance(await world.refusal(), Unavailable)


async def test_no_host_is_asked_for_what_is_never_looked_up(world: World) -> None:
    for handle in ("alice.local", "alice", "alice.test.", "127.0.0.1"):
        assert isinstance(await world.refusal(handle), BadInput)
    assert isinstance(await world.refusal(HANDLE, allow_local=False), BadInput)
    assert (world.server.asked, world.names.asked, world.host.asked) == ([], [], [])


@pytest.mark.parametrize("allow_local", [False, True])
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1"])
async def test_a_name_with_a_private_address_is_refused(world: World, address: str, allow_local: bool) -> None:
    world.names.address = address
    world.host.claims[PUBLIC] = ALICE
    refused = await world.refusal(PUBLIC, allow_local=allow_local)
    assert isinstance(refused, BadInput)
    assert "does not lead to a public address" in refused.message
    assert world.host.asked == []


async def test_a_name_for_tests_is_this_machine_or_nobody(world: World) -> None:
    world.names.address = "93.184.215.14"
    assert isinstance(await world.refusal(HANDLE), BadInput)


async def test_a_name_that_does_not_exist_is_not_found_and_one_that_nobody_knows_of_is_unavailable(
    world: World,
) -> None:
    world.names.address = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    refused = await world.refusal(PUBLIC)
    assert isinstance(refused, BadInput)
    assert refused.name == "HandleNotFound"
    world.names.address = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert isinstance(await world.refusal(PUBLIC), Unavailable)


async def test_a_certificate_must_be_the_host_s(world: World, tmp_path: Path) -> None:
    world.host.claims[HANDLE] = ALICE
    (tmp_path / "other").mkdir()
    _, somebody = certificate(tmp_path / "other", HANDLE)
    async with world.handles(tls=somebody) as handles:
        with pytest.raises(Unavailable):
            await handles.resolve(HANDLE)
    assert world.host.asked == []


async def test_a_redirect_is_not_followed(world: World) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/private")

    world.host.misbehave = elsewhere
    refused = await world.refusal()
    assert isinstance(refused, BadInput)
    assert "answered 302" in refused.message
    assert len(world.host.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"did:plc:", b" " * 5000 + ALICE.encode()])
async def test_what_is_no_did_is_none(world: World, body: bytes) -> None:
    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    world.host.misbehave = serve
    refused = await world.refusal()
    assert isinstance(refused, BadInput)
    assert refused.name == "HandleNotFound"


async def test_a_slow_host_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_http, "TIMEOUT_SECONDS", 0.2)
    world.host.misbehave = hang
    assert isinstance(await world.refusal(), Unavailable)


async def test_a_name_too_long_for_dns_is_asked_of_its_host(world: World) -> None:
    long = ".".join(["a" * 62] * 3 + ["b" * 55, "test"])
    assert len(f"_atproto.{long}") > 253
    refused = await world.refusal(long)
    assert world.server.asked == []
    assert world.names.asked == [long]
    assert isinstance(refused, Unavailable), "its certificate is of another name"


async def test_the_system_s_name_servers_are_asked_where_none_is_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = world.server.resolver()
    monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: asking)
    world.server.name(HANDLE, f"did={ALICE}")
    async with HttpHandles(world.dids, allow_local=True) as handles:
        assert await handles.resolve(HANDLE) == ALICE
