"""`email.atmos.telemetry.submitEvents`: a relay hands in a batch.

The hot path of the service. A batch is decoded straight into the structs the fold will read, in one pass of C; no other
schema is walked for it. Only when that fails is the batch taken apart, so that one bad event is refused with its reason
and its neighbours count.
"""

from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from labeler.atproto.json_text import parse_data
from labeler.errors import BadInput
from labeler.reputation.events import MAX_EVENTS_PER_BATCH, SendEvent
from labeler.reputation.intake import Rejection
from labeler.service.access import Relay
from labeler.service.http import Call
from labeler.service.ingest import Ingest
from labeler.service.observe import Metrics

MAX_MESSAGE: Final = 300  # characters of a reason

_MARK: Final = b'"'
_ESCAPED_MARK: Final = b"\\u0022"


class _Batch(msgspec.Struct):
    events: list[SendEvent]


class _RawBatch(msgspec.Struct):
    events: list[msgspec.Raw]


class _Named(msgspec.Struct):
    id: str


_batch = msgspec.json.Decoder(_Batch)
_raw_batch = msgspec.json.Decoder(_RawBatch)
_event = msgspec.json.Decoder(SendEvent)
_encoder = msgspec.json.Encoder()
_named = msgspec.json.Decoder(_Named)

# UnicodeDecodeError and RecursionError come through msgspec as they are.
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Submit:
    """The method, with its way to the input log."""

    def __init__(self, ingest: Ingest, metrics: Metrics) -> None:
        self._ingest = ingest
        self._metrics = metrics

    async def answer(self, call: Call) -> dict[str, Any]:
        """Admit a batch; answer when what was accepted is durable. Raises `BadInput`, `Unavailable`."""
        relay = cast(Relay, call.caller)  # `require_relay` let the call through
        events, places, rejected = decode(call.body)
        admission = await self._ingest.submit(relay.did, events)
        if places is not None:
            rejected += [replace(item, index=places[item.index]) for item in admission.rejected]
            rejected.sort(key=lambda item: item.index)
        else:
            rejected = admission.rejected
        accepted = len(admission.batch.events) if admission.batch is not None else 0
        self._count(accepted, admission.duplicates, rejected)
        return {"accepted": accepted, "duplicates": admission.duplicates, "rejected": rejected}

    def _count(self, accepted: int, duplicates: int, rejected: list[Rejection]) -> None:
        self._metrics.batches.inc()
        for result, number in (("accepted", accepted), ("duplicate", duplicates), ("rejected", len(rejected))):
            self._metrics.events.labels(result).inc(number)
        self._metrics.reject(item.error for item in rejected)


def decode(raw: bytes) -> tuple[list[SendEvent], list[int] | None, list[Rejection]]:
    """Decode a batch into its good events, where they stood, and the refusals of the others.

    The places are None when every event is good. Raises `BadInput` when there is no batch in `raw`, or too big a one.
    """
    try:
        events = _batch.decode(raw).events
    except _FAULTS:
        return _take_apart(raw)
    _check_size(len(events))
    if not _says_no_more(raw, events):
        try:
            parse_data(raw)
        except BadInput:
            return _take_apart(raw)
    return events, None, []


def _says_no_more(raw: bytes, events: list[SendEvent]) -> bool:
    """Tell whether `raw` has no key besides those of the events in it: none is unknown and none occurs twice.

    Written again, the events have two quotation marks for each of their keys and texts. `raw` has the same, whatever
    its white space, and two more, for "events"; any further key brings further marks. Only a mark that is written as an
    escape could balance them, so where one is, or the count differs, the batch is looked at more closely, which costs
    ten times as much.
    """
    if b"\\" in raw and _ESCAPED_MARK in raw:
        return False
    return raw.count(_MARK) == _encoder.encode(events).count(_MARK) + 2


def _take_apart(raw: bytes) -> tuple[list[SendEvent], list[int] | None, list[Rejection]]:
    try:
        pieces = _raw_batch.decode(raw).events
    except msgspec.ValidationError as error:
        raise BadInput(f'The body must be {{"events": […]}}: {error}.') from None
    except _FAULTS as error:
        raise BadInput(f"The body is not acceptable JSON: {_reason(error)}.") from None
    _check_size(len(pieces))
    events: list[SendEvent] = []
    places: list[int] = []
    rejected: list[Rejection] = []
    for index, piece in enumerate(pieces):
        try:
            event = _event.decode(piece)
            parse_data(bytes(piece))
        except (*_FAULTS, BadInput) as error:
            rejected.append(Rejection(index, "InvalidEvent", _reason(error)[:MAX_MESSAGE], _id_of(piece)))
        else:
            events.append(event)
            places.append(index)
    if not rejected:
        parse_data(raw)  # what stands around the events
        return events, None, []
    return events, places, rejected


def _check_size(count: int) -> None:
    if count > MAX_EVENTS_PER_BATCH:
        raise BadInput(f"A batch holds at most {MAX_EVENTS_PER_BATCH} events, this one has {count}.")


def _id_of(piece: msgspec.Raw) -> str | None:
    """Name a refused event as far as it can be named."""
    try:
        name = _named.decode(piece).id
    except _FAULTS:
        return None
    return name if 1 <= len(name.encode()) <= 64 else None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    return str(error)
