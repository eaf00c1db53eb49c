"""The foundation of the pages: paths, headers, refusals, static files, forms."""

import re
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from aiohttp import web

from labeler.errors import BadInput, Unavailable
from labeler.service.access import Access
from labeler.service.http import Http
from labeler.service.observe import Metrics
from labeler.service.schema import load_lexicons
from labeler.web.assets import Assets
from labeler.web.forms import FORM_BYTES, Form, read_form
from labeler.web.pages import Pages
from labeler.web.site import Route, Site, see_other
from tests.unit.web.serving import served

HTML = {"Accept": "text/html"}


async def shown(request: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
    match found["what"]:
        case "bad":
            raise BadInput("<b>no</b>", status=403, name="Forbidden")
        case "away":
            raise Unavailable("the disk is full of secrets")
        case "broken":
            raise RuntimeError("a secret")
    return web.Response(text=found["what"])


async def taken(request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
    form = await read_form(request)
    return see_other(f"/part/{form.text('name')}-{form.number('count', 10)}-{len(form.texts('many'))}")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    assets = Assets()
    routes = [Route("GET", "/part/{what}", shown), Route("POST", "/part", taken), *assets.routes()]

    async def plain(_: web.Request) -> web.StreamResponse:
        return web.Response(text="plain")

    site = Site(Pages("did:web:labeler.example.com", assets.url), routes)
    http = Http({}, {"/plain": plain}, Access([]), load_lexicons(), Metrics(), lambda _: None, None, site)
    async with served(http) as asking:
        yield asking


async def test_a_path_is_answered_by_who_has_it_and_no_other_origin_may_read_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/part/a%2Fb")
    assert (answer.status_code, answer.text) == (200, "a/b")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    head = await client.head("/part/x")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/part/bad", 403, "&lt;b&gt;no&lt;/b&gt;"),
        ("/part/away", 503, "try again"),
        ("/part/broken", 500, "Internal Server Error"),
        ("/part/x/y", 404, "nothing at this address"),
        ("/nowhere", 404, "nothing at this address"),
    ],
)
async def test_what_goes_wrong_is_told_as_a_page(client: httpx.AsyncClient, path: str, status: int, told: str) -> None:
    answer = await client.get(path, headers=HTML)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert told in answer.text
    assert "secret" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)", answer.text)


async def test_tools_and_xrpc_are_answered_as_ever(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json()["error"] == "NotFound"
    assert (await client.get("/plain", headers=HTML)).text == "plain"
    assert (await client.get("/xrpc/com.example.none", headers=HTML)).json()["error"] == "MethodNotImplemented"


async def test_a_wrong_verb_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    for verb in ("PUT", "DELETE", "OPTIONS", "POST"):
        answer = await client.request(verb, "/part/x")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert "Access-Control-Allow-Methods" not in answer.headers


@pytest.mark.parametrize("path", ["/part/x/", "/part/x///"])
async def test_a_page_has_one_address(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/part/x")


async def test_no_address_leads_to_another_host(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{client.base_url}//evil.example/", headers=HTML)
    assert not answer.headers.get("Location", "").startswith("//")


async def test_static_files_are_kept_for_ever_and_change_their_name_first(client: httpx.AsyncClient) -> None:
    page = (await client.get("/nowhere", headers=HTML)).text
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert {path.rpartition(".")[2] for path in found} == {"css", "js", "svg"}
    for path in found:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await client.get("/static/site.css")).status_code == 404
    assert (await client.get("/static/..%2fpages.py")).status_code == 404


async def test_a_form_is_read_and_leads_on(client: httpx.AsyncClient) -> None:
    answer = await client.post("/part", data={"name": " Zoe ", "count": "7", "many": ["a", "b", "a", ""]})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/part/Zoe-7-2")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"name=" + b"x" * FORM_BYTES, "application/x-www-form-urlencoded", 413),
        (b"x" * 10_000_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
        (b"name=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"name=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=b"] * 101), "application/x-www-form-urlencoded", 400),
        (b"count=11", "application/x-www-form-urlencoded", 400),
        (b"count=-1", "application/x-www-form-urlencoded", 400),
        (b"count=%D9%A3", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_a_form_that_is_none_is_refused(client: httpx.AsyncClient, body: bytes, kind: str, status: int) -> None:
    answer = await client.post("/part", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert "text/html" in answer.headers["Content-Type"]


async def test_a_packed_form_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    assert (await client.post("/part", content=b"name=x", headers=headers)).status_code == 415


def test_a_field_that_must_be_there_is_asked_for() -> None:
    assert Form([("a", "b")]).needed("a") == "b"
    with pytest.raises(BadInput, match="comment is missing"):
        Form([("comment", "  ")]).needed("comment")
