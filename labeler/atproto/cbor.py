"""DRISL, the one deterministic form of CBOR that the protocol signs and sends (formerly called DAG-CBOR).

Written out here rather than taken from libipld: that library hands a link back as plain bytes, and writes any byte
string that begins like a CID (about one signature in a thousand) as a link. A codec underneath signatures has to
be exact in both directions.

Sources: the DRISL specification; RFC 8949 §3 (encoding), §4.2.1 (order of keys); data model spec §Why No Floats.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

from labeler.atproto.syntax import CID_DRISL_SHA256, CID_HEADS, cid_text
from labeler.errors import BadInput

MAX_DEPTH: Final = 64  # maps and lists inside each other; no lexicon comes near it
_SHORT_TEXT: Final = tuple(bytes((0x60 | length,)) for length in range(24))


@dataclass(frozen=True, slots=True)
class Link:
    """A link (tag 42) to a DRISL or raw block. `cid`: the 36 bytes of the CID, without the zero CBOR puts before it."""

    cid: bytes


Value: TypeAlias = "bool | int | str | bytes | Link | list[Value] | dict[str, Value] | None"


def encode(value: object) -> bytes:
    """Encode `value`: None, bool, int, str, bytes, `Link`, list, tuple or mapping with string keys.

    Raises `BadInput` on anything else: floats, integers beyond 64 bits, lone surrogates, more than 64 levels.
    """
    return _encoded(value, 0)


def decode(raw: bytes) -> Value:
    """Decode exactly one item, taking only the bytes `encode` would give for it; raises `BadInput` on any other."""
    value, at = _item(raw, 0, 0)
    if at != len(raw):
        raise BadInput("CBOR: bytes after the item")
    return value


def decode_sequence(raw: bytes) -> list[Value]:
    """Decode items standing back to back (an event-stream frame holds two), each as strictly as `decode`."""
    items: list[Value] = []
    at = 0
    while at < len(raw):
        value, at = _item(raw, at, 0)
        items.append(value)
    return items


def cid_of(raw: bytes) -> str:
    """Return the CID, as text, of the DRISL item whose bytes are `raw` (data model spec §Link and CID Formats)."""
    return cid_text(CID_DRISL_SHA256 + hashlib.sha256(raw).digest())


def head(major: int, argument: int) -> bytes:
    """Write the head of an item in the shortest form (RFC 8949 §3); `major` is already in the top three bits."""
    if argument < 24:
        return bytes((major | argument,))
    if argument < 0x100:
        return bytes((major | 24, argument))
    if argument < 0x1_0000:
        return bytes((major | 25,)) + argument.to_bytes(2, "big")
    if argument < 0x1_0000_0000:
        return bytes((major | 26,)) + argument.to_bytes(4, "big")
    if argument < 0x1_0000_0000_0000_0000:
        return bytes((major | 27,)) + argument.to_bytes(8, "big")
    raise BadInput("CBOR: integer beyond 64 bits")


def _encoded(value: object, depth: int) -> bytes:
    if isinstance(value, str):
        return _encoded_text(value)
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):  # before int, which it is too
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0x00, value) if value >= 0 else head(0x20, -1 - value)
    if isinstance(value, bytes):
        return head(0x40, len(value)) + value
    if isinstance(value, Mapping):
        return _encoded_map(value, _one_deeper(depth))
    if isinstance(value, list | tuple):
        below = _one_deeper(depth)
        return b"".join((head(0x80, len(value)), *(_encoded(item, below) for item in value)))
    if isinstance(value, Link):
        return b"\xd8\x2a\x58\x25\x00" + _checked_cid(value.cid)
    raise BadInput(f"CBOR: {type(value).__name__} has no place in the data model")


def _encoded_map(value: Mapping[object, object], depth: int) -> bytes:
    entries = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise BadInput("CBOR: keys are strings")
        text = _encoded_text(item) if isinstance(item, str) else _encoded(item, depth)  # most are
        entries.append((_encoded_text(key), text))
    entries.sort()  # by encoded key (RFC 8949 §4.2.1): shorter ones first, as their heads are smaller
    return b"".join((head(0xA0, len(entries)), *chain.from_iterable(entries)))


def _encoded_text(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadInput("CBOR: a lone surrogate is no text") from None
    return (_SHORT_TEXT[len(raw)] if len(raw) < 24 else head(0x60, len(raw))) + raw


def _item(raw: bytes, at: int, depth: int) -> tuple[Value, int]:
    """Read the item at `at`; return it and where the next one starts."""
    if at >= len(raw):
        raise BadInput("CBOR: ends too early")
    major, short = raw[at] & 0xE0, raw[at] & 0x1F
    if major == 0xE0:
        return _simple(raw[at]), at + 1
    argument, at = _argument(raw, at + 1, short)
    if major == 0x60:
        return _text(raw, at, argument)
    if major == 0x00:
        return argument, at
    if major == 0x20:
        return -1 - argument, at
    if major == 0x40:
        return _slice(raw, at, argument)
    if major == 0x80:
        return _list(raw, at, argument, _one_deeper(depth))
    if major == 0xA0:
        return _map(raw, at, argument, _one_deeper(depth))
    return _link(raw, at, argument)


def _argument(raw: bytes, at: int, short: int) -> tuple[int, int]:
    if short < 24:
        return short, at
    if short > 27:
        raise BadInput("CBOR: indefinite lengths are not allowed")
    size = 1 << (short - 24)
    argument = int.from_bytes(raw[at : at + size], "big")
    if at + size > len(raw):
        raise BadInput("CBOR: ends too early")
    if argument < 24 if size == 1 else argument >> (size * 4) == 0:
        raise BadInput("CBOR: a number or length is longer than it need be")
    return argument, at + size


def _slice(raw: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(raw):
        raise BadInput("CBOR: ends too early")
    return raw[at:end], end


def _text(raw: bytes, at: int, length: int) -> tuple[str, int]:
    piece, at = _slice(raw, at, length)
    try:
        return piece.decode(), at
    except UnicodeDecodeError:
        raise BadInput("CBOR: text is not UTF-8") from None


def _list(raw: bytes, at: int, length: int, depth: int) -> tuple[list[Value], int]:
    _check_room(raw, at, length)
    items: list[Value] = []
    for _ in range(length):
        value, at = _item(raw, at, depth)
        items.append(value)
    return items, at


def _map(raw: bytes, at: int, length: int, depth: int) -> tuple[dict[str, Value], int]:
    _check_room(raw, at, 2 * length)
    items: dict[str, Value] = {}
    before = b""
    for _ in range(length):
        start = at
        key, at = _item(raw, at, depth)
        if not isinstance(key, str):
            raise BadInput("CBOR: keys are strings")
        if raw[start:at] <= before:  # the order of the encoded keys (RFC 8949 §4.2.1): shorter ones first
            raise BadInput("CBOR: keys are out of order or double")
        before = raw[start:at]
        items[key], at = _item(raw, at, depth)
    return items, at


def _link(raw: bytes, at: int, tag: int) -> tuple[Link, int]:
    if tag != 42:
        raise BadInput("CBOR: no tag but 42 is allowed")
    if raw[at : at + 3] != b"\x58\x25\x00":
        raise BadInput("CBOR: a link holds 37 bytes, a zero and a CID")
    cid, at = _slice(raw, at + 3, 36)
    return Link(_checked_cid(cid)), at


def _simple(byte: int) -> Value:
    if byte == 0xF6:
        return None
    if byte in {0xF4, 0xF5}:
        return byte == 0xF5
    raise BadInput("CBOR: floats, undefined and other simple values are not allowed")


def _checked_cid(cid: bytes) -> bytes:
    if len(cid) != 36 or cid[:4] not in CID_HEADS:
        raise BadInput("CBOR: not a CID of version 1 with SHA-256, DRISL or raw")
    return cid


def _one_deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise BadInput(f"CBOR: nested more than {MAX_DEPTH} deep")
    return depth + 1


def _check_room(raw: bytes, at: int, items: int) -> None:
    """Refuse a length that the remaining bytes cannot hold, before looping over it."""
    if items > len(raw) - at:
        raise BadInput("CBOR: ends too early")
