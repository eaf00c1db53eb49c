"""Events between the mail path and the labeler, each counted exactly once.

Where an event can be: buffer → in flight → gone, or buffer → spool → gone. It leaves the buffer or the spool for good
only when it is settled. Oldest first, as a habit and not a promise: outcomes bind to their acceptance in either order.
`put` is for the mail path; `take`, `settle` and `spill` may block on the disk.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from labeler.reputation.events import SendEvent
from relay_hooks.spool import Portion, Spool

_encoder = msgspec.json.Encoder()
_validator = msgspec.json.Decoder(SendEvent)


class Rejected(NamedTuple):
    """An event the labeler will never take, and why. `event` is its JSON form."""

    event: dict[str, Any]
    error: str
    message: str


@dataclass
class ReporterStats:
    """Exact counts since the start: reported + recovered = sent + duplicates + rejected + dropped + waiting."""

    reported: int = 0
    recovered: int = 0
    """Found in the spool at the start."""
    sent: int = 0
    """Counted by the labeler."""
    duplicates: int = 0
    """The labeler had them already."""
    rejected: int = 0
    """Never acceptable; the newest are kept for inspection."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Lost, by reason."""
    waiting: int = 0
    """In memory and on disk."""
    spooled: int = 0
    """Of those waiting, on disk."""
    damaged: int = 0
    """Spool records found half-written or unreadable."""
    failures: int = 0
    """Attempts to send that came to nothing."""
    last_failure: str = ""
    away: bool = False
    """The newest attempt came to nothing."""


class Load(NamedTuple):
    """Events taken out to be sent, as JSON; `portion` is their place in the spool, None for events from memory."""

    encoded: list[bytes]
    portion: Portion | None


@dataclass
class Tally:
    """What became of the first `sent + duplicates + len(rejected)` events of a load."""

    sent: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """How many events from the front of the load need no more care."""
        return self.sent + self.duplicates + len(self.rejected)


class Outbox:
    """A bounded buffer with a bounded spool behind it, and the counts of both."""

    def __init__(self, spool: Spool, *, buffer_events: int, keep_rejected: int) -> None:
        self._spool = spool
        self._most = buffer_events
        self._guard = threading.Lock()
        self._buffer: deque[SendEvent] = deque()
        self._in_flight: list[SendEvent] = []
        self._moving = 0  # on their way from the buffer to the disk
        self._why_full = "buffer full"
        self._closed = False
        self.counts = ReporterStats()
        self.last_rejected: deque[Rejected] = deque(maxlen=keep_rejected)

    def __len__(self) -> int:
        with self._guard:
            return self._waiting()

    @property
    def buffered(self) -> int:
        """Events in memory that nobody is sending."""
        return len(self._buffer)

    def open(self) -> None:
        """Open the spool and count what an earlier process left; raises `Misconfigured`."""
        self._spool.open()
        self.counts.recovered = self._spool.pending

    def put(self, event: SendEvent) -> int:
        """Take one event and return how many the buffer holds now; 0 when it was dropped, and counted."""
        with self._guard:
            self.counts.reported += 1
            if self._closed or len(self._buffer) >= self._most:
                self.counts.dropped["closed" if self._closed else self._why_full] += 1
                return 0
            self._buffer.append(event)
            return len(self._buffer)

    def take(self, limit: int) -> Load:
        """Take up to `limit` events out, from the spool while it holds any; `settle` must follow."""
        if self._spool.pending:
            portion = self._spool.peek(limit)
            if portion.values:
                return Load([_encoder.encode(value) for value in portion.values], portion)
        with self._guard:
            self._return_in_flight()
            self._in_flight = [self._buffer.popleft() for _ in range(min(len(self._buffer), limit))]
        encoded: list[bytes] = []
        good: list[SendEvent] = []
        for event in self._in_flight:
            raw = self._checked(event)
            if raw is not None:
                encoded.append(raw)
                good.append(event)
        with self._guard:
            self._in_flight = good
        return Load(encoded, None)

    def settle(self, load: Load, tally: Tally) -> None:
        """Count what became of a load; what is not settled stays in the spool or goes back into the buffer."""
        if load.portion is not None:
            self._spool.commit(load.portion, tally.settled)
        with self._guard:
            self.counts.sent += tally.sent
            self.counts.duplicates += tally.duplicates
            self.counts.rejected += len(tally.rejected)
            self.last_rejected.extend(tally.rejected)
            if load.portion is None:
                del self._in_flight[: tally.settled]
                self._return_in_flight()

    def spill(self) -> None:
        """Move the buffer to the disk as far as there is room; what finds none stays in memory. Never raises."""
        with self._guard:
            if self._spool.full:
                self._why_full = "spool full"
                return
            moving = list(self._buffer)
            self._buffer.clear()
            self._moving = len(moving)
        good: list[SendEvent] = []
        values: list[Any] = []
        for event in moving:
            if self._checked(event) is not None:
                good.append(event)
                values.append(msgspec.to_builtins(event))
        try:
            written = self._spool.append(values) if values else 0
            why = "buffer full" if written == len(values) else "spool full"
        except Exception:  # noqa: BLE001 - the disk, or anything: events must not get lost between two places
            written, why = 0, "spool failed"
        with self._guard:
            self._why_full = why
            self._buffer.extendleft(reversed(good[written:]))
            self._moving = 0

    def stop(self) -> None:
        """Take no more events."""
        with self._guard:
            self._closed = True

    def close(self) -> None:
        """Spill what is left, count as dropped what finds no room, and let go of the spool."""
        self.stop()
        with self._guard:
            self._return_in_flight()
        self.spill()
        with self._guard:
            if self._buffer:
                self.counts.dropped[self._why_full] += len(self._buffer)
                self._buffer.clear()
        self._spool.close()

    def stats(self) -> ReporterStats:
        """Copy the counts as they stand."""
        with self._guard:
            return replace(
                self.counts,
                dropped=Counter(self.counts.dropped),
                spooled=self._spool.pending,
                damaged=self._spool.damaged,
                waiting=self._waiting(),
            )

    def _waiting(self) -> int:
        """Count the events nobody has answered for, wherever they are; during a spill some may count twice."""
        return len(self._buffer) + len(self._in_flight) + self._moving + self._spool.pending

    def _return_in_flight(self) -> None:
        """Put back what was taken out and not settled: its sender was interrupted. Holds the guard."""
        self._buffer.extendleft(reversed(self._in_flight))
        self._in_flight = []

    def _checked(self, event: SendEvent) -> bytes | None:
        """Encode an event, or count it as rejected where the schema forbids it.

        A struct made in code is not validated by itself, and one bad event could have its whole batch refused.
        """
        try:
            raw = _encoder.encode(event)
            _validator.decode(raw)
        except Exception as error:  # noqa: BLE001 - anything can hide in a field nobody checked
            with self._guard:
                self.counts.rejected += 1
                self.last_rejected.append(
                    Rejected({"id": str(getattr(event, "id", ""))[:64]}, "Invalid", str(error)[:200])
                )
            return None
        return raw
