"""Bytes off the wire, as clients of somebody else's labeler meet them: a value or `BadInput`, never anything else."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto import cbor
from labeler.atproto.frames import LabelsFrame, decode_frame, labels_frame
from labeler.atproto.json_text import parse_json
from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label
from labeler.atproto.syntax import is_cid, is_did, is_handle, is_nsid, is_uri, parse_datetime
from labeler.errors import BadInput
from tests.fuzz.budget import examples
from tests.fuzz.lexicon_values import JSON

VECTORS = Path("tests/vectors")
SLOW_S = 1.0  # no input of a few kilobytes takes longer to judge


def byte_strings(name: str) -> list[bytes]:
    """Every byte string in one file of vectors, whatever it is called there."""
    found: dict[bytes, None] = {}

    def walk(value: Any, field: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, key)
        elif isinstance(value, list):
            for item in value:
                walk(item, field)
        elif isinstance(value, str) and field.lower().endswith("hex") and len(value) % 2 == 0:
            found[bytes.fromhex(value)] = None

    walk(json.loads((VECTORS / name).read_text(encoding="utf-8")), "")
    return list(found)


SEEDS = [raw for name in ("frames.json", "labels.json", "invalid.json") for raw in byte_strings(name) if raw]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Take a byte string of the vectors and flip, cut, insert, repeat or splice."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(raw)))
        match draw(st.integers(0, 4)):
            case 0 if place < len(raw):
                raw[place] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del raw[place : place + draw(st.integers(1, 9))]
            case 2:
                raw[place:place] = draw(st.binary(max_size=9))
            case 3:
                raw += raw[place:]
            case _:
                raw[place:] = draw(st.sampled_from(SEEDS))[place:]
    return bytes(raw)


BYTES = st.one_of(mutated(), mutated(), st.binary(max_size=120))


def judged(call: Any, *arguments: Any) -> Any:
    """Return what `call` makes of it, None for `BadInput`; anything else, and anything slow, is a failure."""
    began = time.perf_counter()
    try:
        return call(*arguments)
    except BadInput:
        return None
    finally:
        assert time.perf_counter() - began < SLOW_S


def test_there_are_seeds() -> None:
    assert len(SEEDS) > 200


@pytest.mark.row(39, 40, 41, 42)
@examples(1000)
@given(BYTES)
@example(b"\x81" * 5000)
@example(b"\x9b" + b"\xff" * 8)
@example(b"\xbb" + b"\x7f" * 8 + b"\x61a")
def test_cbor_is_a_value_or_bad_input(raw: bytes) -> None:
    """What is accepted is canonical: encoding it again gives the same bytes."""
    value = judged(cbor.decode, raw)
    if value is not None:
        assert cbor.encode(value) == raw


@pytest.mark.row(120, 121, 122, 123, 124, 125, 156)
@examples(1000)
@given(BYTES, st.booleans())
def test_a_frame_is_a_frame_or_bad_input(raw: bytes, tolerant: bool) -> None:
    """Whatever is taken for a label can be written again, and its signature judged."""

    def decode() -> Any:
        return decode_frame(raw, tolerant=tolerant)

    frame = judged(decode)
    if isinstance(frame, LabelsFrame):
        for label in frame.labels:
            assert Label.from_map(cbor.decode(label.to_bytes())) == label
            assert isinstance(verify_label(label, KEY), bool)


KEY = PublicKey.from_did_key("did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme")


@pytest.mark.row(1, 2, 12, 24, 27, 28, 30, 59)
@examples(400)
@given(
    st.dictionaries(st.sampled_from(["ver", "src", "uri", "val", "cts", "cid", "neg", "exp", "sig", "x"]), JSON), JSON
)
def test_a_label_in_json_is_a_label_or_bad_input(fields: dict[str, Any], other: Any) -> None:
    good = {
        "ver": 1,
        "src": "did:plc:alice",
        "uri": "did:plc:bob",
        "val": "mail-throttled",
        "cts": "2026-01-01T00:00:00.000Z",
        "sig": {"$bytes": "A" * 86},
    }
    judged(Label.from_json, other)
    label = judged(Label.from_json, {**good, **fields})
    if label is not None:
        assert Label.from_json(label.to_json()) == label
        frame = decode_frame(labels_frame(1, label.to_bytes()))
        assert isinstance(frame, LabelsFrame)
        assert frame.labels == (label,)


@pytest.mark.row(190)
@examples(500)
@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()) | st.text(max_size=80))
@example(b"[" * 100_000)
@example(b"9" * 100_000)
@example('{"a":"\\ud800"}')
def test_json_is_a_value_or_bad_input(raw: bytes | str) -> None:
    value = judged(parse_json, raw)
    if value is not None:
        json.dumps(value, allow_nan=True, ensure_ascii=False).encode()


@pytest.mark.row(5, 7, 8, 13, 31, 168)
@examples(400)
@given(st.text(max_size=60) | st.text("did:webplc.%-_/@#?09TZ+", max_size=60))
@example("did:web:" + "a" * 100_000)
@example("a." * 50_000)
@example("2026-01-01T00:00:00." + "0" * 100_000 + "Z")
@example("٢٠٢٦-01-01T00:00:00Z")
def test_syntax_is_judged_without_a_fuss(text: str) -> None:
    for judge in (is_did, is_handle, is_nsid, is_uri, is_cid):
        assert judged(judge, text) in (True, False)
    judged(parse_datetime, text)


@pytest.mark.row(51)
@examples(300)
@given(
    st.text("did:key:z123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=70) | st.text(max_size=70)
)
@example("did:key:z" + "1" * 100_000)
@example("did:key:z" + "z" * 20_000)
def test_a_key_is_a_key_or_bad_input(text: str) -> None:
    judged(PublicKey.from_did_key, text)
    judged(PublicKey.from_did_key, "did:key:z" + text)
    judged(PublicKey.from_multikey, text)
