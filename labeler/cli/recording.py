"""Recorded telemetry: NDJSON, plain, gzip or zstd, one event a line in the order of `at`.

A line is an event of `email.atmos.telemetry.defs`. It may carry `received` (else `at` is taken) and `relay`.
"""

import gzip
import heapq
import io
import itertools
import os
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import zstandard
from msgspec import Meta

from labeler.cli.console import Meter
from labeler.errors import BadInput, Misconfigured
from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Input
from labeler.reputation.intake import Intake

STDIN: Final = Path("-")
STDIN_NUMBER: Final = 0
CHUNK_BYTES: Final = 16 * 1024  # of packed bytes at once
UNKNOWN_RELAY: Final = "did:web:replay.invalid"

_GZIP: Final = b"\x1f\x8b"  # RFC 1952 §2.3.1
_ZSTD: Final = b"\x28\xb5\x2f\xfd"  # RFC 8878 §3.1.1


class _Stamp(msgspec.Struct):
    """What a line says about its arrival."""

    received: Annotated[datetime, Meta(tz=True)] | None = None
    relay: str = UNKNOWN_RELAY


class Line(NamedTuple):
    """One event as it arrived."""

    received: datetime
    relay: str
    event: SendEvent


_event = msgspec.json.Decoder(SendEvent)
_stamp = msgspec.json.Decoder(_Stamp)


class Recording:
    """Files of events as the batches a service would have written, and a tally of what did not count."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._events = 0
        self._duplicates = 0
        self._disordered = 0
        self._rejected: Counter[str] = Counter()

    def __str__(self) -> str:
        parts = [f"{self._events} events", f"{self._duplicates} duplicates", f"{self._rejected.total()} refused"]
        if self._rejected:
            parts[-1] += " (" + ", ".join(f"{name} {count}" for name, count in sorted(self._rejected.items())) + ")"
        if self._disordered:
            parts.append(f"{self._disordered} out of order, taken as received with the one before")
        return ", ".join(parts)

    async def inputs(self) -> AsyncIterator[Input]:
        """Merge the files by time and give what the intake admits.

        Consecutive lines of one relay with the same `received` are one batch. Raises `BadInput` naming file and line,
        `Misconfigured` when a file cannot be read.
        """
        intake = Intake()
        with ExitStack() as stack:
            sources = [_Source(path, stack) for path in self._files]
            meter = Meter("replaying", sum(source.size for source in sources))
            stack.callback(meter.close)
            lines = heapq.merge(*(source.lines() for source in sources), key=lambda line: line.received)
            for (received, relay), group in itertools.groupby(self._in_order(lines), lambda line: line[:2]):
                admission = intake.admit(relay, [line.event for line in group], received)
                self._duplicates += admission.duplicates
                self._rejected.update(rejection.error for rejection in admission.rejected)
                if admission.batch is not None:
                    yield admission.batch
                meter.at(sum(source.done() for source in sources))

    def _in_order(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Nothing is received before what came earlier: the fold's time never runs back."""
        latest = datetime.min.replace(tzinfo=UTC)
        for line in lines:
            self._events += 1
            if line.received < latest:
                self._disordered += 1
                yield line._replace(received=latest)
            else:
                latest = line.received
                yield line


class _Source:
    """One file, unpacked while it is read."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        try:
            self._raw = io.FileIO(STDIN_NUMBER if path == STDIN else path, closefd=path != STDIN)
            self._head = stack.enter_context(io.BufferedReader(self._raw))
            self._seekable = self._raw.seekable()
            self.size = os.fstat(self._raw.fileno()).st_size if self._seekable else 0
        except OSError as error:
            raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error

    def done(self) -> int:
        """Bytes read so far, as they lie in the file."""
        return self._raw.tell() if self._seekable else 0

    def lines(self) -> Iterator[Line]:
        """Decode line by line; blank ones are skipped."""
        number = 0
        try:
            for raw in self._unpacked():
                number += 1
                if not raw.isspace():
                    yield _line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(f"{self._path}, line {number}: not a telemetry event: {error}") from error
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise Misconfigured(f"{self._path}: broken after line {number}: {error}") from error

    def _unpacked(self) -> Iterable[bytes]:
        start = self._head.peek(4)[:4]
        if start[:2] == _GZIP:
            return gzip.GzipFile(fileobj=self._head)
        if start == _ZSTD:
            return io.BufferedReader(_Zstd(self._head))
        return self._head


class _Zstd(io.RawIOBase):
    """Frames of zstd, unpacked. A frame that ends too early is an error, which the library's own reader overlooks."""

    def __init__(self, packed: "io.BufferedReader[io.FileIO]") -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._plain = b""

    def readable(self) -> bool:
        """Say yes, as `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as what is unpacked reaches; 0 at the end."""
        while not self._plain:
            packed = self._packed.read1(CHUNK_BYTES)
            if not packed:
                if self._begun:
                    raise EOFError("the last zstd frame ends too early")
                return 0
            while packed:
                self._begun = True
                self._plain += self._frame.decompress(packed)
                packed = b""
                if self._frame.eof:  # what follows is the next frame (RFC 8878 §3)
                    packed = self._frame.unused_data
                    self._frame = zstandard.ZstdDecompressor().decompressobj()
                    self._begun = False
        part, self._plain = self._plain[: len(buffer)], self._plain[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _line(raw: bytes) -> Line:
    event, stamp = _event.decode(raw), _stamp.decode(raw)
    received = stamp.received or event.at
    # The service's clock has milliseconds, and so have the labels' timestamps.
    whole = received.astimezone(UTC).replace(microsecond=received.microsecond // 1000 * 1000)
    return Line(whole, stamp.relay, event)
