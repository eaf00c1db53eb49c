"""Callers known by their DID, over a real socket: the reference's vectors, key changes, replays, who sees what."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.atproto.curves import P256
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.atproto.service_auth import AuthPolicy, Unverified, verify
from labeler.service import service_auth
from labeler.service.access import Operator, Relay, Role
from tests.did_host import account, token

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

    Serve = Callable[..., Awaitable[Service]]

OWN = "did:web:labeler.example.com"
AUDIENCE = f"{OWN}#atproto_labeler"
MODERATOR = "did:plc:moderatoraaaaaaaaaaaaaaa"
RELAY = "did:web:smtp.example.com"
ALICE, BOB = "did:plc:alice", "did:plc:bob"
KEYS = {
    MODERATOR: PrivateKey.from_hex("41" * 32),
    RELAY: PrivateKey.from_hex("42" * 32, P256),
    ALICE: PrivateKey.from_hex("43" * 32),
    BOB: PrivateKey.from_hex("44" * 32),
}
NEW_KEY = PrivateKey.from_hex("45" * 32)

EMIT = "tools.ozone.moderation.emitEvent"
STANDING = "email.atmos.reputation.getStanding"
EVIDENCE = "email.atmos.reputation.getEvidence"
SUBMIT = "email.atmos.telemetry.submitEvents"

VECTORS: dict[str, Any] = json.loads(Path("tests/vectors/jwts.json").read_text(encoding="utf-8"))
NO_HEADER_VALUE = {"bad-newline"}  # no client can send a line feed inside a header


@pytest.fixture
async def serve(service: "Service") -> AsyncIterator["Serve"]:
    """Return what starts a service of its own, with fields as given."""
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def running(**fields: Any) -> AsyncIterator["Service"]:
            made = type(service)(**fields)
            await made.start()
            try:
                yield made
            finally:
                await made.stop()

        async def start(**fields: Any) -> "Service":
            return await stack.enter_async_context(running(**fields))

        yield start


@pytest.fixture
async def known(serve: "Serve") -> "Service":
    """A service whose configuration names a moderator and a relay, in a world of four DIDs."""
    return await serve(
        dids=StaticDids({did: account(did, key) for did, key in KEYS.items()}),
        members=[Operator(MODERATOR, Role.MODERATOR), Relay(RELAY)],
    )


def made(service: "Service", iss: str, lxm: str, key: PrivateKey | None = None, /, **claims: Any) -> str:
    claims = {"iss": iss, "aud": AUDIENCE, "lxm": lxm} | claims
    return token(key or KEYS[iss], now=service.clock.now(), **claims)


async def standing(service: "Service", jwt: str, did: str = ALICE) -> tuple[int, Any]:
    status, body, _ = await service.call("GET", f"/xrpc/{STANDING}?did={did}", token=jwt)
    return status, body


async def verdict(service: "Service", jwt: str) -> str:
    """Send an empty event: auth goes before the body, so that a token that is taken ends in a bad request."""
    status, body, headers = await service.call("POST", f"/xrpc/{EMIT}", json={}, token=jwt)
    if status == 400:
        return "accept"
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert body["message"]
    return str(body["error"])


@pytest.mark.row(
    191, 192, 193, 194, 195, 196, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 212, 213, 331
)
async def test_every_vector_gets_its_verdict_over_http(serve: "Serve") -> None:
    """In their order: some build on what the ones before left in the memory of keys and of used tokens.

    A few are other spellings of a token that was taken before them; over HTTP each jti works once.
    """
    documents = VECTORS["didDocs"]
    service = await serve(dids=StaticDids(documents), members=[Operator(did, Role.MODERATOR) for did in documents])
    service.clock.time = datetime.fromtimestamp(VECTORS["meta"]["now"], UTC)
    for did, key in VECTORS["cachedKeys"].items():
        before = json.loads(json.dumps(documents[did]))
        before["verificationMethod"][0]["publicKeyMultibase"] = key.removeprefix("did:key:")
        service.dids.documents[did] = before
        await service.cache.resolve(did)
        service.dids.documents[did] = documents[did]
    spent: set[tuple[str, str]] = set()
    expected: dict[str, str] = {}
    found: dict[str, str] = {}
    for vector in VECTORS["jwts"]:
        name = vector["id"]
        if name in NO_HEADER_VALUE or vector.get("profile", "").startswith("either verdict"):
            continue
        expected[name] = vector.get("errorName") or "accept"
        if expected[name] == "accept":
            token_id = (vector["payload"]["iss"], vector["payload"]["jti"])
            expected[name] = "BadJwt" if token_id in spent else "accept"
            spent.add(token_id)
        found[name] = await verdict(service, vector["token"])
    assert found == expected
    assert len(found) >= 90
    assert service.metric("labeler_bare_audience_total") == sum(
        1 for vector in VECTORS["jwts"] if found.get(vector["id"]) == "accept" and "#" not in vector["payload"]["aud"]
    )


@pytest.mark.row(206, 332)
async def test_a_signature_that_is_not_normalised_is_one_all_the_same(serve: "Serve") -> None:
    service = await serve(dids=StaticDids(VECTORS["didDocs"]))
    service.clock.time = datetime.fromtimestamp(VECTORS["meta"]["now"], UTC)
    (vector,) = (vector for vector in VECTORS["jwts"] if vector["id"] == "policy-high-s")
    status, body, _ = await service.call("POST", f"/xrpc/{EMIT}", json={}, token=vector["token"])
    assert (status, body["error"]) == (403, "Forbidden"), "known, but no operator here"


@pytest.mark.row(213)
async def test_without_a_token_it_is_missing(known: "Service") -> None:
    for headers in ({}, {"Authorization": "Basic YWRtaW46eA=="}):
        status, body, answer = await known.call("POST", f"/xrpc/{EMIT}", json={}, headers=headers)
        assert (status, body["error"], answer["WWW-Authenticate"]) == (401, "MissingJwt", "Bearer")


@pytest.mark.row(197, 198, 331)
async def test_a_bare_audience_is_taken_and_counted_until_it_is_switched_off(serve: "Serve") -> None:
    async def found(service: "Service") -> str:
        return await verdict(service, made(service, MODERATOR, EMIT, aud=OWN))

    fields: dict[str, Any] = {
        "dids": StaticDids({MODERATOR: account(MODERATOR, KEYS[MODERATOR])}),
        "members": [Operator(MODERATOR, Role.MODERATOR)],
    }
    lenient, strict = await serve(**fields), await serve(**fields, policy=AuthPolicy(bare_audience=False))
    assert await found(lenient) == "accept"
    assert lenient.metric("labeler_bare_audience_total") == 1
    assert await found(strict) == "BadJwtAudience"
    assert await verdict(strict, made(strict, MODERATOR, EMIT)) == "accept"
    assert strict.metric("labeler_bare_audience_total") == 0


@pytest.mark.row(215, 216)
async def test_an_operator_decides_under_its_own_did(known: "Service") -> None:
    status, body = await known.emit(ALICE, made(known, MODERATOR, EMIT))
    assert (status, body["createdBy"]) == (200, MODERATOR)


@pytest.mark.row(308)
async def test_a_relay_hands_in_telemetry_under_its_own_did(known: "Service", event: Any) -> None:
    status, body = await known.submit(event(1), token=made(known, RELAY, SUBMIT))
    assert (status, body["accepted"]) == (200, 1)
    status, body = await known.submit(event(1), token="relay")
    assert body["duplicates"] == 1, "the same relay by its other token"


@pytest.mark.row(336)
async def test_who_may_not_is_told_which_role_it_takes(known: "Service", event: Any) -> None:
    status, body = await known.submit(event(1), token=made(known, ALICE, SUBMIT))
    assert (status, body["error"]) == (403, "Forbidden")
    assert "relay" in body["message"]
    for iss, needed in ((ALICE, "triage"), (RELAY, "triage")):
        status, body = await known.emit(ALICE, made(known, iss, EMIT))
        assert (status, body["error"]) == (403, "Forbidden")
        assert needed in body["message"]


@pytest.mark.row(309)
async def test_an_account_sees_the_numbers_behind_its_own_standing_only(known: "Service") -> None:
    await known.emit(ALICE)
    private = {"findings", "headroom", "clears"}
    _, own = await standing(known, made(known, ALICE, STANDING))
    assert private <= set(own)
    _, others = await standing(known, made(known, BOB, STANDING))
    assert not private & set(others)
    _, by_relay = await standing(known, made(known, RELAY, STANDING))
    assert not private & set(by_relay)
    _, by_moderator = await standing(known, made(known, MODERATOR, STANDING))
    assert private <= set(by_moderator)


@pytest.mark.row(309)
async def test_an_account_reads_the_evidence_about_itself_only(known: "Service") -> None:
    await known.emit(ALICE)
    for query in ("seq=1", f"uri={ALICE}&val=mail-throttled"):
        path = f"/xrpc/{EVIDENCE}?{query}"
        status, body, _ = await known.call("GET", path, token=made(known, ALICE, EVIDENCE))
        assert (status, body["evidence"]["did"]) == (200, ALICE)
        status, body, _ = await known.call("GET", path, token=made(known, BOB, EVIDENCE))
        assert (status, body["error"]) == (403, "Forbidden")
        assert "evidence" not in body


@pytest.mark.row(204)
async def test_a_token_works_once(known: "Service") -> None:
    jwt = made(known, ALICE, STANDING)
    assert (await standing(known, jwt))[0] == 200
    status, body = await standing(known, jwt)
    assert (status, body["error"]) == (401, "BadJwt")
    again = made(known, ALICE, STANDING, jti="the same")
    assert (await standing(known, again))[0] == 200
    known.clock.time += timedelta(seconds=1)
    assert (await standing(known, made(known, ALICE, STANDING, jti="the same")))[0] == 401, (
        "another token, the same jti"
    )
    assert (await standing(known, made(known, BOB, STANDING, jti="the same")))[0] == 200, "which is the issuer's own"


@pytest.mark.row(204)
async def test_a_token_nobody_could_verify_spends_no_jti(known: "Service") -> None:
    forged = made(known, ALICE, STANDING, KEYS[BOB], jti="mine")
    assert (await standing(known, forged))[1]["error"] == "BadJwtSignature"
    assert (await standing(known, made(known, ALICE, STANDING, jti="mine")))[0] == 200


@pytest.mark.row(203)
async def test_a_token_is_for_one_method(known: "Service") -> None:
    status, body = await standing(known, made(known, ALICE, EVIDENCE))
    assert (status, body["error"]) == (401, "BadJwtLexiconMethod")


@pytest.mark.row(177)
async def test_parameters_come_first_then_the_caller_then_the_body(known: "Service") -> None:
    jwt = made(known, ALICE, STANDING)
    status, body, _ = await known.call("GET", f"/xrpc/{STANDING}?did=nobody", token=jwt)
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert known.dids.asked == []
    assert (await standing(known, jwt))[0] == 200, "what was refused for its parameters has spent nothing"
    status, body, _ = await known.call("POST", f"/xrpc/{EMIT}", data=b"{", token="not.a.token")
    assert status == 401


@pytest.mark.row(209)
async def test_a_new_key_is_found_by_the_first_token_signed_with_it(known: "Service") -> None:
    assert (await standing(known, made(known, ALICE, STANDING)))[0] == 200
    known.dids.documents[ALICE] = account(ALICE, NEW_KEY)
    assert (await standing(known, made(known, ALICE, STANDING, NEW_KEY)))[0] == 200
    assert (await standing(known, made(known, ALICE, STANDING)))[1]["error"] == "BadJwtSignature"
    assert known.dids.asked == [ALICE, ALICE]


@pytest.mark.row(209)
async def test_a_key_that_was_added_later_is_found_too(known: "Service") -> None:
    known.dids.documents[ALICE] = account(ALICE, KEYS[ALICE], verificationMethod=[])
    assert (await standing(known, made(known, ALICE, STANDING)))[1]["error"] == "BadJwtSignature"
    known.dids.documents[BOB] = account(BOB, KEYS[BOB], verificationMethod=[])
    await known.cache.resolve(BOB)
    known.dids.documents[BOB] = account(BOB, KEYS[BOB])
    assert (await standing(known, made(known, BOB, STANDING)))[0] == 200


@pytest.mark.row(209)
async def test_the_same_key_is_not_tried_twice(known: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def counted(found: Unverified, key: PublicKey) -> None:
        tried.append(key.did_key)
        verify(found, key)

    monkeypatch.setattr(service_auth, "verify", counted)
    assert (await standing(known, made(known, ALICE, STANDING, NEW_KEY)))[0] == 401
    assert tried == [KEYS[ALICE].public_key.did_key]


@pytest.mark.row(210)
async def test_bad_signatures_make_us_ask_once_and_no_more(known: "Service") -> None:
    for _ in range(20):
        status, body = await standing(known, made(known, ALICE, STANDING, NEW_KEY))
        assert (status, body["error"]) == (401, "BadJwtSignature")
    assert known.dids.asked == [ALICE, ALICE], "the first look, and one refresh"
    assert (await standing(known, made(known, ALICE, STANDING)))[0] == 200


@pytest.mark.row(212)
async def test_without_a_document_nobody_is_let_in(known: "Service") -> None:
    known.dids.broken = True
    status, body = await standing(known, made(known, ALICE, STANDING))
    assert (status, body["error"]) == (401, "BadJwtIss")
    assert ALICE not in body["message"]
    assert "now" not in body["message"], "what the other side answered is not told"


async def test_a_refresh_that_fails_is_the_bad_signature_it_was(known: "Service") -> None:
    await known.cache.resolve(ALICE)
    del known.dids.documents[ALICE]
    assert (await standing(known, made(known, ALICE, STANDING, NEW_KEY)))[1]["error"] == "BadJwtSignature"


@pytest.mark.row(204)
async def test_strangers_who_use_up_their_memory_lock_nobody_else_out(
    serve: "Serve", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeler.service.service_auth.TOKENS_REMEMBERED", 3)
    service = await serve(
        dids=StaticDids({did: account(did, key) for did, key in KEYS.items()}),
        members=[Operator(MODERATOR, Role.MODERATOR)],
    )
    found = [(await standing(service, made(service, ALICE, STANDING)))[0] for _ in range(4)]
    assert found == [200, 200, 200, 503]
    assert (await standing(service, made(service, MODERATOR, STANDING)))[0] == 200
    service.clock.time += timedelta(seconds=61)
    assert (await standing(service, made(service, ALICE, STANDING)))[0] == 200


async def test_tokens_are_counted_under_closed_names(known: "Service") -> None:
    await standing(known, made(known, ALICE, STANDING))
    await standing(known, made(known, ALICE, STANDING, lxm="made.up.name"))
    assert known.metric("labeler_service_auth_total", result="accepted") == 1
    assert known.metric("labeler_service_auth_total", result="BadJwtLexiconMethod") == 1
