"""The page at `/`."""

from collections.abc import AsyncIterator

import httpx
import pytest

from labeler.reputation.definitions import DEFINITIONS
from labeler.service.access import Access
from labeler.service.http import Http
from labeler.service.observe import Metrics
from labeler.service.schema import load_lexicons
from labeler.web.assets import Assets
from labeler.web.front import PLACES, front
from labeler.web.pages import Pages
from labeler.web.site import Site
from tests.unit.web.serving import served

NSIDS = ["com.atproto.label.queryLabels", "com.example.<i>"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    assets = Assets()
    pages = Pages("did:web:<b>&", assets.url)
    site = Site(pages, [*front(pages, NSIDS), *assets.routes()])
    http = Http({}, {}, Access([]), load_lexicons(), Metrics(), lambda _: None, None, site)
    async with served(http) as asking:
        yield asking


async def test_it_names_every_label_and_every_door(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for words in (*PLACES, "/xrpc/com.atproto.label.queryLabels", *(label.description for label in DEFINITIONS)):
        assert words in answer.text
    assert 'action="/member"' in answer.text


async def test_what_it_names_is_text(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    assert "<b>" not in page
    assert "<i>" not in page
    assert "did:web:&lt;b&gt;&amp;" in page


async def test_it_runs_nothing_of_others(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "//" not in answer.text.replace("</", "").replace("<!doctype", "")


@pytest.mark.row(164)
async def test_it_is_a_page_and_no_more(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    posted = await client.post("/", content=b"{}")
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD")
