"""DID documents over HTTP: what is asked, and everything a host could do to us with its answer or its name."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from labeler.adapters import public_http
from labeler.adapters.did_http import HttpDids
from labeler.adapters.public_http import NotPublicError, PublicNames, ThreadedNames, is_loopback, is_public
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput, LabelerError, Unavailable
from tests.did_host import DidHost, account, did_host, hang

KEY = PrivateKey.from_hex("32" * 32)
PLC = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
WEB = "did:web:alice.example.com"


class Names(AbstractResolver):
    """Resolves every name to the addresses given; `asked` are the names."""

    def __init__(self, *addresses: str, then: str | None = None) -> None:
        self.addresses = list(addresses)
        self.then = then
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]
        if self.then is not None:
            self.addresses = [self.then]
        return found

    async def close(self) -> None:
        return None


@pytest.fixture
async def host() -> AsyncIterator[DidHost]:
    async with did_host() as serving:
        serving.documents = {PLC: account(PLC, KEY), serving.did: account(serving.did, KEY)}
        yield serving


@pytest.fixture
async def dids(host: DidHost) -> AsyncIterator[HttpDids]:
    async with HttpDids(host.url, allow_local=True) as open_dids:
        yield open_dids


async def refusal(dids: HttpDids, did: str) -> LabelerError:
    async with asyncio.timeout(10):
        with pytest.raises(LabelerError) as refused:
            await dids.resolve(did)
    return refused.value


@pytest.mark.row(207, 226)
async def test_each_method_is_asked_where_it_lies(host: DidHost, dids: HttpDids) -> None:
    assert await dids.resolve(PLC) == host.documents[PLC]
    assert await dids.resolve(host.did) == host.documents[host.did]
    assert [path for path, _ in host.asked] == [f"/{PLC}", "/.well-known/did.json"]


@pytest.mark.row(228)
async def test_the_request_says_what_it_takes(host: DidHost, dids: HttpDids) -> None:
    await dids.resolve(host.did)
    ((_, headers),) = host.asked
    assert headers["Accept"] == "application/did+ld+json,application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


@pytest.mark.row(212, 226)
@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1",
        "did:web:localhost",
        "did:web:localhost%3A8080",
        "did:web:%5B%3A%3A1%5D",
        "did:web:2130706433",
        "did:web:0x7f.1",
        "did:web:169.254.169.254",
        "did:web:alice.example.com%3A8443",
        "did:web:alice.example.com:users:alice",
        "did:web:alice.internal",
        "did:web:printer.local",
        "did:web:alice@example.com",
        "did:plc:short",
        "did:plc:ALICEAAAAAAAAAAAAAAAAAAA",
        "did:plc:aliceaaaaaaaaaaaaaaaaaa1",
        "did:key:zQ3shpdPXW42CvvbV7JhXRczhxrUT8bnEsjJsmFbgVngPKd4m",
        "did:example:alice",
        "did:plc:../metrics",
    ],
)
async def test_what_is_not_asked(host: DidHost, did: str) -> None:
    names = Names("127.0.0.1")
    async with HttpDids(host.url, names=names) as strict:
        assert isinstance(await refusal(strict, did), BadInput)
    assert (host.asked, names.asked) == ([], [])


@pytest.mark.row(212)
@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("172.16.0.1",),
        ("192.168.1.1",),
        ("169.254.169.254",),
        ("100.64.0.1",),
        ("0.0.0.0",),
        ("224.0.0.1",),
        ("255.255.255.255",),
        ("::1",),
        ("::",),
        ("fe80::1",),
        ("fd00::1",),
        ("fec0::1",),
        ("ff02::1",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
        ("2002:a00:1::1",),
        ("2001:0:a00:1::1",),
        ("192.0.2.1",),
        ("93.184.215.14", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("allow_local", [False, True])
async def test_a_name_with_any_private_address_is_refused(addresses: tuple[str, ...], allow_local: bool) -> None:
    async with HttpDids(names=Names(*addresses), allow_local=allow_local) as strict:
        refused = await refusal(strict, WEB)
    assert isinstance(refused, BadInput)
    assert refused.message == f"{WEB} does not lead to a public address"


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:220:1::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
@pytest.mark.row(212)
def test_public_addresses(address: str) -> None:
    assert is_public(address)
    assert not is_loopback(address)


@pytest.mark.parametrize("address", ["", "localhost", "fe80::1%eth0", "1.2.3"])
@pytest.mark.row(212)
def test_what_is_no_public_address_to_connect_to(address: str) -> None:
    assert not is_public(address)
    assert not is_loopback(address)


@pytest.mark.row(212)
async def test_the_address_checked_is_the_address_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with another address a moment later (DNS rebinding) is not asked a second time."""
    connected: list[str] = []

    def record(address: tuple[Any, ...], *, allow_local: bool) -> socket.socket:
        connected.append(address[4][0])
        raise OSError("no network in a test")

    monkeypatch.setattr(public_http, "public_socket", record)
    names = Names("93.184.215.14", then="127.0.0.1")
    async with HttpDids(names=names) as strict:
        assert isinstance(await refusal(strict, WEB), Unavailable)
    assert (names.asked, connected) == (["alice.example.com"], ["93.184.215.14"])


@pytest.mark.row(212)
def test_the_socket_itself_is_made_for_public_addresses_only() -> None:
    def connect(host: str, allow_local: bool) -> socket.socket:
        return public_http.public_socket(
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)), allow_local=allow_local
        )

    for host, allow_local in (("10.0.0.1", True), ("127.0.0.1", False)):
        with pytest.raises(NotPublicError):
            connect(host, allow_local)
    for host, allow_local in (("93.184.215.14", False), ("127.0.0.1", True)):
        with connect(host, allow_local) as made:
            assert made.gettimeout() == 0


async def test_localhost_is_this_machine_or_nobody() -> None:
    def trial(host: str) -> bool:
        return host == "localhost"

    with pytest.raises(NotPublicError):
        await PublicNames(Names("93.184.215.14"), is_local=trial).resolve("localhost")
    assert await PublicNames(Names("127.0.0.1", "::1"), is_local=trial).resolve("localhost")
    with pytest.raises(NotPublicError):
        await PublicNames(Names("127.0.0.1"), is_local=lambda _: False).resolve("localhost")


async def test_our_own_document_is_fetched_wherever_it_lies(host: DidHost) -> None:
    async with HttpDids(own=host.did) as strict:
        assert await strict.resolve(host.did) == host.documents[host.did]
        assert isinstance(await refusal(strict, f"did:web:localhost%3A{host.port + 1}"), BadInput)


def redirect(to: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(to)

    return answer


@pytest.mark.row(211, 212, 228)
@pytest.mark.parametrize("did", [PLC, "web"])
async def test_a_redirect_is_not_followed(host: DidHost, dids: HttpDids, did: str) -> None:
    host.misbehave = redirect(f"{host.url}/private")
    assert isinstance(await refusal(dids, host.did if did == "web" else did), BadInput)
    assert len(host.asked) == 1


def status(code: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(account(PLC, KEY), status=code)

    return answer


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, BadInput), (410, BadInput), (204, BadInput), (403, BadInput), (429, Unavailable), (500, Unavailable)],
)
async def test_by_its_status_an_answer_is_final_or_worth_another_try(
    host: DidHost, dids: HttpDids, code: int, kind: type[LabelerError]
) -> None:
    host.misbehave = status(code)
    assert type(await refusal(dids, PLC)) is kind


def body(raw: bytes, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'"did"',
        b"\xff",
        b'{"id":"did:plc:otheraaaaaaaaaaaaaaaaaaa"}',
        b'{"id":"did:plc:aliceaaaaaaaaaaaaaaaaaaa","id":"did:plc:otheraaaaaaaaaaaaaaaaaaa"}',
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
)
async def test_what_is_no_did_document_is_refused(host: DidHost, dids: HttpDids, raw: bytes) -> None:
    host.misbehave = body(raw)
    assert isinstance(await refusal(dids, PLC), BadInput)


async def test_what_is_packed_is_not_unpacked(host: DidHost, dids: HttpDids) -> None:
    host.misbehave = body(b"\x1f\x8b" + b"\0" * 100, Content_Encoding="gzip")
    assert isinstance(await refusal(dids, PLC), BadInput)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_document_is_left_alone(host: DidHost, dids: HttpDids, chunked: bool) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        if not chunked:
            answer.content_length = 1 << 30
        await answer.prepare(request)
        while True:
            await answer.write(b" " * 65536)
            sent += 65536

    host.misbehave = endless
    refused = await refusal(dids, host.did)
    assert isinstance(refused, BadInput)
    assert "too long" in refused.message
    assert sent < 32 * 1024 * 1024, "what the sockets buffer, and no more"


@pytest.mark.row(211)
@pytest.mark.parametrize("late", ["head", "body", "drip"])
async def test_a_slow_host_has_three_seconds_for_everything(
    host: DidHost, dids: HttpDids, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    assert public_http.TIMEOUT_SECONDS == 3
    monkeypatch.setattr(public_http, "TIMEOUT_SECONDS", 0.3)

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while late == "drip":
            await answer.write(b" ")
            await asyncio.sleep(0.02)
        return await hang(request)

    host.misbehave = hang if late == "head" else slow
    began = asyncio.get_running_loop().time()
    assert isinstance(await refusal(dids, host.did), Unavailable)
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_name_that_never_resolves_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            await asyncio.Event().wait()
            return []

    monkeypatch.setattr(public_http, "TIMEOUT_SECONDS", 0.1)
    async with HttpDids(names=Stuck()) as strict:
        assert isinstance(await refusal(strict, WEB), Unavailable)


async def test_a_name_that_does_not_exist_is_unavailable() -> None:
    class Nobody(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            raise OSError("Name or service not known")

    async with HttpDids(names=Nobody()) as strict:
        assert isinstance(await refusal(strict, WEB), Unavailable)


async def test_a_host_that_is_not_there_is_unavailable(host: DidHost, dids: HttpDids) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert isinstance(await refusal(dids, f"did:web:localhost%3A{taken.getsockname()[1]}"), Unavailable)


async def test_only_so_many_are_asked_at_once(host: DidHost, dids: HttpDids) -> None:
    go = asyncio.Event()

    async def together(_: web.Request) -> web.StreamResponse:
        if host.open == public_http.REQUESTS_AT_ONCE:
            go.set()
        await go.wait()
        return web.Response(status=404)

    host.misbehave = together
    many = [f"did:plc:{'abcdefgh'[n // 26]}{chr(97 + n % 26)}{'a' * 22}" for n in range(100)]
    found = await asyncio.gather(*(dids.resolve(did) for did in many), return_exceptions=True)
    assert {type(error) for error in found} == {BadInput}
    assert host.most == public_http.REQUESTS_AT_ONCE


async def test_the_system_s_names_are_asked_on_threads_of_our_own() -> None:
    names = ThreadedNames()
    found = await names.resolve("localhost", 443)
    assert found
    assert all(is_loopback(result["host"]) and result["port"] == 443 for result in found)
    await names.close()
