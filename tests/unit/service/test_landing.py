"""The page at `/`."""

from typing import TYPE_CHECKING

import pytest

from labeler.service.landing import landing

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service


async def test_it_names_the_labeler_and_every_door(service: "Service") -> None:
    status, body, headers = await service.call("GET", "/")
    text = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "did:web:labeler.example.com" in text
    for path in ("/.well-known/did.json", "/xrpc/_health", *(f"/xrpc/{nsid}" for nsid in service.methods())):
        assert path in text


async def test_it_loads_nothing_and_runs_nothing(service: "Service") -> None:
    _, body, headers = await service.call("GET", "/")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"<script" not in body
    assert b"<style" not in body
    assert b"src=" not in body


@pytest.mark.row(164)
async def test_it_is_a_page_and_no_more(service: "Service") -> None:
    assert (await service.call("HEAD", "/"))[:2] == (200, b"")
    status, _, headers = await service.call("POST", "/", data=b"{}")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_what_it_names_is_text() -> None:
    answer = landing("did:web:<b>&", ["com.example.<i>"])
    page = (await answer(None)).text  # type: ignore[arg-type,attr-defined]
    assert "<b>" not in page
    assert "<i>" not in page
    assert "did:web:&lt;b&gt;&amp;" in page
