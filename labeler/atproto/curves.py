"""The two curves of the protocol: ECDSA over SHA-256 on secp256k1 and on NIST P-256 (cryptography spec).

"k256", which every deployed labeler signs with, goes through libsecp256k1; "p256", what hardware keys and phones hold,
through OpenSSL, whose binding is loaded with the first such key. Here are only the group and the libraries; which
signatures count is decided in `labeler.atproto.keys`, for both curves alike.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol

import coincurve

from labeler.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


class Point(Protocol):
    """A public key inside its library."""

    compressed: bytes

    def verify(self, der: bytes, data: bytes) -> bool:
        """Tell whether the DER signature, r and s in range and low-S, is over SHA-256 of `data`."""
        ...


class Secret(Protocol):
    """A private key inside its library."""

    point: Point

    def sign(self, data: bytes) -> tuple[int, int]:
        """Return r and s over SHA-256 of `data`, deterministic (RFC 6979); s may lie in the upper half."""
        ...


class Curve(ABC):
    """One curve: its names, its order n, the multicodec prefixes of its keys, and how to load them."""

    name: str
    alg: str  # what a JWT calls it (RFC 7518 §3.4, RFC 8812 §3.2)
    order: int
    public_prefix: bytes  # varint multicodecs (cryptography spec §Public Key Encoding)
    private_prefix: bytes  # no standard; as goat writes them

    def load_point(self, encoded: bytes) -> Point:
        """Load a point, compressed (33 bytes) or not (65 bytes; SEC 1 §2.3.4); raises `BadInput`."""
        if (len(encoded), encoded[:1]) not in {(33, b"\x02"), (33, b"\x03"), (65, b"\x04")}:
            raise BadInput("a public key is a point of 33 or 65 bytes")
        try:
            return self._point(encoded)
        except ValueError:
            raise BadInput("the public key is no point of the curve") from None

    def load_secret(self, secret: bytes) -> Secret:
        """Load a secret number of 32 bytes, big-endian; raises `BadInput`."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < self.order:
            raise BadInput("a private key is 32 bytes, a number from 1 to n-1")
        return self._secret(secret)

    @abstractmethod
    def _point(self, encoded: bytes) -> Point: ...

    @abstractmethod
    def _secret(self, secret: bytes) -> Secret: ...

    def __repr__(self) -> str:
        return self.name


class _KoblitzPoint:
    __slots__ = ("_key", "compressed")

    def __init__(self, key: coincurve.PublicKey) -> None:
        self._key = key
        self.compressed: bytes = key.format(compressed=True)

    def verify(self, der: bytes, data: bytes) -> bool:
        return bool(self._key.verify(der, data))


class _KoblitzSecret:
    __slots__ = ("_key", "point")

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self._key = key
        self.point: Point = _KoblitzPoint(key.public_key)

    def sign(self, data: bytes) -> tuple[int, int]:
        compact = self._key.sign_recoverable(data)
        return int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")


class _Koblitz(Curve):
    name, alg = "k256", "ES256K"
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # SEC 2 §2.4.1
    public_prefix, private_prefix = b"\xe7\x01", b"\x81\x26"

    def _point(self, encoded: bytes) -> Point:
        return _KoblitzPoint(coincurve.PublicKey(encoded))

    def _secret(self, secret: bytes) -> Secret:
        return _KoblitzSecret(coincurve.PrivateKey(secret))


class _NistPoint:
    __slots__ = ("_key", "compressed")

    def __init__(self, key: "ec.EllipticCurvePublicKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

        self._key = key
        self.compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def verify(self, der: bytes, data: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        try:
            self._key.verify(der, data, _ecdsa())
        except InvalidSignature:
            return False
        return True


class _NistSecret:
    __slots__ = ("_ecdsa", "_key", "point")

    def __init__(self, key: "ec.EllipticCurvePrivateKey") -> None:
        self._key = key
        self._ecdsa = _ecdsa(deterministic=True)  # an OpenSSL too old for RFC 6979 fails here, not at the first label
        self.point: Point = _NistPoint(key.public_key())

    def sign(self, data: bytes) -> tuple[int, int]:
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

        return decode_dss_signature(self._key.sign(data, self._ecdsa))


class _Nist(Curve):
    name, alg = "p256", "ES256"
    order = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551  # SEC 2 §2.4.2
    public_prefix, private_prefix = b"\x80\x24", b"\x86\x26"

    def _point(self, encoded: bytes) -> Point:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        return _NistPoint(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded))

    def _secret(self, secret: bytes) -> Secret:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        return _NistSecret(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))


def _ecdsa(*, deterministic: bool = False) -> "ec.ECDSA":
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    return ec.ECDSA(SHA256(), deterministic_signing=deterministic)


K256: Final[Curve] = _Koblitz()
P256: Final[Curve] = _Nist()
CURVES: Final = (K256, P256)
