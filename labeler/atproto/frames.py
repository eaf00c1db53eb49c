"""Frames of `com.atproto.label.subscribeLabels`: a header and a payload in CBOR (event-stream spec §Framing)."""

from dataclasses import dataclass
from typing import Final

from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.errors import BadInput

MAX_SEQ: Final = 2**53 - 1  # event-stream spec §Sequence Numbers

_LABELS_HEADER: Final = cbor.encode({"op": 1, "t": "#labels"})
_INFO_HEADER: Final = cbor.encode({"op": 1, "t": "#info"})
_ERROR_HEADER: Final = cbor.encode({"op": -1})
_SEQ_KEY: Final = b"\xa2\x63seq"  # a map of two; keys sort by length first, so seq comes before labels
_ONE_LABEL: Final = b"\x66labels\x81"


@dataclass(frozen=True, slots=True)
class LabelsFrame:
    """Labels under one `seq`. `refused`: why each label that could not be used was left out."""

    seq: int
    labels: tuple[Label, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InfoFrame:
    """Word from the server beside the stream, such as `OutdatedCursor`; names not known are no error."""

    name: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """The last frame of a connection, such as `FutureCursor`; the server closes right after it."""

    error: str
    message: str | None = None


def labels_frame(seq: int, label_bytes: bytes) -> bytes:
    """Frame one label, given as the bytes `Label.to_bytes` gave; they go out untouched."""
    if not 1 <= seq <= MAX_SEQ:
        raise BadInput("seq lies outside 1 … 2^53-1")
    return b"".join((_LABELS_HEADER, _SEQ_KEY, cbor.head(0x00, seq), _ONE_LABEL, label_bytes))


def info_frame(name: str, message: str | None = None) -> bytes:
    """Frame a piece of information; it has no seq and is not stored."""
    return _INFO_HEADER + cbor.encode(_named("name", name, message))


def error_frame(name: str, message: str | None = None) -> bytes:
    """Frame an error; `name` without # or namespace (event-stream spec §Framing)."""
    return _ERROR_HEADER + cbor.encode(_named("error", name, message))


def decode_frame(raw: bytes, *, tolerant: bool = False) -> LabelsFrame | InfoFrame | ErrorFrame | None:
    """Decode one binary message; None means an `op` or `t` of the future, to be ignored (event-stream spec §Framing).

    Raises `BadInput` on broken framing. A label of another version is always set aside in `refused`. A malformed
    label breaks the frame, unless `tolerant`: then it is set aside too, so that one bad label of a labeler does not
    hold up all that follow.
    """
    items = cbor.decode_sequence(raw)
    if len(items) != 2:
        raise BadInput("frame: not exactly a header and a payload")
    header, payload = items
    if not isinstance(header, dict):
        raise BadInput("frame: the header is not a map")
    operation, kind = header.get("op"), header.get("t")
    if type(operation) is not int:
        raise BadInput("frame: op is missing or not an integer")
    if operation == -1:
        return ErrorFrame(*_read_named("error", _map(payload)))
    if operation != 1:
        return None
    if not isinstance(kind, str):
        raise BadInput("frame: t is missing or not a string")
    if kind == "#labels":
        return _read_labels(_map(payload), tolerant)
    if kind == "#info":
        return InfoFrame(*_read_named("name", _map(payload)))
    return None


def _read_labels(payload: dict[str, cbor.Value], tolerant: bool) -> LabelsFrame:
    seq, items = payload.get("seq"), payload.get("labels")
    if type(seq) is not int or not 1 <= seq <= MAX_SEQ:
        raise BadInput("frame: seq is missing or lies outside 1 … 2^53-1")
    if not isinstance(items, list):
        raise BadInput("frame: labels is missing or not a list")
    labels, refused = [], []
    for item in items:
        try:
            labels.append(Label.from_map(item))
        except BadInput as error:
            if not tolerant and error.name != "UnsupportedLabelVersion":
                raise
            refused.append(error.message)
    return LabelsFrame(seq, tuple(labels), tuple(refused))


def _map(payload: cbor.Value) -> dict[str, cbor.Value]:
    if not isinstance(payload, dict):
        raise BadInput("frame: the payload is not a map")
    return payload


def _named(key: str, name: str, message: str | None) -> dict[str, str]:
    return {key: name} if message is None else {key: name, "message": message}


def _read_named(key: str, payload: dict[str, cbor.Value]) -> tuple[str, str | None]:
    name, message = payload.get(key), payload.get("message")
    if not isinstance(name, str):
        raise BadInput(f"frame: {key} is missing or not a string")
    if message is None and "message" not in payload:
        return name, None
    if not isinstance(message, str):
        raise BadInput("frame: message is not a string")
    return name, message
