"""Files only their owner can read, and the secrets in them."""

import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from labeler.errors import Misconfigured

MAX_SECRET_BYTES: Final = 4096

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Secret(NamedTuple):
    """What a file holds, as messages name it, and how short it may be."""

    name: str
    min_bytes: int


WEBHOOK_SECRET: Final = Secret("webhook secret", 16)  # of an HMAC that anybody who sees a message can try to guess
SMTP_PASSWORD: Final = Secret("SMTP password", 1)


def read_private(path: Path, name: str, absent: str, max_bytes: int) -> bytes:
    """Read up to `max_bytes`; `Misconfigured`, naming the file and the fix, when others may read it or nobody can.

    `name` is what it holds, `absent` what to do where there is no such file.
    """
    try:
        # Looked at through the open file, so that nobody can exchange it in between; a FIFO must not hang us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Misconfigured(f"{path}: not a regular file")
            if status.st_mode & _OTHERS:
                raise Misconfigured(
                    f"{path}: mode {stat.S_IMODE(status.st_mode):04o} lets others at the {name}; chmod 600 {path}"
                )
            return file.read(max_bytes)
    except FileNotFoundError:
        raise Misconfigured(f"{path}: no such file; {absent}") from None
    except OSError as error:
        raise Misconfigured(f"{path}: cannot read the {name}: {error.strerror}") from error


def read_secret(path: Path, secret: Secret) -> bytes:
    """The secret in a file, without the white space around it; `Misconfigured` when it is too short or too long."""
    raw = read_private(path, secret.name, f"write the {secret.name} into it", MAX_SECRET_BYTES + 1)
    if len(raw) > MAX_SECRET_BYTES:
        raise Misconfigured(f"{path}: too long for the {secret.name}")
    value = raw.strip()
    if len(value) < secret.min_bytes:
        raise Misconfigured(
            f"{path}: too short for the {secret.name}: {len(value)} of at least {secret.min_bytes} bytes"
        )
    return value
