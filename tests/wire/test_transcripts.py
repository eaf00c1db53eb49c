"""What the reference server was seen to answer, asked of ours: status, error name and headers must agree.

Where we answer otherwise on purpose, `DEVIATIONS` says with which row.
"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from labeler.atproto.frames import ErrorFrame, LabelsFrame, decode_frame

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

TRANSCRIPTS = json.loads(Path("tests/vectors/http_transcripts.json").read_text())
REFERENCE_DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
LABELS = 12  # in the log of the reference, and in ours
TOO_SLOW = "ConsumerTooSlow"  # how the harness of the reference ended its streams; not an answer to the request


class Ours(NamedTuple):
    """What we answer instead, and the row that says so."""

    row: int
    status: int
    error: str | None


DEVIATIONS = {
    "query-cursor-partial": Ours(99, 400, "InvalidRequest"),
    "query-put": Ours(164, 405, "MethodNotAllowed"),
    "query-delete": Ours(164, 405, "MethodNotAllowed"),
    "query-case": Ours(168, 501, "MethodNotImplemented"),
    "query-proto-pollution": Ours(176, 200, None),  # an unknown parameter like any other
    "subscribe-plain-get": Ours(118, 426, "UpgradeRequired"),
    "subscribe-post": Ours(118, 405, "MethodNotAllowed"),
    "emit-bad-json": Ours(172, 400, "InvalidRequest"),
    "emit-too-large": Ours(172, 413, "PayloadTooLarge"),
    "not-xrpc": Ours(169, 404, "NotFound"),  # the reference answers a web page there
    "no-prefix": Ours(169, 404, "NotFound"),
    "report-lower-bearer": Ours(214, 401, "BadJwt"),  # the scheme in any case (RFC 7235 §2.1): the token is looked at
    "internal-error": Ours(270, 401, "MissingJwt"),  # the harness made queryEvents fail on purpose; ours asks who it is
}
COMPARED_HEADERS = (
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "vary",
)


class Answer(NamedTuple):
    """One HTTP answer, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


async def ask(running: "Running", case: dict[str, Any]) -> Answer:
    """Send the request of a transcript byte for byte, to our port and with our DID."""
    request = case["request"]
    body = body_of(request)
    headers = {"host": "labeler.example.com", "connection": "close"} | request.get("headers", {})
    if body or request["method"] in ("POST", "PUT"):
        headers["content-length"] = str(len(body))
    if case["id"].startswith("emit-"):
        # The harness let nobody in after the body had passed: we give the token of somebody who may not.
        headers["authorization"] = f"Bearer {'relay' if case['response']['status'] == 403 else 'moderator'}"
    path = request["path"].replace(REFERENCE_DID, quote(running.did, safe=""))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    port = int(running.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request['method']} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    raw = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    top, _, content = raw.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    found = dict(line.split(": ", 1) for line in lines)
    found = {name.lower(): value for name, value in found.items()}
    is_json = found.get("content-type", "").startswith("application/json") and content
    return Answer(int(status.split()[1]), found, json.loads(content) if is_json else content)


def body_of(request: dict[str, Any]) -> bytes:
    body: str = request.get("body", "")
    if body.startswith("<") and body.endswith(" bytes>"):
        return b" " * int(body.strip("<>").split()[0])
    return body.encode()


def differences(case: dict[str, Any], answer: Answer) -> list[str]:
    """Hold our answer to the transcript, or to the deviation we own up to."""
    theirs = case["response"]
    error = theirs["body"].get("error") if isinstance(theirs.get("body"), dict) else None
    expected = DEVIATIONS.get(case["id"], Ours(0, theirs["status"], error))
    found = [f"{case['id']}: {answer.status}, not {expected.status}"] if answer.status != expected.status else []
    ours = answer.body.get("error") if isinstance(answer.body, dict) else None
    if ours != expected.error:
        found.append(f"{case['id']}: error {ours}, not {expected.error}")
    found += [
        f"{case['id']}: {name} is {answer.headers.get(name)}"
        for name in COMPARED_HEADERS
        if name in theirs["headers"] and answer.headers.get(name) != theirs["headers"][name]
    ]
    kind = theirs["headers"].get("content-type", "").partition(";")[0]
    if kind == "application/json" and answer.headers["content-type"].partition(";")[0] != kind:
        found.append(f"{case['id']}: content type {answer.headers['content-type']}")
    if answer.status == theirs["status"] == 200 and "uriPatterns=*" in case["request"]["path"] and answer.body:
        found += page_differences(case["id"], theirs["body"], answer.body)
    return found


def page_differences(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """As many labels, the same cursor; but none where nothing follows (row 104)."""
    if not isinstance(theirs.get("labels"), str):
        return []
    count = int(theirs["labels"].strip("<>").split()[0])
    cursor = theirs.get("cursor") if theirs.get("cursor") != str(LABELS) else None
    same = (len(ours["labels"]), ours.get("cursor")) == (count, cursor)
    return [] if same else [f"{name}: {len(ours['labels'])} labels, cursor {ours.get('cursor')}"]


async def fill(running: "Running") -> None:
    for number in range(LABELS):
        await running.label(f"did:plc:m{number}", "mail-throttled")


@pytest.mark.row(*range(89, 95), *range(97, 106), 116, 118)
@pytest.mark.row(*range(163, 173), *range(174, 180), *range(181, 186), 329)
async def test_every_http_transcript_is_answered_as_the_reference_does_or_as_a_row_says(
    installation: "Installation",
) -> None:
    async with installation.serving() as running:
        await fill(running)
        found: list[str] = []
        for case in TRANSCRIPTS["http"]:
            found += differences(case, await ask(running, case))
    assert found == []


def test_every_deviation_is_one() -> None:
    """A deviation that agrees with the reference, or is of nothing in the file, would hide what it does not excuse."""
    cases = {case["id"]: case["response"] for case in TRANSCRIPTS["http"]}
    assert set(cases) >= set(DEVIATIONS)
    for name, ours in DEVIATIONS.items():
        body = cases[name].get("body")
        error = body.get("error") if isinstance(body, dict) else None
        assert (cases[name]["status"], error) != (ours.status, ours.error), name


def streams() -> dict[str, dict[str, Any]]:
    return {case["id"]: case for case in TRANSCRIPTS["websocket"]}


def connect(running: "Running", case: dict[str, Any]) -> Any:
    offers = [Subprotocol("xrpc.v1.json")] if case["id"] == "subprotocol-offer" else None
    return websockets.connect(running.ws_url + case["path"], subprotocols=offers, compression=None)


async def read_to_the_end(running: "Running", case: dict[str, Any]) -> tuple[list[bytes], int, str, str | None]:
    """Receive everything until the server closes."""
    received: list[bytes] = []
    async with asyncio.timeout(10), connect(running, case) as ws:
        try:
            async for message in ws:
                assert isinstance(message, bytes)
                received.append(message)
        except ConnectionClosed:
            pass
        return received, ws.close_code or 0, ws.close_reason or "", ws.subprotocol


@pytest.mark.row(120, 121, 125, 126, 127, 128, 129, 132, 154)
@pytest.mark.parametrize(
    "name", ["cursor-future", "cursor-bad", "cursor-float", "cursor-twice", "cursor-negative", "subprotocol-offer"]
)
async def test_a_stream_that_is_refused_ends_as_the_reference_s_does(installation: "Installation", name: str) -> None:
    """Row 129: a negative cursor is refused like one that is no number; the reference replays everything.
    Row 154: a subprotocol that was offered is not agreed to; the reference agrees to whatever it is offered."""
    case = streams()[name]
    theirs = case["result"] if name != "cursor-negative" else streams()["cursor-bad"]["result"]
    async with installation.serving() as running:
        await fill(running)
        (raw,), code, reason, subprotocol = await read_to_the_end(running, case)
    assert (code, reason, subprotocol) == (theirs["closeCode"], theirs["closeReason"], None)
    error = decode_frame(raw)
    assert isinstance(error, ErrorFrame)
    expected = bytes.fromhex(theirs["messages"][0]["hex"].rstrip("…"))
    assert raw.startswith(expected[:7]), "the header, byte for byte"
    assert error.error == theirs["closeReason"]
    if error.error == "FutureCursor":
        assert raw == expected


@pytest.mark.row(123, 130, 131, 133, 134, 327)
async def test_a_stream_begins_where_the_reference_s_does(installation: "Installation") -> None:
    """Up to where the harness of the reference stopped; ours goes on live."""
    async with installation.serving() as running:
        await fill(running)
        expected = {"cursor-0": range(1, LABELS + 1), "cursor-10": range(11, LABELS + 1)}
        expected |= dict.fromkeys(("cursor-last", "live-only", "cursor-empty"), range(0))
        for name, seqs in expected.items():
            theirs = streams()[name]["result"]
            told = theirs["count"] - (theirs["closeReason"] == TOO_SLOW)
            assert told == len(seqs), "the transcript says the same"
        sockets = {name: await connect(running, streams()[name]) for name in expected}
        await running.label("did:plc:later", "mail-throttled")
        for name, seqs in expected.items():
            found = []
            for _ in range(len(seqs) + 1):
                frame = decode_frame(await asyncio.wait_for(sockets[name].recv(), 10))
                assert isinstance(frame, LabelsFrame)
                found.append(frame.seq)
            assert found == [*seqs, LABELS + 1], name
            await sockets[name].close()


@pytest.mark.row(119)
@pytest.mark.parametrize(
    ("name", "status", "error"),
    [("unknown-endpoint", 501, "MethodNotImplemented"), ("query-endpoint", 404, "XRPCNotSupported")],
)
async def test_an_upgrade_the_reference_drops_without_a_word_is_answered(
    installation: "Installation", name: str, status: int, error: str
) -> None:
    assert streams()[name]["result"]["error"] == "socket hang up"
    async with installation.serving() as running:
        with pytest.raises(InvalidStatus) as refused:
            await connect(running, streams()[name])
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["error"] == error
