"""Keys: reading and writing them, signing deterministically, verifying strictly."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import coincurve
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from labeler.atproto.curves import CURVES, Curve
from labeler.atproto.curves import K256 as CURVE_K256
from labeler.atproto.curves import P256 as CURVE_P256
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = json.loads((VECTORS / "labels.json").read_text())["keys"]
BAD_KEYS = json.loads((VECTORS / "invalid.json").read_text())["keys"]
K256 = [key for key in KEYS if key["curve"] == "k256"]
P256 = [key for key in KEYS if key["curve"] == "p256"]
JWT_KEYS = json.loads((VECTORS / "jwts.json").read_text())["keys"]
ORDER = {
    CURVE_K256: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    CURVE_P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}
both = pytest.mark.parametrize("curve", CURVES, ids=repr)


def curve_of(key: dict[str, Any]) -> Curve:
    return {"k256": CURVE_K256, "p256": CURVE_P256}[key["curve"]]


def name(key: dict[str, Any]) -> str:
    return str(key["id"])


def test_the_vectors_hold_keys_of_both_curves() -> None:
    """A selection that came out empty would prove nothing."""
    assert (len(K256), len(P256), len(BAD_KEYS), len(JWT_KEYS)) == (4, 4, 10, 7)


@pytest.mark.parametrize("key", [*KEYS, *JWT_KEYS], ids=name)
@pytest.mark.row(51, 52)
def test_a_key_reads_and_writes_as_the_reference_does(key: dict[str, Any]) -> None:
    """Rows 51 and 52: multikey, did:key, hex, and the multikey form of private keys."""
    curve = curve_of(key)
    private = PrivateKey.from_hex(key["privateKeyHex"], curve)
    public = PublicKey.from_did_key(key["didKey"])
    assert private.public_key == public == PublicKey.from_multikey(key["publicKeyMultibase"])
    assert private.public_key == PublicKey(bytes.fromhex(key["publicKeyCompressedHex"]), curve)
    assert private.curve is public.curve is curve
    assert private.alg == public.alg == {"k256": "ES256K", "p256": "ES256"}[key["curve"]]
    assert (public.did_key, public.multikey) == (key["didKey"], key["publicKeyMultibase"])
    assert private.multikey() == key["privateKeyMultikey"]
    for same in (
        PrivateKey.from_multikey(key["privateKeyMultikey"]),
        PrivateKey.from_bytes(bytes.fromhex(key["privateKeyHex"]), curve),
        PrivateKey.from_hex(key["privateKeyHex"].upper(), curve),
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


def test_a_public_key_is_a_compressed_point() -> None:
    for key in JWT_KEYS:
        with pytest.raises(BadInput, match="33 bytes"):
            PublicKey(bytes.fromhex(key["publicKeyUncompressedHex"]), curve_of(key))


@both
@pytest.mark.row(51)
def test_a_point_off_the_curve_or_in_another_form_is_no_public_key(curve: Curve) -> None:
    x = PrivateKey.from_hex("01" * 32, curve)
    point = bytes.fromhex(x.public_key._point.compressed.hex())
    for other in (b"\x04" + point[1:], b"\x05" + point[1:], b"\0" + point[1:], b"\xff" * 33, b"\x02" + b"\xff" * 32):
        with pytest.raises(BadInput, match=r"point"):
            PublicKey(other, curve)


@both
def test_a_point_has_two_forms_and_no_third(curve: Curve) -> None:
    """The hybrid form of X9.62 is taken by some libraries, ours among them."""
    for key in (key for key in JWT_KEYS if curve_of(key) is curve):
        whole = bytes.fromhex(key["publicKeyUncompressedHex"])
        assert curve.load_point(whole).compressed.hex() == key["publicKeyCompressedHex"]
        for first in (6, 7, 2, 0):
            with pytest.raises(BadInput, match="33 or 65"):
                curve.load_point(bytes([first]) + whole[1:])


@pytest.mark.row(208)
@pytest.mark.parametrize("key", JWT_KEYS, ids=name)
def test_a_point_without_prefix_is_read_where_it_is_asked_for(key: dict[str, Any]) -> None:
    """The older form of DID documents: uncompressed, or compressed; never off the curve, never with more behind it."""
    curve = curve_of(key)
    public = PublicKey.from_did_key(key["didKey"])
    text = key["legacyMultibaseUncompressed"]
    assert PublicKey.from_legacy_multibase(text, curve) == public
    other = CURVE_P256 if curve is CURVE_K256 else CURVE_K256
    for bad, of in ((text, other), (key["publicKeyMultibase"], curve), (text[:-1], curve), (text + "1", curve)):
        with pytest.raises(BadInput):
            PublicKey.from_legacy_multibase(bad, of)
    with pytest.raises(BadInput):
        PublicKey.from_multikey(text)


@both
@pytest.mark.parametrize(
    "secret",
    [b"", bytes(32), bytes(31) + b"", b"\1" * 31, b"\1" * 33, None, b"\xff" * 32],
    ids=lambda secret: f"{len(secret)}-{secret[:1].hex()}" if secret is not None else "order",
)
@pytest.mark.row(52)
def test_a_number_outside_the_group_is_no_private_key(secret: bytes | None, curve: Curve) -> None:
    with pytest.raises(BadInput, match="private key"):
        PrivateKey.from_bytes(ORDER[curve].to_bytes(32, "big") if secret is None else secret, curve)


@both
def test_the_largest_private_key_works(curve: Curve) -> None:
    key = PrivateKey.from_bytes((ORDER[curve] - 1).to_bytes(32, "big"), curve)
    assert key.public_key.verify(b"data", key.sign(b"data"))
    assert PrivateKey.from_multikey(key.multikey()).public_key == key.public_key


@pytest.mark.parametrize("text", ["", "1", "g" * 64, "0x" + "1" * 62, "1" * 63, "1" * 65, "1 " * 32, "1" * 63 + "\n"])
def test_hex_that_is_no_private_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadInput, match="private key") as caught:
        PrivateKey.from_hex(text)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(text) < 8 or text not in caught.value.message


@both
def test_nothing_prints_the_secret(curve: Curve) -> None:
    key = PrivateKey.from_hex("01" * 32, curve)
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
    assert PrivateKey.from_hex("01" * 32).public_key != PrivateKey.from_hex("01" * 32, CURVE_P256).public_key


@pytest.mark.row(49)
def test_signing_is_deterministic_and_agrees_with_the_library_s_own_form() -> None:
    """RFC 6979 without extra entropy, low-S."""
    key = PrivateKey.from_hex("02" * 32)
    library = coincurve.PrivateKey(bytes.fromhex("02" * 32))
    for number in range(64):
        data = number.to_bytes(2, "big")
        signature = key.sign(data)
        assert signature == key.sign(data)
        assert len(signature) == 64
        assert int.from_bytes(signature[32:], "big") <= ORDER[CURVE_K256] // 2
        der = library.sign(data)
        r_end = 4 + der[3]
        assert int.from_bytes(signature[:32], "big") == int.from_bytes(der[4:r_end], "big")
        assert int.from_bytes(signature[32:], "big") == int.from_bytes(der[r_end + 2 :], "big")


@pytest.mark.row(45, 49)
@pytest.mark.parametrize(
    ("data", "r", "s"),
    [
        (
            b"sample",
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
        ),
        (
            b"test",
            0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
            0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
        ),
    ],
)
def test_p256_signs_as_the_examples_of_rfc_6979(data: bytes, r: int, s: int) -> None:
    """RFC 6979 §A.2.5; where its s lies in the upper half, ours is the other one."""
    key = PrivateKey.from_hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", CURVE_P256)
    order = ORDER[CURVE_P256]
    assert key.sign(data) == integers(r, min(s, order - s))
    assert key.public_key.verify(data, key.sign(data))
    assert key.public_key.verify(data, integers(r, s), low_s=False)
    assert key.public_key.verify(data, integers(r, s)) == (s <= order // 2)


def integers(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@both
@pytest.mark.row(44, 45, 46, 47)
def test_a_signature_has_exactly_one_form(curve: Curve) -> None:
    """64 bytes, r and s within 1…n-1, s in the lower half."""
    key, order = PrivateKey.from_hex("03" * 32, curve), ORDER[curve]
    public = key.public_key
    good = key.sign(b"data")
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
    assert public.verify(b"data", good)
    assert not public.verify(b"other", good)
    assert not PrivateKey.from_hex("04" * 32, curve).public_key.verify(b"data", good)
    for bad in (
        b"",
        good[:63],
        good + b"\0",
        bytes(64),
        b"\xff" * 64,
        integers(0, s),
        integers(r, 0),
        integers(order, s),
        integers(r, order),
        integers(r, order // 2 + 1),
        integers(s, r if r <= order // 2 else order - r),
        integers(r + 1, s),
        integers(1, 1),
    ):
        assert not public.verify(b"data", bad)
        assert not public.verify(b"data", bad, low_s=False)
    high = integers(r, order - s)  # the same signature with s in the upper half
    assert not public.verify(b"data", high)
    assert public.verify(b"data", high, low_s=False)
    assert not public.verify(b"other", high, low_s=False)


@both
@pytest.mark.row(45)
def test_the_highest_low_s_is_not_refused_for_its_height(curve: Curve) -> None:
    """s = (n-1)/2 is still in the lower half: a key made to fit such a signature verifies it."""
    order = ORDER[curve]
    digest = int.from_bytes(hashlib.sha256(b"data").digest(), "big")
    nonce, s = 1, order // 2
    group: ec.EllipticCurve = ec.SECP256R1() if curve is CURVE_P256 else ec.SECP256K1()
    r = ec.derive_private_key(nonce, group).public_key().public_numbers().x % order
    secret = (s * nonce - digest) * pow(r, -1, order) % order
    public = PrivateKey.from_bytes(secret.to_bytes(32, "big"), curve).public_key
    assert public.verify(b"data", integers(r, s))
    assert not public.verify(b"data", integers(r, order - s))


def test_openssl_is_not_loaded_for_the_curve_of_every_labeler() -> None:
    """A mail server that embeds the hooks starts without it."""
    code = (
        "import sys\nfrom labeler.atproto.keys import PrivateKey\n"
        "key = PrivateKey.from_hex('01' * 32)\nassert key.public_key.verify(b'', key.sign(b''))\n"
        "print('cryptography' in sys.modules)\nfrom labeler.atproto.curves import P256\n"
        "PrivateKey.from_hex('01' * 32, P256)\nprint('cryptography' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.split() == ["False", "True"]
