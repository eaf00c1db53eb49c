"""Signatures of both curves beside other implementations: OpenSSL by `cryptography`, and the `atproto` package."""

from contextlib import suppress

import pytest
from atproto_crypto.verify import verify_signature  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto.curves import CURVES, K256, P256, Curve
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.errors import BadInput

SECRETS = st.integers(1, 2**255)  # below the order of either curve
BOTH = st.sampled_from(CURVES)
DATA = st.binary(max_size=200)


def key_of(secret: int, curve: Curve) -> PrivateKey:
    return PrivateKey.from_bytes(secret.to_bytes(32, "big"), curve)


def openssl(secret: int, curve: Curve) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(secret, ec.SECP256K1() if curve is K256 else ec.SECP256R1())


def halves(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def openssl_verifies(secret: int, curve: Curve, data: bytes, signature: bytes) -> bool:
    try:
        openssl(secret, curve).public_key().verify(encode_dss_signature(*halves(signature)), data, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@pytest.mark.row(45, 47, 49, 344)
@given(SECRETS, BOTH, DATA)
@example(1, P256, b"")
@example(2**255, K256, b"")
def test_openssl_signs_the_same_bytes_but_for_low_s(secret: int, curve: Curve, data: bytes) -> None:
    """Two libraries for k256, and for p256 one library by two ways: deterministic, then the lower s."""
    key = key_of(secret, curve)
    signature = key.sign(data)
    r, s = decode_dss_signature(openssl(secret, curve).sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
    assert halves(signature) == (r, min(s, curve.order - s))
    assert openssl_verifies(secret, curve, data, signature)
    assert verify_signature(key.public_key.did_key, data, signature)
    assert key.public_key.verify(data, signature)


@pytest.mark.row(45, 206)
@given(SECRETS, BOTH, DATA)
def test_what_others_sign_verifies_and_only_low_s_counts_for_labels(secret: int, curve: Curve, data: bytes) -> None:
    """OpenSSL draws its nonces and takes either half: half of its signatures are high-S."""
    r, s = decode_dss_signature(openssl(secret, curve).sign(data, ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    public = key_of(secret, curve).public_key
    assert public.verify(data, signature, low_s=False)
    assert public.verify(data, signature) == (s <= curve.order // 2)
    assert public.verify(data, signature) == verify_signature(public.did_key, data, signature)


@pytest.mark.row(43, 44)
@given(SECRETS, BOTH, DATA, st.integers(0, 511), st.booleans())
def test_a_flipped_bit_breaks_a_signature_as_openssl_finds(
    secret: int, curve: Curve, data: bytes, bit: int, low_s: bool
) -> None:
    key = key_of(secret, curve)
    signature = bytearray(key.sign(data))
    signature[bit // 8] ^= 1 << bit % 8
    assert not key.public_key.verify(data, bytes(signature), low_s=low_s)
    assert not openssl_verifies(secret, curve, data, bytes(signature))
    assert not key.public_key.verify(data + b"\0", key.sign(data), low_s=low_s)


@pytest.mark.row(46)
@given(SECRETS, BOTH, st.binary(max_size=70), st.booleans())
@example(1, P256, bytes(64), False)
@example(1, K256, b"\xff" * 64, False)
def test_arbitrary_bytes_are_no_signature_and_no_error(secret: int, curve: Curve, raw: bytes, low_s: bool) -> None:
    assert not key_of(secret, curve).public_key.verify(b"data", raw, low_s=low_s)


@pytest.mark.row(51, 52)
@given(SECRETS, BOTH)
def test_keys_come_back_from_every_form(secret: int, curve: Curve) -> None:
    key = key_of(secret, curve)
    again = PrivateKey.from_multikey(key.multikey())
    assert again.curve is curve
    assert again.public_key == key.public_key == PublicKey.from_did_key(key.public_key.did_key)
    assert PublicKey.from_multikey(key.public_key.multikey).curve is curve
    for read in (PublicKey.from_multikey, PublicKey.from_did_key):
        with pytest.raises(BadInput):
            read(key.multikey())
    with pytest.raises(BadInput):
        PrivateKey.from_multikey(key.public_key.multikey)


@pytest.mark.row(51)
@given(st.text(max_size=100) | st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=100))
def test_arbitrary_text_is_no_key_and_no_error(text: str) -> None:
    for candidate in (text, "z" + text, "zDna" + text, "zQ3s" + text, "z42t" + text):
        for read in (PublicKey.from_multikey, PublicKey.from_did_key, PrivateKey.from_multikey, PrivateKey.from_hex):
            with suppress(BadInput):
                read(candidate)
