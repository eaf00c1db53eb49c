"""A running service among DIDs: hosts and a directory on loopback, new keys, hosts that mean ill, and itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import websockets
from aiohttp import web

from labeler.adapters.keyfile import KeyFileSigner
from labeler.atproto.did_document import labeler_document
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.service import self_check
from tests.did_host import DidHost, account, did_host, hang, token

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

SUBJECT = "did:plc:alice"
OPERATOR = "did:plc:operatoraaaaaaaaaaaaaaaa"
STRANGER = "did:plc:strangeraaaaaaaaaaaaaaaa"
KEY = PrivateKey.from_hex("61" * 32)
NEW_KEY = PrivateKey.from_hex("62" * 32)
EMIT = "tools.ozone.moderation.emitEvent"
STANDING = "email.atmos.reputation.getStanding"
SUBMIT = "email.atmos.telemetry.submitEvents"
STREAM = "com.atproto.label.subscribeLabels"
EVENT = {
    "event": {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-throttled"],
        "negateLabelVals": [],
    },
    "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": SUBJECT},
    "createdBy": OPERATOR,
}


@pytest.fixture
async def host() -> AsyncIterator[DidHost]:
    async with did_host() as serving:
        serving.documents = {did: account(did, KEY) for did in (serving.did, OPERATOR, STRANGER)}
        yield serving


def configure(installation: "Installation", *lines: str) -> None:
    """Add sections to the configuration."""
    path = installation.folder / "labeler.toml"
    path.write_text(path.read_text(encoding="utf-8") + "\n".join(["", *lines, ""]), encoding="utf-8")


@pytest.fixture
def among(installation: "Installation", host: DidHost) -> "Installation":
    """An installation that knows an operator of the directory and a relay of the host, by DID alone."""
    configure(
        installation,
        "[identity]",
        f'plc_directory = "{host.url}"',
        "[[operators]]",
        f'did = "{OPERATOR}"',
        'role = "moderator"',
        "[[relays]]",
        f'did = "{host.did}"',
    )
    return installation


def jwt(running: "Running", iss: str, lxm: str, key: PrivateKey = KEY, /, **claims: Any) -> dict[str, str]:
    made = token(key, **({"iss": iss, "aud": f"{running.did}#atproto_labeler", "lxm": lxm} | claims))
    return {"Authorization": f"Bearer {made}"}


async def emit(running: "Running", headers: dict[str, str]) -> tuple[int, str]:
    answer = await running.client.post(f"/xrpc/{EMIT}", json=EVENT, headers=headers)
    return answer.status_code, answer.json().get("error", "")


async def standing(running: "Running", headers: dict[str, str], did: str = SUBJECT) -> Any:
    return await running.client.get(f"/xrpc/{STANDING}", params={"did": did}, headers=headers)


@pytest.mark.row(196, 204, 207, 213, 336)
async def test_operators_relays_and_accounts_come_with_tokens_of_their_own(
    among: "Installation", host: DidHost
) -> None:
    async with among.serving() as running:
        taken = jwt(running, OPERATOR, EMIT)
        assert await emit(running, taken) == (200, "")
        assert await emit(running, taken) == (401, "BadJwt"), "a token works once"
        answer = await running.client.post(
            f"/xrpc/{SUBMIT}", json={"events": []}, headers=jwt(running, host.did, SUBMIT)
        )
        assert answer.status_code == 200, answer.text
        assert await emit(running, jwt(running, STRANGER, EMIT)) == (403, "Forbidden")
        own = await standing(running, jwt(running, STRANGER, STANDING), STRANGER)
        assert "headroom" in own.json()
        assert "headroom" not in (await standing(running, jwt(running, STRANGER, STANDING))).json()
        metrics = (await running.client.get("/metrics")).text
        assert 'labeler_service_auth_total{result="accepted"} 5.0' in metrics
        assert 'labeler_service_auth_total{result="BadJwt"} 1.0' in metrics


@pytest.mark.row(191, 193, 195, 199, 200, 203, 205, 213)
@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"jti": None}, "BadJwt"),
        ({"header": {"typ": "at+jwt", "alg": "ES256K"}}, "BadJwtType"),
        ({"exp": 1}, "JwtExpired"),
        ({"aud": "did:web:elsewhere.example.com"}, "BadJwtAudience"),
        ({"lxm": SUBMIT}, "BadJwtLexiconMethod"),
        ({"iss": f"{OPERATOR}#atproto_labeler"}, "BadJwtIss"),
        ({"iss": "did:plc:nobodyaaaaaaaaaaaaaaaaaa"}, "BadJwtIss"),
    ],
)
async def test_every_refusal_has_its_name(among: "Installation", claims: dict[str, Any], name: str) -> None:
    async with among.serving() as running:
        answer = await running.client.post(f"/xrpc/{EMIT}", json=EVENT, headers=jwt(running, OPERATOR, EMIT, **claims))
        assert (answer.status_code, answer.json()["error"]) == (401, name)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        answer = await running.client.post(f"/xrpc/{EMIT}", json=EVENT)
        assert (answer.status_code, answer.json()["error"]) == (401, "MissingJwt")


@pytest.mark.row(197, 198, 331)
@pytest.mark.parametrize(("accept", "verdict"), [("true", (200, "")), ("false", (401, "BadJwtAudience"))])
async def test_the_configuration_says_whether_a_bare_audience_will_do(
    among: "Installation", accept: str, verdict: tuple[int, str]
) -> None:
    path = among.folder / "labeler.toml"
    path.write_text(path.read_text().replace("[identity]", f"[identity]\naccept_bare_audience = {accept}"))
    async with among.serving() as running:
        assert await emit(running, jwt(running, OPERATOR, EMIT, aud=running.did)) == verdict


@pytest.mark.row(209, 210)
async def test_a_changed_key_is_picked_up_once_and_asking_is_throttled(among: "Installation", host: DidHost) -> None:
    async with among.serving() as running:

        def looks() -> int:
            return sum(path == f"/{OPERATOR}" for path, _ in host.asked)

        assert (await emit(running, jwt(running, OPERATOR, EMIT)))[0] == 200
        assert looks() == 1
        host.documents[OPERATOR] = account(OPERATOR, NEW_KEY)
        assert (await emit(running, jwt(running, OPERATOR, EMIT, NEW_KEY)))[0] == 200
        assert looks() == 2
        for _ in range(10):
            assert await emit(running, jwt(running, OPERATOR, EMIT)) == (401, "BadJwtSignature")
        assert looks() == 2


@pytest.mark.row(195, 212, 226)
@pytest.mark.parametrize(
    "iss",
    [
        "did:web:127.0.0.1",
        "did:web:%5B%3A%3A1%5D",
        "did:web:169.254.169.254",
        "did:web:localhost%3A{port}",
        "did:web:localhost%3A{port}:path",
        "did:web:metadata.internal",
    ],
)
async def test_no_token_makes_a_public_labeler_ask_its_own_network(
    among: "Installation", host: DidHost, iss: str
) -> None:
    """Outside a trial, localhost is nobody either."""
    path = among.folder / "labeler.toml"
    path.write_text(path.read_text().replace("[identity]", "[identity]\nallow_local = false"))
    iss = iss.format(port=host.port)
    host.documents[iss] = account(iss, KEY)
    async with among.serving() as running:
        host.asked.clear()
        assert await emit(running, jwt(running, iss, EMIT)) == (401, "BadJwtIss")
        assert host.asked == []


async def flood(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await answer.write(b" " * 65536)
    return answer


async def away(request: web.Request) -> web.StreamResponse:
    if request.path == "/private":
        return web.json_response(account(OPERATOR, KEY))
    raise web.HTTPFound("/private")


@pytest.mark.row(211, 212, 228)
@pytest.mark.parametrize("misbehave", [flood, away, hang], ids=["flood", "redirect", "hang"])
async def test_a_host_that_means_ill_gains_nothing(
    among: "Installation", host: DidHost, misbehave: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    host.misbehave = misbehave
    async with among.serving() as running:
        began = asyncio.get_running_loop().time()
        asked = [emit(running, jwt(running, OPERATOR, EMIT)) for _ in range(20)]
        assert set(await asyncio.gather(*asked)) == {(401, "BadJwtIss")}
        assert asyncio.get_running_loop().time() - began < 8
        assert [path for path, _ in host.asked if path != "/.well-known/did.json"] == [f"/{OPERATOR}"]
        await running.label(SUBJECT, "mail-throttled")  # and everybody else is served meanwhile


async def readiness(running: "Running") -> tuple[int, dict[str, Any]]:
    answer = await running.client.get("/readyz")
    return answer.status_code, answer.json()["checks"]["identity"]


async def until(running: "Running", holds: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            status, identity = await readiness(running)
            if holds(status, identity):
                return identity
            await asyncio.sleep(0.01)


@pytest.mark.row(86, 236)
@pytest.mark.parametrize("allow_local", ["true", "false"])
async def test_a_did_web_we_serve_ourselves_is_found_to_agree(installation: "Installation", allow_local: str) -> None:
    """The check fetches from the very process it runs in, and our own place is never too private for us."""
    configure(installation, "[identity]", f"allow_local = {allow_local}")
    async with installation.serving() as running:
        identity = await until(running, lambda _, identity: "names our key" in identity["message"])
        assert identity["ok"]
        assert 'labeler_identity_checks_total{result="agrees"}' in (await running.client.get("/metrics")).text


def ours(installation: "Installation", host: DidHost, key_id: str | None = None) -> dict[str, Any]:
    """The document of the labeler, as the host publishes it."""
    own = KeyFileSigner(Path(installation.folder) / "signing.key").key_id
    return labeler_document(host.did, PublicKey.from_did_key(key_id or own), f"http://localhost:{installation.port}")


@pytest.fixture
def published(installation: "Installation", host: DidHost) -> "Installation":
    """An installation whose document lies with the host, and which looks at it all the time."""
    path = installation.folder / "labeler.toml"
    path.write_text(path.read_text().replace("[service]", f'[service]\ndid = "{host.did}"'))
    configure(installation, "[identity]", "check_seconds = 0.05")
    return installation


@pytest.mark.row(84, 86, 236)
async def test_another_key_published_stops_us_and_ours_lets_us_go_on(published: "Installation", host: DidHost) -> None:
    host.documents[host.did] = ours(published, host, NEW_KEY.public_key.did_key)
    async with published.serving() as running:
        cause = await until(running, lambda status, _: status == 503)
        assert NEW_KEY.public_key.did_key in cause["message"]
        await running.label(SUBJECT, "mail-throttled")  # taken, and waiting
        answer = await running.client.get("/xrpc/com.atproto.label.queryLabels?uriPatterns=*")
        assert (answer.status_code, answer.json()["error"]) == (503, "NotEnoughResources")
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(f"{running.ws_url}/xrpc/{STREAM}?cursor=0"):
                pass
        assert refused.value.response.status_code == 503
        host.documents[host.did] = ours(published, host)
        await until(running, lambda status, _: status == 200)
        async with websockets.connect(f"{running.ws_url}/xrpc/{STREAM}?cursor=0") as stream, asyncio.timeout(10):
            assert isinstance(await stream.recv(), bytes), "nothing was lost"


@pytest.mark.row(86, 236)
@pytest.mark.parametrize("misbehave", [hang, None], ids=["hangs", "404"])
async def test_a_document_nobody_serves_delays_and_stops_nothing(
    published: "Installation", host: DidHost, misbehave: Any
) -> None:
    del host.documents[host.did]
    host.misbehave = misbehave
    began = asyncio.get_running_loop().time()
    async with published.serving() as running:
        await running.label(SUBJECT, "mail-throttled")
        answer = await running.client.get("/xrpc/com.atproto.label.queryLabels?uriPatterns=*")
        assert len(answer.json()["labels"]) == 1
        assert (await readiness(running))[0] == 200
        assert asyncio.get_running_loop().time() - began < self_check.RETRY_SECONDS / 10
