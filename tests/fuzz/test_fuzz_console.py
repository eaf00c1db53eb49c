"""The console of an admin under anything a browser may send: always a page, its text never markup, never a 500."""

import contextlib
import json
import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto.syntax import is_handle
from tests.fuzz.budget import examples
from tests.service_process import EMIT, Answer, Cut, ServiceProcess

MARK = "<i>mark</i>"
EXPECTED = {200, 303, 308, 400, 401, 403, 404, 409, 413, 415}
ALICE = "did:plc:alice"
# A handle would be looked up; what is none is not.
WORDS = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda text: not is_handle(text.strip().lstrip("@")))
VALUES = WORDS | st.sampled_from(["0", "1", "-1", "9" * 30, "mail-throttled", "spam", MARK, "x" * 5_000, "\r\n", "\0"])
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["q", "standing", "order", "after", "page", "state", "kind", "whose", "before", "about", "by"]),
        VALUES | st.sampled_from(["suspended", "recent", "0 did:plc:a", "all", "mine", "hour", ALICE]),
    ),
    max_size=4,
)
LOOKS = st.sampled_from(
    [
        *("/console", "/console/dids", f"/console/dids/{ALICE}", f"/console/dids/{ALICE}/charts/sent.svg"),
        *("/console/cases", "/console/cases/1", "/console/policy", "/console/audit", "/console/live"),
    ]
)
ACTS = st.sampled_from(
    [
        *(f"/console/dids/{ALICE}/label", f"/console/dids/{ALICE}/comment", f"/console/dids/{ALICE}/question"),
        *("/console/automation", "/console/login", "/console/cases/1/claim", "/console/cases/1/release"),
        *("/console/cases/1/comment", "/console/cases/1/resolve", "/console/cases/1/reopen", "/console/cases/1/x"),
    ]
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["act", "val", "hours", "comment", "mode", "revision", "resolution", "exempt", "hourly_cap"]),
        VALUES | st.sampled_from(["apply", "negate", "shadow", "enforce", "lift", "uphold", "override", "complaints"]),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def seat(service: ServiceProcess) -> tuple[str, str]:
    """The cookie of an admin, and the token of its forms; a case stands open."""
    event = {"$type": "tools.ozone.moderation.defs#modEventLabel", "createLabelVals": ["mail-suspended"]}
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": ALICE}
    body = {"event": event | {"negateLabelVals": []}, "subject": subject, "createdBy": ALICE}
    assert service.ask("POST", EMIT, token="admin", body=json.dumps(body).encode()).status == 200
    answer = form(service, "/console/login", [("token", "admin")], {})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    page = service.ask("GET", "/console", Cookie=cookie).body.decode()
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return cookie, found[1]


def form(service: ServiceProcess, path: str, fields: list[tuple[str, str]], headers: dict[str, str]) -> Answer:
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    return service.ask("POST", path, body=urlencode(fields).encode(), **kind, **headers)


def check(answer: Answer) -> None:
    assert answer.status in EXPECTED, (answer.status, answer.body[:300])
    assert MARK.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers.get("location", "/console").startswith("/console")
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "unsafe" not in answer.headers["content-security-policy"]


@examples(300)
@given(LOOKS, QUERIES)
@example("/console/dids", [("q", MARK), ("after", "0 " + MARK)])
@example("/console/audit", [("about", MARK)])
@example("/console/cases", [("q", MARK), ("page", "9" * 9)])
def test_any_look_is_answered(
    service: ServiceProcess, seat: tuple[str, str], path: str, query: list[tuple[str, str]]
) -> None:
    check(service.ask("GET", f"{path}?{urlencode(query)}", Cookie=seat[0]))


@examples(150)
@given(st.sampled_from(["dids", "cases", "static", "x"]), WORDS | st.just(MARK), st.sampled_from(["", "/charts/a.svg"]))
def test_any_address_is_answered(
    service: ServiceProcess, seat: tuple[str, str], part: str, name: str, rest: str
) -> None:
    segment = quote(name, safe="")
    if segment.strip("."):
        check(service.ask("GET", f"/console/{part}/{segment}{rest}", Cookie=seat[0]))


@examples(300)
@given(ACTS, FIELDS, st.booleans(), st.sampled_from([None, "same-origin", "cross-site"]))
@example("/console/cases/1/resolve", [("revision", "0"), ("resolution", MARK), ("comment", MARK)], True, None)
def test_any_form_is_answered(
    service: ServiceProcess,
    seat: tuple[str, str],
    path: str,
    fields: list[tuple[str, str]],
    honest: bool,
    site: str | None,
) -> None:
    cookie, csrf = seat
    headers = {"Cookie": cookie} | ({"Sec_Fetch_Site": site} if site is not None else {})
    with contextlib.suppress(Cut):
        answer = form(service, path, [*fields, ("csrf", csrf if honest else "x")], headers)
        if answer.status == 429:  # logins are few
            return
        check(answer)
        if not honest and path != "/console/login":
            assert answer.status == 403
