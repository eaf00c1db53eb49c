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

_KEY: Final = b'":'
_OTHER_STYLES: Final = (b" :", b"\t:", b"\n:", b"\r:", b"\\u0022")  # a key's end that does not read as `_KEY`


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
        return _take_apart(raw)
    return events, None, []


def _says_no_more(raw: bytes, events: list[SendEvent]) -> bool:
    """Tell whether `raw` has as many keys as the events in it, so that none is unknown and none occurs twice.

    Written again, the events have one `":` for each of their keys, and wherever a text holds these two characters.
    `raw` has the same and one more, for "events", unless something else is in it, or it is written in another style;
    then it is looked at more closely, which costs ten times as much.
    """
    if any(mark in raw for mark in _OTHER_STYLES):
        return False
    return raw.count(_KEY) == _encoder.encode(events).count(_KEY) + 1


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
