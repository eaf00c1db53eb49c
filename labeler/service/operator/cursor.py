"""Places in a list as clients carry them: opaque, and read back with suspicion."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from labeler.errors import BadInput


def write_cursor(place: Sequence[int | str]) -> str:
    """Write a place as one word."""
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """Read a place of these kinds of parts back; raises `BadInput` where it is none of ours."""
    try:
        place = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _not_ours() from error
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise _not_ours()
    return tuple(place)


def _not_ours() -> BadInput:
    return BadInput("cursor must be one that an answer of this method gave.")
