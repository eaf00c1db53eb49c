"""The gate behind TLS, and an operator whose role the configuration takes away."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

from labeler.service.access import Access, Operator, Role
from labeler.service.http import Http
from labeler.service.observe import Metrics
from labeler.service.rate import Rate, RateLimits
from labeler.service.schema import load_lexicons
from labeler.web.assets import Assets
from labeler.web.console.gate import Gate, Visit
from labeler.web.forms import Form
from labeler.web.pages import Pages
from labeler.web.site import Route, Site

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADMIN = Operator("did:plc:admin", Role.ADMIN)
ORIGIN = "https://labeler.example.com"


class Clock:
    def now(self) -> datetime:
        return NOON


@pytest.fixture
def access() -> Access:
    tokens = {b"admin": ADMIN, b"triage": Operator(ADMIN.did, Role.TRIAGE)}
    return Access([(hashlib.sha256(token).hexdigest(), caller) for token, caller in tokens.items()], None, [ADMIN])


@pytest.fixture
async def client(access: Access) -> AsyncIterator[httpx.AsyncClient]:
    assets = Assets()
    pages = Pages("did:web:labeler.example.com", assets.url)
    gate = Gate(pages, access, Rate(RateLimits(address=3), Clock()), Clock().now, ORIGIN, dict)

    async def see(visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        return web.Response(text=f"{visit.operator.role.name} {visit.session.csrf}")

    async def act(visit: Visit, form: Form, _: Mapping[str, str]) -> web.StreamResponse:
        return web.Response(text=f"done {form.text('what')}")

    routes = [
        *assets.routes(),
        *gate.routes(),
        Route("GET", "/console", gate.seeing(see)),
        Route("POST", "/console/act", gate.acting(act)),
    ]
    http = Http({}, {}, access, load_lexicons(), Metrics(), lambda _: None, None, Site(pages, routes))
    runner = http.runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}") as asking:
        yield asking
    await runner.cleanup()


async def logged_in(client: httpx.AsyncClient, token: str = "admin") -> dict[str, str]:
    """The header a browser would send: it sends no secure cookie over plain HTTP, so a proxy stands between."""
    answer = await client.post("/console/login", data={"token": token})
    assert answer.status_code == 303
    client.cookies.clear()
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def test_behind_tls_the_cookie_is_secure(client: httpx.AsyncClient) -> None:
    answer = await client.post("/console/login", data={"token": "admin"})
    given = answer.headers["Set-Cookie"]
    assert given.startswith("__Secure-console=")
    assert all(part in given for part in ("; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/console"))
    assert (await client.get("/console", headers=await logged_in(client))).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [(ORIGIN, 200), ("https://evil.example", 403), ("https://labeler.example.com.evil.example", 403), ("", 403)],
)
async def test_our_public_origin_is_ours_whatever_the_proxy_calls_us(
    client: httpx.AsyncClient, origin: str, status: int
) -> None:
    held = await logged_in(client)
    csrf = (await client.get("/console", headers=held)).text.split()[1]
    answer = await client.post("/console/act", data={"csrf": csrf, "what": "x"}, headers=held | {"Origin": origin})
    assert answer.status_code == status


async def test_who_is_no_operator_any_more_is_out(client: httpx.AsyncClient, access: Access) -> None:
    held = await logged_in(client)
    assert (await client.get("/console", headers=held)).text.startswith("ADMIN")
    access._members[ADMIN.did] = Operator(ADMIN.did, Role.TRIAGE)
    assert (await client.get("/console", headers=held)).text.startswith("TRIAGE")
    del access._members[ADMIN.did]
    assert (await client.get("/console", headers=held)).status_code == 303
    assert (await client.post("/console/act", data={"csrf": "x"}, headers=held)).status_code == 401


async def test_a_lower_token_of_the_same_operator_opens_no_higher_session(client: httpx.AsyncClient) -> None:
    assert (await client.get("/console", headers=await logged_in(client, "triage"))).text.startswith("TRIAGE")
    assert (await client.get("/console", headers=await logged_in(client))).text.startswith("ADMIN")


async def test_only_attempts_that_fail_count_and_none_that_another_site_sends(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await logged_in(client)
        foreign = await client.post("/console/login", data={"token": "x"}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
    found = [(await client.post("/console/login", data={"token": "guess"})).status_code for _ in range(4)]
    assert found == [401, 401, 401, 429]
    assert (await client.post("/console/login", data={"token": "admin"})).status_code == 429
