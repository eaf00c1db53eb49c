"""Labels and frames under arbitrary fields and bytes: what is signed verifies, what is touched does not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto import cbor
from labeler.atproto.curves import CURVES
from labeler.atproto.frames import (
    ErrorFrame,
    InfoFrame,
    LabelsFrame,
    decode_frame,
    error_frame,
    info_frame,
    labels_frame,
)
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.atproto.label import Label, sign_label, verify_label
from labeler.atproto.syntax import format_datetime, is_label_value, parse_datetime
from labeler.errors import BadInput

SECRETS = st.builds(
    lambda number, curve: PrivateKey.from_bytes(number.to_bytes(32, "big"), curve),
    st.integers(1, 2**255),  # below the order of either curve
    st.sampled_from(CURVES),
)
MOMENTS = st.datetimes(timezones=st.just(UTC)).map(format_datetime)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LABELS = st.builds(
    Label,
    src=st.sampled_from(["did:web:labeler.example.com", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"]),
    uri=st.from_regex(r"\Aat://did:plc:[a-z2-7]{24}/[a-z]{2,9}\.[a-z]{2,9}\.[a-z]{2,9}/[a-z0-9]{1,13}\Z"),
    val=TEXT.filter(is_label_value),
    cts=MOMENTS,
    cid=st.none() | st.binary(min_size=36, max_size=200).map(cbor.cid_of),
    neg=st.sampled_from([None, True]),
    exp=st.none() | MOMENTS,
)


@given(LABELS, SECRETS)
@pytest.mark.row(56)
def test_a_signed_label_verifies_in_every_form(label: Label, key: PrivateKey) -> None:
    signed = sign_label(label, key)
    assert verify_label(signed, key.public_key)
    assert sign_label(label, key) == signed
    assert Label.from_json(signed.to_json()) == Label.from_map(cbor.decode(signed.to_bytes())) == signed
    assert PublicKey.from_did_key(key.public_key.did_key).verify(label.unsigned_bytes(), signed.sig or b"")


@given(LABELS, SECRETS, st.integers(0, 511))
@pytest.mark.row(44)
def test_one_flipped_bit_of_the_signature_breaks_it(label: Label, key: PrivateKey, bit: int) -> None:
    signed = sign_label(label, key)
    assert signed.sig is not None
    assert not verify_label(replace(signed, sig=flipped(signed.sig, bit)), key.public_key)


@given(LABELS, SECRETS, st.data())
@pytest.mark.row(43)
def test_one_flipped_bit_of_the_signed_bytes_breaks_it(label: Label, key: PrivateKey, data: st.DataObject) -> None:
    raw = label.unsigned_bytes()
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    signature = key.sign(raw)
    assert key.public_key.verify(raw, signature)
    assert not key.public_key.verify(flipped(raw, bit), signature)


@given(LABELS, SECRETS, st.integers(1, 2**53 - 1))
def test_a_label_comes_out_of_its_frame_as_it_went_in(label: Label, key: PrivateKey, seq: int) -> None:
    """The spliced frame is the canonical encoding of the same payload."""
    signed = sign_label(label, key)
    raw = labels_frame(seq, signed.to_bytes())
    assert raw == cbor.encode({"op": 1, "t": "#labels"}) + cbor.encode({"seq": seq, "labels": [signed.to_map()]})
    assert decode_frame(raw) == LabelsFrame(seq, (signed,))


@given(TEXT, st.none() | TEXT)
def test_infos_and_errors_come_back(name: str, message: str | None) -> None:
    assert decode_frame(info_frame(name, message)) == InfoFrame(name, message)
    assert decode_frame(error_frame(name, message)) == ErrorFrame(name, message)


LOOSE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["#labels", "#info", "x"]) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["op", "t", "seq", "labels", "name", "message", "error", "ver", "sig", "src", "uri", "val"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200))
@example(b"\xa2\x61t\x67#labels\x62op\x01")
def test_random_bytes_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    for tolerant in (False, True):
        try:
            decode_frame(raw, tolerant=tolerant)
        except BadInput:
            continue


@given(LOOSE, LOOSE)
def test_well_formed_nonsense_is_refused_and_nothing_else_happens(header: Any, payload: Any) -> None:
    """Canonical CBOR, right names, wrong types everywhere."""
    for raw in (
        cbor.encode(header) + cbor.encode(payload),
        cbor.encode({"op": 1, "t": "#labels"}) + cbor.encode({"seq": 1, "labels": [payload]}),
    ):
        try:
            decode_frame(raw)
        except BadInput:
            continue


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_datetime_we_write_is_read_back_to_the_millisecond(moment: datetime) -> None:
    text = format_datetime(moment)
    assert parse_datetime(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert format_datetime(parse_datetime(text)) == text


@given(st.text(max_size=80))
def test_any_text_is_a_datetime_or_refused(text: str) -> None:
    try:
        parse_datetime(text)
    except BadInput:
        return
    assert text.isascii()


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
