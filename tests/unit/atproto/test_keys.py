"""Keys: reading and writing them, signing deterministically, verifying strictly."""

import hashlib
import json
from pathlib import Path
from typing import Any

import coincurve
import pytest

from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = json.loads((VECTORS / "labels.json").read_text())["keys"]
BAD_KEYS = json.loads((VECTORS / "invalid.json").read_text())["keys"]
K256 = [key for key in KEYS if key["curve"] == "k256"]
P256 = [key for key in KEYS if key["curve"] == "p256"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NO_UNCOMPRESSED = {"key-uncompressed-k256", "key-uncompressed-p256"}


def name(key: dict[str, Any]) -> str:
    return str(key["id"])


def test_the_vectors_hold_keys_of_both_curves() -> None:
    """A selection that came out empty would prove nothing."""
    assert (len(K256), len(P256), len(BAD_KEYS)) == (4, 4, 10)


@pytest.mark.parametrize("key", K256, ids=name)
@pytest.mark.row(51, 52)
def test_a_key_reads_and_writes_as_the_reference_does(key: dict[str, Any]) -> None:
    """Rows 51 and 52: multikey, did:key, hex, and the multikey form of private keys."""
    private = PrivateKey.from_hex(key["privateKeyHex"])
    public = PublicKey.from_did_key(key["didKey"])
    assert private.public_key == public == PublicKey.from_multikey(key["publicKeyMultibase"])
    assert private.public_key == PublicKey(bytes.fromhex(key["publicKeyCompressedHex"]))
    assert (public.did_key, public.multikey) == (key["didKey"], key["publicKeyMultibase"])
    assert private.multikey() == key["privateKeyMultikey"]
    for same in (
        PrivateKey.from_multikey(key["privateKeyMultikey"]),
        PrivateKey.from_bytes(bytes.fromhex(key["privateKeyHex"])),
        PrivateKey.from_hex(key["privateKeyHex"].upper()),
    ):
        assert same.public_key == public
        assert same.sign(b"data") == private.sign(b"data")


@pytest.mark.parametrize("key", BAD_KEYS, ids=name)
@pytest.mark.row(51)
def test_a_malformed_public_key_is_refused(key: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        PublicKey.from_did_key(key["didKey"])
    assert caught.value.name == "InvalidRequest"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "z1",
        "zQ",
        "Q3shS6VVzUYasX8mXKdh9SVuE3SUHLwAZcbtFh4M4Dzka8ip",
        "z1Q3shS6VVzUYasX8mXKdh9SVuE3SUHLwAZcbtFh4M4Dzka8ip",  # a leading 1 is a zero in front
        "zQ3shS6VVzUYasX8mXKdh9SVuE3SUHLwAZcbtFh4M4Dzka8ip ",
        "zQ3shS6VVzUYasX8mXKdh9SVuE3SUHLwAZcbtFh4M4Dzka8ip\n",
        "z" + "Q" * 100_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
@pytest.mark.row(51, 52)
def test_a_malformed_multikey_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        PublicKey.from_multikey(text)
    with pytest.raises(BadInput):
        PrivateKey.from_multikey(text)


@pytest.mark.parametrize(
    "secret",
    [b"", bytes(32), bytes(31) + b"", b"\1" * 31, b"\1" * 33, ORDER.to_bytes(32, "big"), b"\xff" * 32],
    ids=lambda secret: f"{len(secret)}-{secret[:1].hex()}",
)
@pytest.mark.row(52)
def test_a_number_outside_the_group_is_no_private_key(secret: bytes) -> None:
    with pytest.raises(BadInput, match="private key"):
        PrivateKey.from_bytes(secret)


def test_the_largest_private_key_works() -> None:
    key = PrivateKey.from_bytes((ORDER - 1).to_bytes(32, "big"))
    assert key.public_key.verify(b"data", key.sign(b"data"))


@pytest.mark.parametrize("text", ["", "1", "g" * 64, "0x" + "1" * 62, "1" * 63, "1" * 65, "1 " * 32, "1" * 63 + "\n"])
def test_hex_that_is_no_private_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadInput, match="private key") as caught:
        PrivateKey.from_hex(text)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(text) < 8 or text not in caught.value.message


def test_nothing_prints_the_secret() -> None:
    key = PrivateKey.from_hex("01" * 32)
    for text in (repr(key), str(key), f"{key}"):
        assert key.public_key.did_key in text
        assert "01" * 32 not in text
        assert key.multikey() not in text
    assert not hasattr(key, "__dict__")


def test_a_public_key_is_equal_to_itself_only() -> None:
    one, other = (PublicKey.from_did_key(key["didKey"]) for key in K256[:2])
    assert one == PublicKey.from_did_key(one.did_key)
    assert one != other
    assert one != one.did_key
    assert len({one, other, PublicKey.from_multikey(one.multikey)}) == 2
    assert one.multikey in repr(one)


@pytest.mark.row(49)
def test_signing_is_deterministic_and_agrees_with_the_library_s_own_form() -> None:
    """Row 49: RFC 6979 without extra entropy, low-S."""
    key = PrivateKey.from_hex("02" * 32)
    library = coincurve.PrivateKey(bytes.fromhex("02" * 32))
    for number in range(64):
        data = number.to_bytes(2, "big")
        signature = key.sign(data)
        assert signature == key.sign(data)
        assert len(signature) == 64
        assert int.from_bytes(signature[32:], "big") <= ORDER // 2
        der = library.sign(data)
        r_end = 4 + der[3]
        assert int.from_bytes(signature[:32], "big") == int.from_bytes(der[4:r_end], "big")
        assert int.from_bytes(signature[32:], "big") == int.from_bytes(der[r_end + 2 :], "big")


def integers(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.row(44, 45, 46)
def test_a_signature_has_exactly_one_form() -> None:
    """Rows 44 to 46: 64 bytes, r and s within 1…n-1, s in the lower half."""
    key = PrivateKey.from_hex("03" * 32)
    public = key.public_key
    good = key.sign(b"data")
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
    assert public.verify(b"data", good)
    assert not public.verify(b"other", good)
    assert not PrivateKey.from_hex("04" * 32).public_key.verify(b"data", good)
    for bad in (
        b"",
        good[:63],
        good + b"\0",
        bytes(64),
        b"\xff" * 64,
        integers(0, s),
        integers(r, 0),
        integers(ORDER, s),
        integers(r, ORDER),
        integers(r, ORDER - s),  # the same signature with s in the upper half
        integers(r, ORDER // 2 + 1),
        integers(s, r if r <= ORDER // 2 else ORDER - r),
        integers(r + 1, s),
        integers(1, 1),
    ):
        assert not public.verify(b"data", bad)


def test_the_highest_low_s_is_not_refused_for_its_height() -> None:
    """s = (n-1)/2 is still in the lower half: a key made to fit such a signature verifies it."""
    digest = int.from_bytes(hashlib.sha256(b"data").digest(), "big")
    nonce, s = 1, ORDER // 2
    r = int.from_bytes(coincurve.PrivateKey(nonce.to_bytes(32, "big")).public_key.format()[1:], "big") % ORDER
    secret = (s * nonce - digest) * pow(r, -1, ORDER) % ORDER
    assert PrivateKey.from_bytes(secret.to_bytes(32, "big")).public_key.verify(b"data", integers(r, s))
