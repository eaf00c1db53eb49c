"""A queue of CBOR records on disk, for what the labeler could not take yet.

Segments are files `000000000001.spool`, …; a record is length and CRC-32 (big-endian, 4 bytes each) and one CBOR
item. Records are appended with one write and one fsync a call; reading goes on, after a restart too, where the
last commit stood. A process never appends to a segment it found: a record half-written by a crash stays the last
of its file.
Methods block on the disk (call them off the event loop) and may be called from any thread.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cbor2

from labeler.errors import Misconfigured, Unavailable

MIB = 1024 * 1024
_HEADER = struct.Struct(">II")
_LONGEST = 1 * MIB  # an event is a few hundred bytes; a length beyond this is damage


class Portion(NamedTuple):
    """Records read but not yet committed; `ends` are their end offsets within `segment`."""

    values: tuple[Any, ...]
    segment: int
    ends: tuple[int, ...]


def _decode(payload: bytes) -> Any:
    try:
        return cbor2.loads(payload)
    except (cbor2.CBORDecodeError, ValueError, OverflowError):
        return None


class Spool:
    """The queue. `max_bytes` bounds what lies on disk; one process at a time may hold a directory."""

    def __init__(self, directory: Path, *, max_bytes: int = 64 * MIB, segment_bytes: int = 4 * MIB) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._guard = threading.Lock()
        self._lock_file: BinaryIO | None = None
        self._tail: BinaryIO | None = None  # the segment being written
        self._tail_number = 0
        self._sizes: dict[int, int] = {}  # segment number → bytes, ascending
        self._position = (0, 0)  # segment, offset of the next record to read
        self.pending = 0
        """Records waiting."""
        self.full = False
        """The newest append found too little room, and none was made since."""
        self.damaged = 0
        """Records lost to a crash in mid-write or to the disk."""

    def open(self) -> None:
        """Take the directory and count what waits in it; raises `Misconfigured` when it cannot be used."""
        with self._guard:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock_file = (self._directory / "lock").open("ab")
            except OSError as error:
                raise Misconfigured(
                    f"spool directory {self._directory}: {error.strerror}; choose one the relay may write to"
                ) from error
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock_file.close()
                raise Misconfigured(
                    f"spool directory {self._directory}: another process uses it; give each its own"
                ) from error
            self._lock_file = lock_file
            self._scan()

    def close(self) -> None:
        """Let go of the files; what waits stays on disk."""
        with self._guard:
            self._end_tail()
            if self._lock_file is not None:
                self._lock_file.close()
                self._lock_file = None

    @property
    def bytes_on_disk(self) -> int:
        """Bytes all segments take."""
        return sum(self._sizes.values())

    def append(self, values: Sequence[Any]) -> int:
        """Write as many of `values` as fit, durably; return how many. Raises `Unavailable` if the disk failed."""
        with self._guard:
            room = self._max_bytes - self.bytes_on_disk
            records: list[bytes] = []
            for value in values:
                payload = cbor2.dumps(value)
                if len(payload) > _LONGEST:
                    raise ValueError("a spool record may have 1 MiB at most")
                record = _HEADER.pack(len(payload), zlib.crc32(payload)) + payload
                room -= len(record)
                if room < 0:
                    self.full = True
                    break
                records.append(record)
            if records:
                self._write(b"".join(records))
                self.pending += len(records)
            return len(records)

    def peek(self, limit: int) -> Portion:
        """Read up to `limit` of the oldest records, all from one segment, without removing them."""
        with self._guard:
            while True:
                segment, offset = self._position
                values: list[Any] = []
                ends: list[int] = []
                if segment in self._sizes:
                    for end, value in self._records(segment, offset):
                        if value is not None:
                            values.append(value)
                            ends.append(end)
                        if len(values) >= limit:
                            break
                if values or not self._advance():
                    return Portion(tuple(values), segment, tuple(ends))

    def commit(self, portion: Portion, count: int) -> None:
        """Remove the first `count` records of `portion`; they will not be read again."""
        if count <= 0:
            return
        with self._guard:
            self.pending -= count
            self._position = (portion.segment, portion.ends[count - 1])
            if self._position[1] >= self._sizes.get(portion.segment, 0):
                self._advance()
            with suppress(OSError):  # a lost position means sending twice, which the labeler takes lightly
                fresh = self._directory / "position.new"
                fresh.write_text(f"{self._position[0]} {self._position[1]}\n")
                fresh.replace(self._directory / "position")

    def _path(self, segment: int) -> Path:
        return self._directory / f"{segment:012d}.spool"

    def _scan(self) -> None:
        segment, offset = self._read_position()
        for path in sorted(self._directory.glob("*.spool")):
            number = int(path.stem) if path.stem.isdecimal() else 0
            if number < max(segment, 1):
                path.unlink()  # read to its end before the last stop
                continue
            self._sizes[number] = path.stat().st_size
            for _, value in self._records(number, offset if number == segment else 0):
                if value is None:
                    self.damaged += 1
                else:
                    self.pending += 1
        # Numbers are never used twice, or a stale position would skip records of a new segment.
        self._tail_number = max([segment, *self._sizes])
        self._position = (segment, offset) if segment in self._sizes else (next(iter(self._sizes), 0), 0)

    def _read_position(self) -> tuple[int, int]:
        try:
            segment, offset = (self._directory / "position").read_text().split()
            return int(segment), int(offset)
        except (OSError, ValueError):
            return 0, 0

    def _records(self, segment: int, offset: int) -> Iterator[tuple[int, Any]]:
        """Yield (end offset, value) from `offset`; a damaged record is stepped over, its value is None.

        Where the length itself makes no sense the rest of the segment is one damaged record.
        """
        size = self._sizes[segment]
        with suppress(FileNotFoundError), self._path(segment).open("rb") as file:
            file.seek(offset)
            while offset < size:
                header = file.read(_HEADER.size)
                length, checksum = _HEADER.unpack(header) if len(header) == _HEADER.size else (_LONGEST + 1, 0)
                end = offset + _HEADER.size + length
                if length > _LONGEST or end > size:
                    yield size, None
                    return
                offset = end
                payload = file.read(length)
                yield end, _decode(payload) if zlib.crc32(payload) == checksum else None

    def _advance(self) -> bool:
        """Leave the segment just read, and delete it; False when it was the last one."""
        segment = self._position[0]
        later = [number for number in self._sizes if number > segment]
        if segment in self._sizes:
            if segment == self._tail_number:
                self._end_tail()
            with suppress(OSError):
                self._path(segment).unlink()
            del self._sizes[segment]
            self.full = False
        if later:
            self._position = (later[0], 0)
        else:
            self.damaged += self.pending  # counted when written, gone when read: somebody touched the files
            self.pending = 0
        return bool(later)

    def _write(self, raw: bytes) -> None:
        try:
            if self._tail is None or self._sizes[self._tail_number] >= self._segment_bytes:
                self._end_tail()
                self._tail = os.fdopen(
                    os.open(self._path(self._tail_number + 1), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
                    "wb",
                    buffering=0,
                )
                self._tail_number += 1
                self._sizes[self._tail_number] = 0
                if self._position[0] not in self._sizes:
                    self._position = (self._tail_number, 0)
            view = memoryview(raw)
            while view:
                view = view[self._tail.write(view) :]
            os.fsync(self._tail.fileno())
            self._sizes[self._tail_number] += len(raw)
        except OSError as error:
            # What was written of it, if anything, lies behind the size we know: nobody reads it.
            self._undo_write()
            raise Unavailable(f"spool directory {self._directory}: {error.strerror}") from error

    def _undo_write(self) -> None:
        if self._tail is not None:
            with suppress(OSError):
                self._tail.truncate(self._sizes.get(self._tail_number, 0))
        self._end_tail()

    def _end_tail(self) -> None:
        if self._tail is not None:
            with suppress(OSError):
                self._tail.close()
            self._tail = None
