"""The canonical codec under arbitrary values and bytes, beside two independent codecs."""

from typing import Any

import cbor2
import dag_cbor
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto.cbor import Link, decode, decode_sequence, encode
from labeler.errors import BadInput

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=80)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=6)
    ),
    max_leaves=30,
)
CIDS = st.builds(
    lambda codec, digest: b"\x01" + codec + b"\x12\x20" + digest,
    st.sampled_from([b"\x55", b"\x71"]),
    st.binary(min_size=32, max_size=32),
)


@given(VALUES)
@pytest.mark.row(36, 37, 39)
def test_a_value_comes_back_and_its_bytes_are_those_of_two_other_codecs(value: Any) -> None:
    """Row 342: dag-cbor and cbor2 in canonical mode write the same bytes."""
    raw = encode(value)
    assert decode(raw) == value
    assert raw == cbor2.dumps(value, canonical=True)
    assert raw == dag_cbor.encode(value)
    assert dag_cbor.decode(raw) == value


@given(CIDS)
def test_links_and_bytes_never_turn_into_each_other(cid: bytes) -> None:
    link = encode(Link(cid))
    assert link == cbor2.dumps(cbor2.CBORTag(42, b"\0" + cid))
    assert decode(link) == Link(cid)
    assert decode(encode(cid)) == cid


@given(st.lists(VALUES, max_size=4))
def test_a_sequence_comes_back(values: list[Any]) -> None:
    assert decode_sequence(b"".join(map(encode, values))) == values


@given(st.binary(max_size=64))
@example(b"\x1b" + b"\xff" * 8)
@example(b"\xd8\x2a" * 100)
@pytest.mark.row(36, 39)
def test_bytes_that_decode_are_the_bytes_that_encode(raw: bytes) -> None:
    """One value, one encoding: whatever is taken comes out as it went in; nothing but `BadInput` is raised."""
    try:
        value = decode(raw)
    except BadInput:
        return
    assert encode(value) == raw


@given(VALUES, st.data())
@pytest.mark.row(39)
def test_no_other_bytes_stand_for_the_same_value(value: Any, data: st.DataObject) -> None:
    """Flip a bit of a good encoding: it is refused, or it means something else."""
    raw = bytearray(encode(value))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        other = decode(bytes(raw))
    except BadInput:
        return
    assert encode(other) == bytes(raw) != encode(value)


@given(st.binary(max_size=48))
def test_we_are_at_least_as_strict_as_dag_cbor(raw: bytes) -> None:
    """What we take, a strict independent decoder takes too and reads the same (links, which it types itself, aside)."""
    try:
        value = decode(raw)
    except BadInput:
        return
    if "Link" not in repr(value):
        assert dag_cbor.decode(raw) == value


@given(VALUES, st.binary(min_size=1, max_size=8))
@pytest.mark.row(40)
def test_nothing_may_follow_the_item(value: Any, more: bytes) -> None:
    with pytest.raises(BadInput):
        decode(encode(value) + more)
