"""A labeler's key and address come from its DID document, fetched with care."""

from typing import Any

import httpx
import pytest
import respx

from labeler.atproto.did_document import labeler_document
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput, Unavailable
from relay_hooks import _clock
from relay_hooks.identity import Identity, IdentityResolver

KEY = PrivateKey.from_hex("11" * 32).public_key
WEB, PLC = "did:web:labeler.test", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
WEB_URL, PLC_URL = "https://labeler.test/.well-known/did.json", f"https://plc.test/{PLC}"
ENDPOINT = "https://labels.labeler.test"


@pytest.fixture
def web(respx_mock: respx.MockRouter) -> respx.Route:
    return respx_mock.get(WEB_URL).respond(json=labeler_document(WEB, KEY, ENDPOINT))


async def test_did_web_is_fetched_from_its_host(web: respx.Route) -> None:
    assert await IdentityResolver().resolve(WEB) == Identity(WEB, KEY, ENDPOINT)
    assert "application/did+ld+json" in web.calls.last.request.headers["Accept"]


async def test_did_plc_is_fetched_from_the_directory(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(PLC_URL).respond(json=labeler_document(PLC, KEY, ENDPOINT))
    resolver = IdentityResolver(plc_directory="https://plc.test/")
    assert await resolver.resolve(PLC) == Identity(PLC, KEY, ENDPOINT)


async def test_an_identity_is_remembered_until_it_is_old_or_asked_for_anew(
    web: respx.Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(_clock, "monotonic", lambda: now)
    resolver = IdentityResolver(ttl_s=60.0)
    await resolver.resolve(WEB)
    await resolver.resolve(WEB)
    assert web.call_count == 1
    await resolver.resolve(WEB, fresh=True)
    assert web.call_count == 2
    now += 60.0
    await resolver.resolve(WEB)
    assert web.call_count == 3


async def test_memory_is_bounded(respx_mock: respx.MockRouter) -> None:
    resolver = IdentityResolver(most=3)
    for number in range(5):
        did = f"did:web:labeler{number}.test"
        respx_mock.get(f"https://labeler{number}.test/.well-known/did.json").respond(
            json=labeler_document(did, KEY, ENDPOINT)
        )
        await resolver.resolve(did)
    assert list(resolver._known) == [f"did:web:labeler{number}.test" for number in (2, 3, 4)]


@pytest.mark.parametrize(
    "document",
    [
        labeler_document("did:web:other.test", KEY, ENDPOINT),
        {**labeler_document(WEB, KEY, ENDPOINT), "verificationMethod": []},
        {**labeler_document(WEB, KEY, ENDPOINT), "service": []},
        {},
    ],
    ids=["of another DID", "without key", "without service", "empty"],
)
async def test_a_document_that_names_no_labeler_is_no_use(respx_mock: respx.MockRouter, document: Any) -> None:
    respx_mock.get(WEB_URL).respond(json=document)
    with pytest.raises(BadInput):
        await IdentityResolver().resolve(WEB)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'{"id":'])
async def test_what_is_no_document_is_no_use(respx_mock: respx.MockRouter, body: bytes) -> None:
    respx_mock.get(WEB_URL).respond(content=body)
    with pytest.raises(BadInput, match="not JSON"):
        await IdentityResolver().resolve(WEB)


async def test_a_document_without_end_is_cut_off(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(WEB_URL).respond(content=b'{"id":"' + b"x" * 70_000 + b'"}')
    with pytest.raises(BadInput, match="too long"):
        await IdentityResolver().resolve(WEB)


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
async def test_redirects_are_not_followed_and_errors_are_worth_another_try(
    respx_mock: respx.MockRouter, status: int
) -> None:
    respx_mock.get(WEB_URL).respond(status, headers={"Location": "https://elsewhere.test/did.json"})
    with pytest.raises(Unavailable, match=str(status)):
        await IdentityResolver().resolve(WEB)


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
async def test_a_network_that_fails_is_worth_another_try(respx_mock: respx.MockRouter, error: Exception) -> None:
    respx_mock.get(WEB_URL).mock(side_effect=error)
    with pytest.raises(Unavailable, match=type(error).__name__):
        await IdentityResolver().resolve(WEB)


async def test_what_is_known_stays_known_when_asking_anew_fails(web: respx.Route) -> None:
    resolver = IdentityResolver()
    known = await resolver.resolve(WEB)
    web.respond(500)
    with pytest.raises(Unavailable):
        await resolver.resolve(WEB, fresh=True)
    assert await resolver.resolve(WEB) == known


@pytest.mark.parametrize(
    "did",
    ["did:key:zQ3sh", "did:web:127.0.0.1", "did:web:labeler.test:path", "did:plc:../../etc", "did:plc:", "alice.test"],
)
async def test_dids_that_lead_elsewhere_are_not_followed(did: str) -> None:
    with pytest.raises(BadInput):
        await IdentityResolver().resolve(did)
