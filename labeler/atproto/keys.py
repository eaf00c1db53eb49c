"""Keys and signatures: ECDSA over SHA-256, 64 bytes r‖s, low-S (cryptography spec §ECDSA Signature Malleability).

secp256k1 ("k256"), the curve every deployed labeler signs with, by libsecp256k1. A P-256 key is recognised and
refused by name.
"""

from typing import Final, Self

import coincurve

from labeler.errors import BadInput

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # base58btc
_DIGITS: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_MAX_MULTIKEY_CHARS: Final = 64  # a 33-byte point takes 49; base58 costs the square of its length
_DID_KEY: Final = "did:key:"

# Multicodec prefixes as varints (cryptography spec §Public Key Encoding; private keys as goat writes them).
_K256_PUBLIC: Final = b"\xe7\x01"
_K256_PRIVATE: Final = b"\x81\x26"
_P256: Final = frozenset({b"\x80\x24", b"\x86\x26"})

_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # SEC 2 §2.4.1
_HALF_ORDER: Final = _ORDER // 2


class PublicKey:
    """A public key that verifies strictly. Equal when the keys are equal; `multikey` and `did_key` are its names."""

    __slots__ = ("_point", "did_key", "multikey")

    def __init__(self, compressed: bytes) -> None:
        if len(compressed) != 33:
            raise BadInput("a public key is a compressed point of 33 bytes")
        try:
            self._point = coincurve.PublicKey(compressed)
        except ValueError:
            raise BadInput("the public key is no point of the curve") from None
        self.multikey = _multibase(_K256_PUBLIC + compressed)
        self.did_key = _DID_KEY + self.multikey

    @classmethod
    def from_multikey(cls, text: str) -> Self:
        """Read `z…`, the `publicKeyMultibase` of a DID document; raises `BadInput`."""
        return cls(_multikey_body(text, _K256_PUBLIC))

    @classmethod
    def from_did_key(cls, text: str) -> Self:
        """Read `did:key:z…`; raises `BadInput`."""
        if not text.startswith(_DID_KEY):
            raise BadInput("not a did:key")
        return cls.from_multikey(text.removeprefix(_DID_KEY))

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (r‖s) is this key's over SHA-256 of `data`; any malformed signature is simply False.

        r and s must lie in 1…n-1 and s in the lower half, or a stranger could make a second valid signature from one
        he saw (cryptography spec §ECDSA Signature Malleability).
        """
        if len(signature) != 64:
            return False
        r, s = signature[:32], signature[32:]
        if not 0 < int.from_bytes(r, "big") < _ORDER or not 0 < int.from_bytes(s, "big") <= _HALF_ORDER:
            return False
        return self._point.verify(_der(r, s), data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.multikey == other.multikey

    def __hash__(self) -> int:
        return hash(self.multikey)

    def __repr__(self) -> str:
        return f"PublicKey({self.multikey})"


class PrivateKey:
    """A signing key. Nothing prints its secret: `repr` shows the public half, only `multikey()` gives it away."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise BadInput("a private key is 32 bytes, a number from 1 to n-1")
        self._secret = coincurve.PrivateKey(secret)
        self.public_key = PublicKey(self._secret.public_key.format(compressed=True))

    @classmethod
    def from_bytes(cls, secret: bytes) -> Self:
        """Take the 32 bytes of the secret number, big-endian; raises `BadInput`."""
        return cls(secret)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read 64 hex digits; raises `BadInput`, without quoting them."""
        try:
            return cls(bytes.fromhex(text)) if len(text) == 64 else cls(b"")
        except ValueError:
            raise BadInput("a private key in hex is 64 digits") from None

    @classmethod
    def from_multikey(cls, text: str) -> Self:
        """Read `z3vL…`, the form other atproto tools write; raises `BadInput`, without quoting it."""
        return cls(_multikey_body(text, _K256_PRIVATE))

    def sign(self, data: bytes) -> bytes:
        """Sign SHA-256 of `data`: r‖s, 64 bytes, low-S, deterministic (RFC 6979)."""
        return self._secret.sign_recoverable(data)[:64]

    def multikey(self) -> str:
        """Write the secret as multikey, for a key file."""
        return _multibase(_K256_PRIVATE + self._secret.secret)

    def __repr__(self) -> str:
        return f"PrivateKey of {self.public_key.did_key}"


def _multikey_body(text: str, prefix: bytes) -> bytes:
    """Undo base58btc and strip the multicodec prefix; the text may be secret, so no error quotes it."""
    if not text.startswith("z") or len(text) > _MAX_MULTIKEY_CHARS:
        raise BadInput("not a multikey: base58btc, starting with z, of a compressed key")
    number = 0
    for letter in text[1:]:
        if letter not in _DIGITS:
            raise BadInput("not a multikey: a letter outside base58btc")
        number = number * 58 + _DIGITS[letter]
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if raw[:2] in _P256:
        raise BadInput("P-256 keys are not supported", name="UnsupportedKey")
    if raw[:2] != prefix or text != _multibase(raw):
        raise BadInput("not a multikey of the kind wanted here")
    return raw[2:]


def _multibase(raw: bytes) -> str:
    """Write bytes that do not begin with zero (no multicodec prefix does) as base58btc with its marker z."""
    number, letters = int.from_bytes(raw, "big"), []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    return "z" + "".join(reversed(letters))


def _der(r: bytes, s: bytes) -> bytes:
    """Wrap r and s in DER, the form libsecp256k1's binding takes."""
    first, second = _der_integer(r), _der_integer(s)
    return bytes((0x30, len(first) + len(second))) + first + second


def _der_integer(number: bytes) -> bytes:
    digits = number.lstrip(b"\0")
    if digits[0] & 0x80:  # DER integers have a sign
        digits = b"\0" + digits
    return bytes((2, len(digits))) + digits
