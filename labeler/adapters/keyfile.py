"""The label key in a file only its owner can read: 32 bytes of hex (k256), or a private multikey of either curve."""

import os
import secrets
from pathlib import Path

from labeler.adapters.private_file import read_private
from labeler.atproto.curves import K256, Curve
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput, Misconfigured

MAX_BYTES = 256  # either form is shorter than a hundred characters

ABSENT = "make a key with `labeler keygen`, or set signing_key_file"


class KeyFileSigner:
    """`Signer` with the key in a file. Reads it once; never shows it."""

    def __init__(self, path: Path) -> None:
        self._key = _parse(path, read_private(path, "signing key", ABSENT, MAX_BYTES + 1))
        self._key_id = self._key.public_key.did_key
        self._path = path

    def __repr__(self) -> str:
        return f"KeyFileSigner({str(self._path)!r}, key_id={self._key_id!r})"

    @property
    def key_id(self) -> str:
        """The did:key of the label key."""
        return self._key_id

    def sign(self, data: bytes) -> bytes:
        """Return r‖s over SHA-256 of `data`."""
        return self._key.sign(data)


def new_key(curve: Curve = K256) -> PrivateKey:
    """Make a key from the system's randomness."""
    return PrivateKey.from_bytes((secrets.randbelow(curve.order - 1) + 1).to_bytes(32, "big"), curve)


def write_new_key(path: Path, key: PrivateKey) -> None:
    """Write `key` as a multikey into a new file of mode 0600; `Misconfigured` when it exists or cannot be made."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured(f"{path}: exists already; a key is never overwritten, choose another name") from None
    except OSError as error:
        raise Misconfigured(f"{path}: cannot create the key file: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask said
            file.write(key.multikey() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key helps nobody
        raise Misconfigured(f"{path}: cannot write the key file: {error.strerror}") from error


def _parse(path: Path, raw: bytes) -> PrivateKey:
    # No cause is attached to the error: it might quote the key.
    try:
        text = raw.decode("ascii").strip()
        return PrivateKey.from_multikey(text) if text.startswith("z") else PrivateKey.from_hex(text)
    except (UnicodeDecodeError, BadInput):
        pass
    raise Misconfigured(f"{path}: holds neither a 32-byte key in hex nor a private multikey (z…)")
