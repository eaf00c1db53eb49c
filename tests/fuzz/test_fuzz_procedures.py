"""Bodies out of our own lexicons: what they allow is never a 500, what misses them by one fault is told so."""

import gzip
import json
from functools import cache
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import envelope
from tests.fuzz.budget import examples
from tests.fuzz.lexicon_values import DEFS, JSON, allowed, endpoints, near_misses
from tests.service_process import TOKENS, ServiceProcess

SUBMIT_EVENTS = "email.atmos.telemetry.submitEvents"  # judges each event by itself: test_fuzz_events.py
PROCEDURES = endpoints("procedure")
STRICT = [nsid for nsid in PROCEDURES if nsid != SUBMIT_EVENTS]


def schema_of(nsid: str) -> dict[str, Any]:
    found: dict[str, Any] = DEFS[nsid].get("input", {}).get("schema", {"type": "object"})
    return found


@cache
def token_for(service: int, nsid: str) -> str | None:
    """Find a caller whom the method lets through to its body; None where it is not served here."""
    running = RUNNING[service]
    for token in TOKENS.values():
        status = running.ask("POST", f"/xrpc/{nsid}", token=token, body=b"{}").status
        if status == 501:
            return None
        if status not in (401, 403):
            return token
    return None


RUNNING: dict[int, ServiceProcess] = {}


def post(service: ServiceProcess, nsid: str, body: bytes, **headers: str) -> dict[str, Any] | None:
    RUNNING[service.port] = service
    token = token_for(service.port, nsid)
    return envelope.check(service.ask("POST", f"/xrpc/{nsid}", token=token, body=body, **headers), nsid)


def served(service: ServiceProcess, nsid: str) -> bool:
    RUNNING[service.port] = service
    return token_for(service.port, nsid) is not None


@pytest.mark.row(169, 171, 182, 183)
@examples(150)
@given(st.data())
def test_what_a_lexicon_allows_is_never_our_mistake(service: ServiceProcess, data: st.DataObject) -> None:
    nsid = data.draw(st.sampled_from(PROCEDURES))
    body = data.draw(allowed(schema_of(nsid)))
    post(service, nsid, json.dumps(body).encode())


@pytest.mark.row(169, 181, 182)
@examples(300)
@given(st.data())
def test_one_fault_is_a_400(service: ServiceProcess, data: st.DataObject) -> None:
    """Left out, of the wrong type, out of range, a float, a null: InvalidRequest, and the message names the place."""
    nsid = data.draw(st.sampled_from(STRICT))
    fault, body = data.draw(near_misses(schema_of(nsid)))
    told = post(service, nsid, json.dumps(body).encode())
    if served(service, nsid):
        assert told is not None, (fault, body)
        assert told["error"] == "InvalidRequest", (fault, told)


@pytest.mark.row(169, 172, 190)
@examples(200)
@given(st.sampled_from(PROCEDURES), JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
def test_what_is_no_input_is_a_400(service: ServiceProcess, nsid: str, body: bytes) -> None:
    told = post(service, nsid, body)
    if served(service, nsid):
        assert told is not None


@pytest.mark.row(190)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"event":' * 10_000,
        b'{"a":NaN}',
        b'{"a":1,"a":1}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 90_000 + b"}",
        b'{"a":"\\ud800"}',
        b"\xff\xfe{}",
        b'{"events":[' + b"[" * 50_000,
        b'{"events":' + b"9" * 90_000 + b"}",
    ],
    ids=[
        "deep list",
        "deep map",
        "NaN",
        "twice",
        "1e999",
        "digits",
        "surrogate",
        "utf-16",
        "deep event",
        "events digits",
    ],
)
def test_json_that_parsers_disagree_about_is_a_400(service: ServiceProcess, body: bytes) -> None:
    for nsid in PROCEDURES:
        if served(service, nsid):
            assert post(service, nsid, body) is not None, nsid


@pytest.mark.row(169, 180)
@examples(120)
@given(
    st.sampled_from(PROCEDURES),
    st.sampled_from(["gzip", "zstd"]),
    st.integers(0, 60),
    st.binary(min_size=1, max_size=3),
)
def test_damaged_compression_is_a_400(
    service: ServiceProcess, nsid: str, encoding: str, place: int, damage: bytes
) -> None:
    plain = json.dumps({"events": [], "event": {"$type": "x#y"}, "subject": {}, "createdBy": "did:plc:x"}).encode()
    raw = gzip.compress(plain, mtime=0) if encoding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    damaged = raw[:place] + damage + raw[place + len(damage) :]
    post(service, nsid, damaged, Content_Encoding=encoding)
