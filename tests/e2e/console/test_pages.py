"""Every page: its headers, what is escaped, what is not there, what is too large."""

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from labeler.web.console import cases
from tests.e2e.console.conftest import ALICE, Office, Seat, sent, text_of

if TYPE_CHECKING:
    import httpx

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
FORMS = "application/x-www-form-urlencoded"


def check_headers(answer: "httpx.Response") -> None:
    policy = answer.headers["Content-Security-Policy"]
    wanted = (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    assert all(part in policy for part in wanted)
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|<script(?! src=\"/static/)|javascript:|https?://", answer.text)


async def suspended(office: Office) -> Seat:
    """ALICE is suspended, and somebody looks."""
    await office.running.submit(
        [
            sent(1, kind="enrolled", domain="alice.example"),
            sent(2, domain="alice.example", messageId="1", recipient="0" * 32, recipientDomain="b.example"),
        ]
    )
    await office.running.label(ALICE, "mail-suspended")
    seat: Seat = await office.sit("admin")
    return seat


async def test_every_page_has_the_strict_headers_and_nothing_inline(office: Office) -> None:
    seat = await suspended(office)
    paths = [
        *("/console", "/console/login", "/console/dids", "/console/cases", "/console/cases/1", "/console/policy"),
        *(
            "/console/audit",
            f"/console/audit?about={ALICE}",
            f"/console/dids/{ALICE}",
            f"/console/dids/{ALICE}?by=hour",
        ),
        *("/console/dids/did:plc:nobody", "/console/cases?state=all&kind=suspension&whose=nobody&q=alice"),
    ]
    for path in paths:
        answer = await seat.client.get(path, follow_redirects=True)
        assert answer.status_code == 200, path
        check_headers(answer)
        head = await seat.client.head(path, follow_redirects=True)
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/console/nothing", "/console/cases/0", "/console/cases/abc", "/console/cases/99999999999999999999"),
        *("/console/cases/-1", "/console/cases/%D9%A3", "/console/dids/alice", "/console/dids/%3Cscript%3E"),
        *(f"/console/dids/{ALICE}/charts/none.svg", f"/console/dids/{ALICE}/charts/sent.svg?by=year"),
    ],
)
async def test_what_is_not_there_is_said_to_be_not_there(office: Office, path: str) -> None:
    answer = await (await office.sit("triage")).client.get(path)
    assert answer.status_code == 404
    check_headers(answer)
    assert "<script>" not in answer.text


async def test_odd_parameters_change_nothing(office: Office) -> None:
    seat = await suspended(office)
    for query in ("?sort=%00&standing=x&after=zzz", "?after=WzksIngiXQ", f"?q={'x' * 5_000}", "?q=%3Cb%3E&after=-1"):
        assert (await seat.client.get("/console/dids" + query)).status_code == 200
    for query in ("?after=0", "?after=WzFd", "?after=x&kind=none&state=1&whose=me", f"?after={'W' * 5_000}"):
        assert (await seat.client.get("/console/cases" + query)).status_code == 200
    for query in ("?before=0", "?before=1", "?before=x", "?before=99999999", "?about=%00", "?about=a&after=x"):
        assert (await seat.client.get("/console/audit" + query)).status_code == 200


async def test_nothing_that_anybody_said_is_markup(office: Office) -> None:
    seat = await suspended(office)
    running = office.running
    await running.submit([sent(3, kind="enrolled", domain=EVIL[:40]), sent(4, domain=EVIL[:40], provider=EVIL[:40])])
    await running.submit([sent(5, kind="abuseReported", category=EVIL[:30])])
    said: tuple[tuple[str, dict[str, Any]], ...] = (
        (f"/console/dids/{ALICE}/label", {"act": "apply", "val": "mail-throttled", "comment": EVIL}),
        (f"/console/dids/{ALICE}/comment", {"comment": EVIL}),
        (f"/console/dids/{ALICE}/question", {"comment": EVIL}),
        ("/console/cases/1/comment", {"comment": EVIL, "revision": "0"}),
        ("/console/automation", {"mode": "shadow", "comment": EVIL}),
    )
    for path, fields in said:
        answer = await seat.send(path, **fields)
        assert answer.status_code == 303, text_of(answer.text)
    seen = ""
    for path in (
        *("/console", "/console/dids", f"/console/dids/{ALICE}", "/console/cases", "/console/cases/1"),
        *("/console/cases/2", "/console/audit", f"/console/audit?about={ALICE}"),
    ):
        answer = await seat.client.get(path)
        assert answer.status_code == 200
        check_headers(answer)
        seen += answer.text
    for query in ("/console/dids?q=", "/console/cases?q=", "/console/audit?about="):
        answer = await seat.client.get(query + "%3Cscript%3Ealert(1)%3C/script%3E%22%27")
        check_headers(answer)
        seen += answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;" in seen
    for chart in ("sent", "bounces", "domains", "complaints"):
        seen += (await seat.client.get(f"/console/dids/{ALICE}/charts/{chart}.svg")).text
    assert "<script>alert" not in seen
    assert "<img src=x" not in seen
    assert "49" not in re.findall(r"&#39;&amp;(\w+)", seen)


async def test_a_chart_is_an_image_that_runs_nothing(office: Office) -> None:
    seat = await suspended(office)
    for query in ("", "?by=hour", "?size=small"):
        answer = await seat.client.get(f"/console/dids/{ALICE}/charts/sent.svg{query}")
        assert answer.headers["Content-Type"].startswith("image/svg+xml")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "<script" not in answer.text
        assert "mail-suspended" in answer.text


async def test_the_numbers_of_a_chart_are_in_a_table_too(office: Office) -> None:
    page = text_of(await (await suspended(office)).see(f"/console/dids/{ALICE}?by=hour"))
    assert "What did:plc:alice did, by hour (UTC)" in page
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:00 1 0 0 1 0", page)


@pytest.mark.parametrize("size", [70_000, 10_000_000])
async def test_a_form_that_is_too_large_is_refused(office: Office, size: int) -> None:
    seat = await suspended(office)
    answer = await seat.send(f"/console/dids/{ALICE}/comment", comment="x" * size)
    assert answer.status_code == 413
    check_headers(answer)


async def test_a_comment_that_is_too_long_is_refused_and_kept_in_the_form(office: Office) -> None:
    seat = await suspended(office)
    answer = await seat.send(f"/console/dids/{ALICE}/comment", comment="y" * 4_001)
    assert answer.status_code == 400
    assert "longer than 4000 bytes" in answer.text
    assert "y" * 4_001 in answer.text


async def test_the_queue_goes_on_where_the_page_before_ended(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "PAGE", 2)
    for name in ("alice", "bob", "cleo"):
        await office.running.label(f"did:plc:{name}", "mail-suspended")
    seat = await office.sit("triage")
    page = await seat.see("/console/cases")
    assert "3 cases" in text_of(page)
    assert re.findall(r"case (\d)</span></button>", page) == ["1", "2"]
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    last = await seat.see(html.unescape(following[1]))
    assert re.findall(r"case (\d)</span></button>", last) == ["3"]
    assert 'rel="next"' not in last
    assert "From the beginning" in last
    assert re.findall(r"case (\d)</span></button>", await seat.see("/console/cases?q=PLC:B&whose=nobody")) == ["2"]
    assert "No case fits." in await seat.see("/console/cases?whose=mine")
