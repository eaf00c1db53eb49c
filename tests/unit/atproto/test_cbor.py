"""The canonical codec: the bytes of the specification out, those bytes only in."""

import json
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto.cbor import MAX_DEPTH, Link, cid_of, decode, decode_sequence, encode
from labeler.errors import BadInput

DIDS = json.loads((Path(__file__).parents[2] / "vectors" / "dids.json").read_text())
DIGEST = bytes(range(32))
CID_BYTES = b"\x01\x71\x12\x20" + DIGEST
LINK_HEX = "d82a582500" + CID_BYTES.hex()

PAIRS: list[tuple[Any, str]] = [
    (None, "f6"),
    (False, "f4"),
    (True, "f5"),
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (65_535, "19ffff"),
    (65_536, "1a00010000"),
    (2**32 - 1, "1affffffff"),
    (2**32, "1b0000000100000000"),
    (2**64 - 1, "1bffffffffffffffff"),
    (-1, "20"),
    (-24, "37"),
    (-25, "3818"),
    (-(2**64), "3bffffffffffffffff"),
    ("", "60"),
    ("a", "6161"),
    ("é", "62c3a9"),
    ("a" * 24, "7818" + "61" * 24),
    (b"", "40"),
    (b"\x00\xff", "4200ff"),
    ([], "80"),
    ([1, [2]], "82018102"),
    ({}, "a0"),
    ({"seq": 1, "labels": []}, "a26373657101666c6162656c7380"),
    ({"t": "#labels", "op": 1}, "a2617467236c6162656c73626f7001"),
    ({"b" * 24: 1, "z": 2}, "a2617a027818" + "62" * 24 + "01"),
    (Link(CID_BYTES), LINK_HEX),
    (Link(b"\x01\x55\x12\x20" + DIGEST), "d82a58250001551220" + DIGEST.hex()),
]


@pytest.mark.parametrize(("value", "text"), PAIRS, ids=[text[:20] for _, text in PAIRS])
@pytest.mark.row(36, 37, 38, 39)
def test_values_and_bytes_correspond(value: object, text: str) -> None:
    """Rows 37 to 39: shortest heads, definite lengths, shorter keys first."""
    assert encode(value).hex() == text
    decoded = decode(bytes.fromhex(text))
    assert decoded == value
    assert type(decoded) is type(value)


def test_bytes_that_look_like_a_cid_stay_bytes() -> None:
    """A signature may begin like a CID; some codecs would turn it into a link."""
    signature = b"\x01\x55\x12\x3c" + bytes(60)
    assert encode(signature) == b"\x58\x40" + signature
    assert encode(CID_BYTES) == b"\x58\x24" + CID_BYTES
    assert decode(encode(CID_BYTES)) == CID_BYTES


def test_a_tuple_is_encoded_as_a_list() -> None:
    assert encode((1, "a")) == encode([1, "a"])


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**64,
        -(2**64) - 1,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {b"a": 1},
        {"a": 1.5},
        [object()],
        {1, 2},
    ],
    ids=ascii,
)
@pytest.mark.row(39, 41)
def test_what_the_data_model_lacks_is_not_encoded(value: object) -> None:
    with pytest.raises(BadInput, match="CBOR"):
        encode(value)


@pytest.mark.parametrize("cid", [b"", CID_BYTES[:-1], CID_BYTES + b"\0", b"\x01\x70\x12\x20" + DIGEST])
@pytest.mark.row(13)
def test_a_link_holds_a_blessed_cid(cid: bytes) -> None:
    with pytest.raises(BadInput, match="CID"):
        encode(Link(cid))
    inner = b"\0" + cid
    with pytest.raises(BadInput, match="CID"):
        decode(b"\xd8\x2a\x58" + bytes((len(inner),)) + inner if len(inner) >= 24 else b"\xd8\x2a\x41\x00")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "too early"),
        ("18", "too early"),
        ("1900", "too early"),
        ("1b00000000000000", "too early"),
        ("61", "too early"),
        ("42ff", "too early"),
        ("81", "too early"),
        ("a1", "too early"),
        ("a16161", "too early"),
        ("9bffffffffffffffff", "too early"),
        ("bbffffffffffffffff", "too early"),
        ("5bffffffffffffffff", "too early"),
        ("7bffffffffffffffff", "too early"),
        ("1817", "longer than"),
        ("1900ff", "longer than"),
        ("1a0000ffff", "longer than"),
        ("1b00000000ffffffff", "longer than"),
        ("3817", "longer than"),
        ("780161", "longer than"),
        ("580100", "longer than"),
        ("980101", "longer than"),
        ("b801616101", "longer than"),
        ("1c", "indefinite"),
        ("5f4100ff", "indefinite"),
        ("7f6161ff", "indefinite"),
        ("9fff", "indefinite"),
        ("bfff", "indefinite"),
        ("f7", "simple"),
        ("e0", "simple"),
        ("f0", "simple"),
        ("f8ff", "simple"),
        ("f814", "simple"),
        ("f93c00", "floats"),
        ("fa3f800000", "floats"),
        ("fb3ff0000000000000", "floats"),
        ("f97e00", "floats"),
        ("ff", "simple"),
        ("61ff", "UTF-8"),
        ("62c080", "UTF-8"),
        ("63eda080", "UTF-8"),
        ("a10101", "keys are strings"),
        ("a1416101", "keys are strings"),
        ("a1f601", "keys are strings"),
        ("a2616101616102", "out of order or double"),
        ("a2616201616102", "out of order or double"),
        ("a262616101616201", "out of order or double"),
        ("c06161", "tag"),
        ("c24101", "tag"),
        ("d9d9f7f6", "tag"),
        ("d82a6161", "link"),
        ("d82a40", "link"),
        ("d82a5825ff" + CID_BYTES.hex(), "link"),
        ("d82a80", "link"),
        ("d82a", "link"),
        ("d82a5825000171", "too early"),
        ("d82a" + LINK_HEX, "link"),
        ("0101", "bytes after"),
        ("f600", "bytes after"),
    ],
)
@pytest.mark.row(37, 39, 40, 41, 42)
def test_only_canonical_bytes_are_taken(text: str, why: str) -> None:
    """Rows 39 to 42: strictness is ours, because the usual decoders let much of this pass."""
    with pytest.raises(BadInput, match=why):
        decode(bytes.fromhex(text))


@pytest.mark.parametrize("wrap", [b"\x81", b"\xa1\x61a"], ids=["lists", "maps"])
def test_nesting_is_bounded(wrap: bytes) -> None:
    """However deep the input, the process lives: 64 levels pass, the next one does not, nor do a hundred thousand."""
    decode(wrap * MAX_DEPTH + b"\x01")
    for depth in (MAX_DEPTH + 1, 5_000, 100_000):
        with pytest.raises(BadInput, match="deep"):
            decode(wrap * depth + b"\x01")


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}], ids=["lists", "maps"])
def test_nesting_is_bounded_on_the_way_out(wrap: Any) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert decode(encode(value)) == value
    with pytest.raises(BadInput, match="deep"):
        encode(wrap(value))


@pytest.mark.row(120)
def test_a_sequence_is_items_back_to_back() -> None:
    assert decode_sequence(b"") == []
    assert decode_sequence(bytes.fromhex("a0" + "01" + "6161")) == [{}, 1, "a"]
    with pytest.raises(BadInput, match="too early"):
        decode_sequence(bytes.fromhex("a061"))


@pytest.mark.parametrize(
    ("operation", "cid"),
    list(zip(DIDS["plc"]["operations"], DIDS["plc"]["cids"], strict=True)),
    ids=["genesis", "add-labeler", "rotate-label-key"],
)
@pytest.mark.row(230)
def test_plc_operations_have_the_bytes_and_cids_of_the_reference(operation: dict[str, Any], cid: str) -> None:
    """Row 230: another signed object in the same encoding, with maps inside maps."""
    unsigned = {key: value for key, value in operation["operation"].items() if key != "sig"}
    assert encode(unsigned).hex() == operation["unsignedCborHex"]
    assert encode(operation["operation"]).hex() == operation["signedCborHex"]
    assert decode(bytes.fromhex(operation["signedCborHex"])) == operation["operation"]
    assert cid_of(bytes.fromhex(operation["signedCborHex"])) == cid
