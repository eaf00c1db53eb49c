"""The public pages under anything a client may write: always a page, its text never markup, never a 500."""

import contextlib
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto.syntax import is_handle
from tests.fuzz.budget import examples
from tests.service_process import Answer, Cut, ServiceProcess

MARK = "<i>mark</i>"
EXPECTED = {200, 303, 308, 400, 401, 403, 404, 405, 413, 415, 417}
# A handle would be looked up; what is none, or lies under a reserved domain, is not.
WORDS = st.text(st.characters(codec="utf-8"), max_size=60).filter(lambda text: not is_handle(text.strip("/@")))
WHO = st.one_of(
    WORDS,
    WORDS.map(lambda word: f"did:web:{word}"),
    st.sampled_from(["did:plc:alice", "did:web:localhost%3A1", "a.local", "did:x:" + "y" * 2_000, ".", "..", MARK]),
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["act", "token", "text", "who", "Act", "act[]"]),
        st.sampled_from(["evidence", "appeal", "answer", "a.b.c", "triage", MARK, "x" * 3_000]) | WORDS,
    ),
    max_size=6,
)
SITES = st.sampled_from([None, "same-origin", "none", "cross-site", "x"])


def check(answer: Answer) -> None:
    assert answer.status in EXPECTED, (answer.status, answer.body[:300])
    assert MARK.encode() not in answer.body
    assert b"Traceback" not in answer.body
    if answer.status not in (303, 308):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert not answer.headers.get("location", "/").startswith("//")


@pytest.mark.row(171)
@examples(200)
@given(WHO)
@example("/")
@example("\0")
def test_any_name_is_answered(service: ServiceProcess, who: str) -> None:
    check(service.ask("GET", f"/member?{urlencode({'who': who})}"))
    segment = quote(who, safe="")
    if segment.strip("."):
        check(service.ask("GET", f"/member/{segment}"))


@pytest.mark.row(171)
@examples(300)
@given(st.sampled_from(["did:plc:alice", "did:web:x.example", "a.local"]), FIELDS, SITES, st.binary(max_size=20))
@example("did:plc:alice", [("act", "appeal"), ("token", "triage"), ("text", MARK)], "same-origin", b"")
@example("did:plc:alice", [("act", "evidence"), ("token", "triage")], "same-origin", b"")
@example("did:plc:alice", [("act", "evidence")] * 101, "same-origin", b"")
def test_any_form_is_answered(
    service: ServiceProcess, who: str, fields: list[tuple[str, str]], site: str | None, tail: bytes
) -> None:
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    if site is not None:
        headers["Sec_Fetch_Site"] = site
    with contextlib.suppress(Cut):
        check(service.ask("POST", f"/member/{who}", body=urlencode(fields).encode() + tail, **headers))


@pytest.mark.row(164)
@pytest.mark.parametrize("path", ["/", "/member", "/member/did:plc:alice"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_verb_is_known(service: ServiceProcess, method: str, path: str) -> None:
    answer = service.ask(method, path)
    assert answer.status == 405
    check(answer)
