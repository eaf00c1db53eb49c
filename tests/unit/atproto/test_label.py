"""Labels: the vectors byte for byte, and everything a strict reader refuses."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto import cbor
from labeler.atproto.json_text import parse_json
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.atproto.label import Label, sign_label, verify_label
from labeler.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors"
FILE = json.loads((VECTORS / "labels.json").read_text())
KEYS = {key["id"]: key for key in FILE["keys"]}
K256 = [vector for vector in FILE["labels"] if KEYS[vector["key"]]["curve"] == "k256"]
P256 = [vector for vector in FILE["labels"] if KEYS[vector["key"]]["curve"] == "p256"]
INTEROP = {vector["id"]: vector for vector in FILE["interop"]}
INVALID = json.loads((VECTORS / "invalid.json").read_text())["labels"]

SRC = "did:web:labeler.example.com"
SUBJECT = "did:plc:44ybard66vv44zksje25o7dz"
CTS = "2026-01-15T12:00:00.000Z"
KEY = PrivateKey.from_hex("05" * 32)
SIGNED = sign_label(Label(SRC, SUBJECT, "mail-throttled", CTS, exp="2026-01-16T12:00:00.000Z"), KEY)


def name(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def key_of(vector: dict[str, Any]) -> PrivateKey:
    return PrivateKey.from_multikey(KEYS[vector["key"]]["privateKeyMultikey"])


def test_the_selection_is_not_empty() -> None:
    """Every vector is in one of the two lists, and both are as long as they should be."""
    assert (len(K256), len(P256)) == (57, 17)
    assert len(K256) + len(P256) == len(FILE["labels"])


@pytest.mark.row(1, 6, 16, 18, 24, 25, 26, 27, 33, 35, 36, 37, 43, 44, 45, 47, 49, 55, 56, 60)
@pytest.mark.parametrize("vector", FILE["labels"], ids=name)
def test_a_label_of_the_reference_comes_out_byte_for_byte(vector: dict[str, Any]) -> None:
    """Unsigned bytes, digest, signature, signed bytes, JSON, and back; on both curves."""
    label = Label.from_json(vector["label"])
    key = key_of(vector)
    assert label.unsigned_bytes().hex() == vector["unsignedCborHex"]
    assert hashlib.sha256(label.unsigned_bytes()).hexdigest() == vector["sha256Hex"]
    assert sign_label(replace(label, sig=None), key).sig == bytes.fromhex(vector["sigHex"])
    assert label.to_bytes().hex() == vector["signedCborHex"]
    assert verify_label(label, PublicKey.from_did_key(KEYS[vector["key"]]["didKey"]))
    assert label.to_json() == vector["label"]
    assert Label.from_map(cbor.decode(bytes.fromhex(vector["signedCborHex"]))) == label


@pytest.mark.row(57)
def test_a_label_that_signs_neg_false_is_verified_as_it_came() -> None:
    """Row 57: another implementation signs and serves `neg: false`."""
    vector = INTEROP["skyware-neg-false"]
    label = Label.from_json(vector["label"])
    public_key = key_of(vector).public_key
    assert label.neg is False
    assert label.unsigned_bytes().hex() == vector["unsignedCborHex"]
    assert verify_label(label, public_key)
    assert label.to_json() == vector["label"]
    assert not verify_label(replace(label, neg=None), public_key)
    assert not verify_label(Label.from_json(INTEROP["skyware-neg-true"]["label"] | {"neg": False}), public_key)
    assert verify_label(Label.from_json(INTEROP["skyware-neg-true"]["label"]), public_key)


@pytest.mark.row(1, 2)
def test_a_label_without_ver_is_refused() -> None:
    """Rows 1 and 2: `ver` is required on transfer, whatever the signature covers."""
    with pytest.raises(BadInput, match="ver"):
        Label.from_json(INTEROP["no-ver"]["label"])


def test_a_label_of_the_live_network_verifies() -> None:
    """Row 345: signed by another implementation, long before this one."""
    (vector,) = FILE["external"]
    label = Label.from_json(vector["label"])
    assert verify_label(label, PublicKey.from_did_key(vector["didKey"]))
    assert not verify_label(replace(label, val="spam"), PublicKey.from_did_key(vector["didKey"]))


def selected(layer: str) -> list[dict[str, Any]]:
    return [vector for vector in INVALID if vector["layer"] == layer]


def test_every_layer_of_the_invalid_vectors_is_read() -> None:
    counts = {layer: len(selected(layer)) for layer in ("signature", "signed-bytes", "wire-cbor", "schema", "json")}
    assert counts == {"signature": 42, "signed-bytes": 13, "wire-cbor": 38, "schema": 43, "json": 9}
    assert sum(counts.values()) == len(INVALID)
    curves = [vector["key"][:4] for vector in selected("signature")]
    assert (curves.count("k256"), curves.count("p256")) == (22, 20)


@pytest.mark.row(43, 44, 45, 46, 47)
@pytest.mark.parametrize("vector", selected("signature"), ids=name)
def test_a_bad_signature_does_not_verify(vector: dict[str, Any]) -> None:
    """The label is well-formed; only its signature is wrong. On both curves."""
    label = Label.from_json(vector["label"])
    assert not verify_label(label, PublicKey.from_did_key(vector["didKey"]))


@pytest.mark.parametrize("vector", selected("signed-bytes"), ids=name)
@pytest.mark.row(29, 35, 36, 37, 38, 39, 43, 56)
def test_a_signature_over_other_bytes_does_not_verify(vector: dict[str, Any]) -> None:
    """Rows 29, 35 to 43: only the canonical bytes of the fields that came are what was signed."""
    label = Label.from_json(vector["label"])
    public_key = PublicKey.from_did_key(vector["didKey"])
    assert label.unsigned_bytes().hex() == vector["canonicalUnsignedCborHex"]
    assert label.sig is not None
    assert public_key.verify(bytes.fromhex(vector["signedOverHex"]), label.sig)
    assert not verify_label(label, public_key)


@pytest.mark.parametrize("vector", selected("wire-cbor"), ids=name)
@pytest.mark.row(28, 36, 37, 39, 40, 41, 42)
def test_a_label_in_other_cbor_is_refused(vector: dict[str, Any]) -> None:
    """Rows 36 to 42: canonical bytes or nothing."""
    with pytest.raises(BadInput):
        Label.from_map(cbor.decode(bytes.fromhex(vector["signedCborHex"])))


@pytest.mark.parametrize("vector", selected("schema"), ids=name)
@pytest.mark.row(1, 2, 3, 5, 6, 7, 12, 16, 17, 25, 26, 31, 32)
def test_a_field_that_breaks_the_schema_is_refused(vector: dict[str, Any]) -> None:
    """Rows 1 to 33: the signature is valid in all of these, so only the schema can refuse them."""
    assert PublicKey.from_did_key(vector["didKey"]).verify(
        bytes.fromhex(vector["unsignedCborHex"]), bytes.fromhex(vector["sigHex"])
    )
    with pytest.raises(BadInput):
        Label.from_json(vector["label"])
    with pytest.raises(BadInput):
        Label.from_map(vector["label"] | {"sig": bytes.fromhex(vector["sigHex"])})


@pytest.mark.parametrize("vector", selected("json"), ids=name)
@pytest.mark.row(27, 59)
def test_a_label_in_loose_json_is_refused(vector: dict[str, Any]) -> None:
    """Rows 27 and 59: one reading of the text, one form of bytes."""
    with pytest.raises(BadInput):
        Label.from_json(parse_json(vector["jsonText"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ver", True),
        ("ver", 1.0),
        ("ver", "1"),
        ("ver", None),
        ("ver", -1),
        ("ver", 2),
        ("src", None),
        ("src", 1),
        ("src", "labeler.example.com"),
        ("uri", None),
        ("uri", ["a:b"]),
        ("uri", "no-scheme"),
        ("val", None),
        ("val", ""),
        ("val", "\ud800"),
        ("cts", None),
        ("cts", 1_768_478_400),
        ("cts", "yesterday"),
        ("cid", None),
        ("cid", b"bafy"),
        ("cid", ""),
        ("neg", None),
        ("neg", 1),
        ("neg", 0),
        ("neg", "true"),
        ("exp", None),
        ("exp", ""),
        ("sig", None),
        ("sig", "c2ln"),
        ("sig", {"$bytes": "c2ln"}),
    ],
    ids=str,
)
@pytest.mark.row(2, 12, 24, 25, 26, 27, 28)
def test_a_field_of_the_wrong_kind_is_refused(field: str, value: object) -> None:
    """Rows 2, 12, 24 and 28: no null, no number for a boolean, no True for 1."""
    with pytest.raises(BadInput):
        Label.from_map(SIGNED.to_map() | {field: value})


@pytest.mark.row(2)
def test_only_an_unsupported_version_has_a_name_of_its_own() -> None:
    """A reader of a stream passes over labels of a later version and stops at malformed ones."""
    with pytest.raises(BadInput) as version:
        Label.from_map(SIGNED.to_map() | {"ver": 2})
    with pytest.raises(BadInput) as malformed:
        Label.from_map(SIGNED.to_map() | {"neg": 1})
    assert version.value.name == "UnsupportedLabelVersion"
    assert malformed.value.name == "InvalidRequest"


@pytest.mark.parametrize("field", ["ver", "src", "uri", "val", "cts", "sig"])
@pytest.mark.row(1, 25, 27)
def test_a_missing_field_is_named(field: str) -> None:
    fields = {key: value for key, value in SIGNED.to_map().items() if key != field}
    with pytest.raises(BadInput, match=field):
        Label.from_map(fields)


@pytest.mark.parametrize("value", [None, [], "label", 1, b"label"])
def test_what_is_no_object_is_no_label(value: object) -> None:
    with pytest.raises(BadInput, match="not an object"):
        Label.from_map(value)
    with pytest.raises(BadInput, match="not an object"):
        Label.from_json(value)


@pytest.mark.row(29, 30, 35)
def test_unknown_fields_are_dropped_and_stay_outside_the_signature() -> None:
    """Row 30: a later label may say more; what we know of it still verifies."""
    received = Label.from_map(SIGNED.to_map() | {"$type": "com.atproto.label.defs#label", "reason": "x", "weight": 1.5})
    assert received == SIGNED
    assert verify_label(received, KEY.public_key)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "c2ln",
        b"sig",
        {},
        {"$bytes": None},
        {"$bytes": b"c2ln"},
        {"$bytes": "c2ln", "more": 1},
        {"$bytes": "c2ln\n"},
        {"$bytes": "c2 ln"},
        {"$bytes": "c2ln="},
        {"$bytes": "c2k"[:1]},
        {"$bytes": "-_8"},
        {"$bytes": "c2l=n"},
        {"$bytes": "cw="},
        {"$bytes": "cw==="},
        {"$bytes": "cx"},  # stray bits: "cw" is the one way to write that byte
        {"$bytes": "é"},
    ],
    ids=repr,
)
@pytest.mark.row(59)
def test_bytes_in_json_have_one_form_but_for_padding(value: object) -> None:
    """Row 59: the standard alphabet, padding right or absent, no stray bits."""
    with pytest.raises(BadInput, match="sig"):
        Label.from_json(SIGNED.to_json() | {"sig": value})


@pytest.mark.row(59, 60)
def test_padding_is_taken_and_not_written() -> None:
    """Rows 59 and 60: optional on the way in, absent on the way out."""
    assert SIGNED.sig is not None
    padded = base64.b64encode(SIGNED.sig).decode()
    assert padded.endswith("==")
    assert Label.from_json(SIGNED.to_json() | {"sig": {"$bytes": padded}}) == SIGNED
    assert SIGNED.to_json()["sig"] == {"$bytes": padded.rstrip("=")}


@pytest.mark.row(28, 29, 35)
def test_absent_fields_stay_absent() -> None:
    """Rows 28 and 35: never null, and no `sig` before there is one."""
    plain = Label(SRC, SUBJECT, "clean-sender", CTS)
    assert plain.unsigned() == {"cts": CTS, "src": SRC, "uri": SUBJECT, "val": "clean-sender", "ver": 1}
    assert plain.to_map() == plain.to_json() == plain.unsigned()
    assert plain.to_bytes() == plain.unsigned_bytes()
    assert not verify_label(plain, KEY.public_key)


@pytest.mark.row(24, 55)
def test_the_signer_leaves_neg_false_out() -> None:
    """Rows 24 and 55: false is the same as absent, and absent is how it is signed."""
    plain = Label(SRC, SUBJECT, "clean-sender", CTS)
    assert sign_label(replace(plain, neg=False), KEY) == sign_label(plain, KEY)
    assert sign_label(replace(plain, neg=True), KEY).neg is True


@pytest.mark.parametrize(
    "changed",
    [
        {"src": "did:web:labeler.example.com#key"},
        {"uri": "nobody"},
        {"val": ""},
        {"cts": "2026-01-15T12:00:00"},
        {"exp": "never"},
        {"cid": "Qm"},
        {"ver": 2},
        {"ver": True},
    ],
    ids=str,
)
@pytest.mark.row(3, 7, 17, 31)
def test_the_signer_refuses_what_a_reader_would_refuse(changed: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        sign_label(replace(SIGNED, sig=None, **changed), KEY)


@pytest.mark.row(35, 49)
def test_signing_again_does_not_sign_the_signature() -> None:
    """Row 35: `sig` is never part of the signed bytes."""
    assert sign_label(SIGNED, KEY) == SIGNED


@pytest.mark.row(26, 72, 73)
def test_a_label_holds_until_its_exp() -> None:
    """Row 26: at the instant of `exp` it no longer does; a negation never does."""
    expires = datetime(2026, 1, 16, 12, tzinfo=UTC)
    assert SIGNED.expires == expires
    assert SIGNED.is_active(expires - timedelta(microseconds=1))
    assert not SIGNED.is_active(expires)
    assert not replace(SIGNED, neg=True).is_active(expires - timedelta(days=1))
    forever = replace(SIGNED, exp=None, neg=False)
    assert forever.expires is None
    assert forever.is_active(datetime(9999, 1, 1, tzinfo=UTC))


def test_a_label_is_a_value() -> None:
    assert hash(SIGNED) == hash(Label.from_json(SIGNED.to_json()))
    with pytest.raises(AttributeError):
        SIGNED.val = "other"  # type: ignore[misc]
