"""Anything a client may write where a request belongs: always an answer, always ours, never a 500."""

import contextlib
import json
import socket
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.service.schema import load_lexicons
from tests.fuzz import envelope
from tests.fuzz.budget import examples
from tests.fuzz.lexicon_values import DEFS, allowed, endpoints
from tests.service_process import EMIT, STREAM, SUBMIT, Cut, ServiceProcess, read_answer

QUERIES = endpoints("query")
LEXICONS = load_lexicons()
VALUES = st.one_of(
    st.binary(max_size=30).map(quote_from_bytes),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30),
    st.sampled_from(["*", "did:plc:x*", "did:plc:alice", "0", "-1", "1e2", "%D9%A3", "%", "%zz", "%00", "9" * 5000]),
    st.integers(1, 40_000).map(lambda size: "x" * size),
)
NAMES = sorted({name for nsid in QUERIES for name in DEFS[nsid].get("parameters", {}).get("properties", {})})
PAIRS = st.tuples(st.sampled_from(NAMES) | VALUES.filter(lambda text: len(text) < 50), VALUES)
QUERY_STRINGS = st.one_of(
    st.lists(PAIRS, max_size=6).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
    st.tuples(PAIRS, st.integers(2, 3000)).map(lambda many: "&".join([f"{many[0][0]}={many[0][1][:15]}"] * many[1])),
    VALUES,
)
HEADER_TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)
HEADERS = {
    "Content-Type": ["application/json", "application/json; charset=x", "text/plain", "a/b, c/d", ""],
    "Content-Encoding": ["gzip", "zstd", "br", "gzip, gzip", "identity", "GZIP", "deflate", ""],
    "Authorization": ["Bearer moderator", "bearer relay", "Basic YTpi", "Bearer a.b.c", "Bearer " + 9000 * "x"],
    "Transfer-Encoding": ["chunked", "gzip, chunked", "identity", "Chunked", "chunked, chunked"],
    "Content-Length": ["0", "-1", "1x", "+2", "2, 2", "99999999999999999999", ""],
    "Expect": ["100-continue", "200-ok", ""],
    "Upgrade": ["websocket", "h2c", "WebSocket, foo"],
    "Connection": ["Upgrade", "close", "keep-alive, Upgrade", "TE"],
    "X-Forwarded-For": ["1.2.3.4", "::1", "not an address", "1.2.3.4, " * 50],
    "Host": ["a b", "", "[::1", "labeler.example.com:99999"],
    "Sec-WebSocket-Version": ["13", "8", "x"],
    "Sec-WebSocket-Key": ["AAAA", "MDEyMzQ1Njc4OWFiY2RlZg==", ""],
}  # fmt: skip
FIELDS = st.lists(
    st.sampled_from(sorted(HEADERS)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(HEADERS[name]) | HEADER_TEXT)
    ),
    max_size=5,
)
BODIES = st.sampled_from(
    [b"", b"{}", b"[]", b"\x1f\x8b\x08", b"(\xb5/\xfd", b"2\r\n{}\r\n0\r\n\r\n", b"zz\r\n"]
) | st.binary(max_size=60)
PATHS = st.sampled_from(
    ["/livez", "/metrics", "/.well-known/did.json", "/xrpc/_health", "/xrpc/a.b.c", STREAM, SUBMIT, EMIT]
    + [f"/xrpc/{nsid}" for nsid in QUERIES]
)


@pytest.mark.row(90, 93, 97, 98, 99, 111, 165, 169, 171, 175, 176)
@examples(500)
@given(st.sampled_from(QUERIES), QUERY_STRINGS, st.sampled_from([None, "moderator", "relay", "x"]))
@example("com.atproto.label.queryLabels", "uriPatterns=%ff%fe", None)
@example("com.atproto.label.queryLabels", "uriPatterns=a&" * 3000, None)
@example("com.atproto.label.queryLabels", "uriPatterns=" + "%61" * 8200, None)
def test_any_query_string_is_answered(service: ServiceProcess, nsid: str, query: str, token: str | None) -> None:
    """Raw bytes, repeated names, huge values: an answer or a refusal by the lexicon's names."""
    envelope.check(service.ask("GET", f"/xrpc/{nsid}?{query}", token=token), nsid)


@pytest.fixture(scope="module")
def eventful(service: ServiceProcess) -> ServiceProcess:
    """A service that has something to tell: labels, notes and tags on a few members."""
    for number in range(20):
        kind = ("Label", "Comment", "Tag", "Escalate")[number % 4]
        fields: dict[str, object] = (
            {"createLabelVals": ["mail-throttled"], "negateLabelVals": []} if kind == "Label" else {}
        )
        fields |= {"add": ["bulk"], "remove": []} if kind == "Tag" else {"comment": f"word {number}"}
        body = {
            "event": {"$type": f"tools.ozone.moderation.defs#modEvent{kind}"} | fields,
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": f"did:web:localhost%3A{number % 3 + 1}"},
            "createdBy": "did:plc:moderator",
        }
        assert service.ask("POST", EMIT, token="moderator", body=json.dumps(body).encode()).status == 200
    return service


@pytest.mark.row(90, 93, 97, 165, 265, 274, 275)
@examples(300)
@given(st.data())
def test_what_a_lexicon_allows_to_ask_is_answered_by_it(eventful: ServiceProcess, data: st.DataObject) -> None:
    """Every parameter of every query, in any combination: an answer by the lexicon, or a 4xx; never our mistake."""
    nsid = data.draw(st.sampled_from(QUERIES))
    params = data.draw(allowed(DEFS[nsid].get("parameters", {"type": "params"})))
    pairs = [(name, each) for name, value in params.items() for each in (value if isinstance(value, list) else [value])]
    query = urlencode([(name, str(each).lower() if isinstance(each, bool) else each) for name, each in pairs])
    answer = eventful.ask("GET", f"/xrpc/{nsid}?{query}", token="moderator")
    if answer.status == 200:
        LEXICONS.check_output(nsid, answer.json())
    else:
        envelope.check(answer, nsid)


@pytest.mark.row(165, 166, 167, 168, 169)
@examples(200)
@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=60), st.sampled_from(["/", "/xrpc/", ""])
)
@example("http://[::1/x", "")
@example("*", "")
@example("/xrpc/a..b", "/")
@example("%2e%2e/%00", "/xrpc/")
def test_any_target_is_answered(service: ServiceProcess, target: str, prefix: str) -> None:
    with contextlib.suppress(Cut):  # a target may end the head early, or hold what ends a line
        envelope.check(service.ask("GET", (prefix + target) or "/"))


@pytest.mark.row(118, 164, 170, 173, 177, 178, 179, 214, 220)
@examples(600)
@given(st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "get", "M"]), PATHS, FIELDS, BODIES)
def test_any_headers_are_answered(
    service: ServiceProcess, method: str, path: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    """Contradictory lengths, encodings and upgrades: answered, or cut once we have said that nothing more comes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in fields]
    if not any(name in ("Content-Length", "Transfer-Encoding") for name, _ in fields):
        lines.append(f"Content-Length: {len(body)}")
    with service.connect() as sock, contextlib.suppress(Cut, ConnectionError):
        sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        if _may_wait(fields):
            sock.shutdown(socket.SHUT_WR)
        envelope.check(read_answer(sock, head=method == "HEAD"), head=method == "HEAD")


@pytest.mark.row(169, 171)
@examples(250)
@given(st.binary(min_size=1, max_size=200), st.booleans())
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", False)
@example(b"GET / HTTP/9.9\r\n\r\n", False)
@example(b"GET / HTTP/1.1\r\nA : b\r\n\r\n", False)
def test_garbage_is_answered_or_cut(service: ServiceProcess, garbage: bytes, finished: bool) -> None:
    """Bytes that are no HTTP: the envelope, or the end of the connection once the client says it is done."""
    with service.connect() as sock, contextlib.suppress(Cut, ConnectionError):
        sock.sendall(garbage + (b"\r\n\r\n" if finished else b""))
        sock.shutdown(socket.SHUT_WR)
        envelope.check(read_answer(sock))


def _may_wait(fields: list[tuple[str, str]]) -> bool:
    return any(name in ("Content-Length", "Transfer-Encoding", "Upgrade") for name, _ in fields)
