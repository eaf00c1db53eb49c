"""Keys and signatures: ECDSA over SHA-256, 64 bytes r‖s, low-S (cryptography spec §ECDSA Signature Malleability).

One pair of classes for both curves of the protocol; `labeler.atproto.curves` knows the difference.
"""

from typing import Final, Self

from labeler.atproto.curves import CURVES, K256, Curve
from labeler.errors import BadInput

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # base58btc
_DIGITS: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_MAX_BASE58_CHARS: Final = 96  # a 65-byte point takes 90; base58 costs the square of its length
_DID_KEY: Final = "did:key:"


class PublicKey:
    """A public key that verifies strictly. Equal when the keys are equal; `multikey` and `did_key` are its names."""

    __slots__ = ("_point", "curve", "did_key", "multikey")

    def __init__(self, compressed: bytes, curve: Curve = K256) -> None:
        if len(compressed) != 33:
            raise BadInput("a public key is a compressed point of 33 bytes")
        self._point = curve.load_point(compressed)
        self.curve = curve
        self.multikey = _multibase(curve.public_prefix + compressed)
        self.did_key = _DID_KEY + self.multikey

    @classmethod
    def from_multikey(cls, text: str) -> Self:
        """Read `z…`, the `publicKeyMultibase` of a DID document; the prefix tells the curve. Raises `BadInput`."""
        raw = _base58_bytes(text)
        for curve in CURVES:
            if raw.startswith(curve.public_prefix):
                return cls(raw[2:], curve)
        raise BadInput("not a multikey of a public key on k256 or p256")

    @classmethod
    def from_did_key(cls, text: str) -> Self:
        """Read `did:key:z…`; raises `BadInput`."""
        if not text.startswith(_DID_KEY):
            raise BadInput("not a did:key")
        return cls.from_multikey(text.removeprefix(_DID_KEY))

    @classmethod
    def from_legacy_multibase(cls, text: str, curve: Curve) -> Self:
        """Read the point, compressed or not, that DID documents held before Multikey (DID spec §Legacy Representation).

        It carries no prefix: the type of the verification method told the curve. Raises `BadInput`.
        """
        return cls(curve.load_point(_base58_bytes(text)).compressed, curve)

    @property
    def alg(self) -> str:
        """What a JWT calls this key's signatures: ES256K or ES256."""
        return self.curve.alg

    def verify(self, data: bytes, signature: bytes, *, low_s: bool = True) -> bool:
        """Tell whether `signature` (r‖s) is this key's over SHA-256 of `data`; any malformed signature is simply False.

        r and s must lie in 1…n-1 and s in the lower half, or a stranger could make a second valid signature from one
        he saw (cryptography spec §ECDSA Signature Malleability). `low_s=False` takes either half: for JWTs alone, whose
        usual libraries know no low-S.
        """
        if len(signature) != 64:
            return False
        order = self.curve.order
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not 0 < r < order or not 0 < s < order:
            return False
        if s > order // 2:
            if low_s:
                return False
            s = order - s
        return self._point.verify(_der(r, s), data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.multikey == other.multikey

    def __hash__(self) -> int:
        return hash(self.multikey)

    def __repr__(self) -> str:
        return f"PublicKey({self.multikey})"


class PrivateKey:
    """A signing key. Nothing prints its secret: `repr` shows the public half, only `multikey()` gives it away."""

    __slots__ = ("_secret", "_signer", "public_key")

    def __init__(self, secret: bytes, curve: Curve = K256) -> None:
        self._signer = curve.load_secret(secret)
        self._secret = secret
        self.public_key = PublicKey(self._signer.point.compressed, curve)

    @classmethod
    def from_bytes(cls, secret: bytes, curve: Curve = K256) -> Self:
        """Take the 32 bytes of the secret number, big-endian; raises `BadInput`."""
        return cls(secret, curve)

    @classmethod
    def from_hex(cls, text: str, curve: Curve = K256) -> Self:
        """Read 64 hex digits, which say nothing of the curve; raises `BadInput`, without quoting them."""
        try:
            return cls(bytes.fromhex(text) if len(text) == 64 else b"", curve)
        except ValueError:
            raise BadInput("a private key in hex is 64 digits") from None

    @classmethod
    def from_multikey(cls, text: str) -> Self:
        """Read `z3vL…` (k256) or `z42t…` (p256), the form other tools write; raises `BadInput`, without quoting it."""
        raw = _base58_bytes(text)
        for curve in CURVES:
            if raw.startswith(curve.private_prefix):
                return cls(raw[2:], curve)
        raise BadInput("not a multikey of a private key on k256 or p256")

    @property
    def curve(self) -> Curve:
        """The curve of both halves."""
        return self.public_key.curve

    @property
    def alg(self) -> str:
        """What a JWT calls this key's signatures: ES256K or ES256."""
        return self.curve.alg

    def sign(self, data: bytes) -> bytes:
        """Sign SHA-256 of `data`: r‖s, 64 bytes, low-S, deterministic (RFC 6979)."""
        r, s = self._signer.sign(data)
        return r.to_bytes(32, "big") + min(s, self.curve.order - s).to_bytes(32, "big")

    def multikey(self) -> str:
        """Write the secret as multikey, for a key file."""
        return _multibase(self.curve.private_prefix + self._secret)

    def __repr__(self) -> str:
        return f"PrivateKey of {self.public_key.did_key}"


def _base58_bytes(text: str) -> bytes:
    """Undo multibase base58btc; the text may be secret, so no error quotes it."""
    if not text.startswith("z") or len(text) > _MAX_BASE58_CHARS:
        raise BadInput("not a multikey: base58btc, starting with z, of one key")
    number = 0
    for letter in text[1:]:
        if letter not in _DIGITS:
            raise BadInput("not a multikey: a letter outside base58btc")
        number = number * 58 + _DIGITS[letter]
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if text != _multibase(raw):  # leading 1s stand for zero bytes, which begin neither a prefix nor a point
        raise BadInput("not a multikey: zero bytes in front")
    return raw


def _multibase(raw: bytes) -> str:
    """Write bytes that do not begin with zero (no multicodec prefix does) as base58btc with its marker z."""
    number, letters = int.from_bytes(raw, "big"), []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    return "z" + "".join(reversed(letters))


def _der(r: int, s: int) -> bytes:
    """Wrap r and s in DER, the form both libraries take."""
    first, second = _der_integer(r), _der_integer(s)
    return bytes((0x30, len(first) + len(second))) + first + second


def _der_integer(number: int) -> bytes:
    digits = number.to_bytes(number.bit_length() // 8 + 1, "big")  # DER integers have a sign: one spare bit
    return bytes((2, len(digits))) + digits
