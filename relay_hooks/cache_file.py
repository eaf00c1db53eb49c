"""The label cache on disk: what was last known to be good, with the cursor it belongs to, in one file.

Labels and cursor are replaced together, so a crash never leaves a cursor that is ahead of the labels.
"""

import logging
import os
import struct
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cbor2

from labeler.errors import BadInput
from relay_hooks.cache import Held, LabelCache

_VERSION = 1
_CHECKSUM = struct.Struct(">I")
_log = logging.getLogger(__name__)


class CacheFile:
    """One file, replaced as a whole. Both methods block on the disk."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._guard = threading.Lock()
        self._cursor = 0  # of the newest write

    def load(self, cache: LabelCache) -> int:
        """Fill `cache` and return the cursor; 0, and the cache left alone, when there is nothing usable.

        A damaged file is put aside under `.damaged`: the stream gives everything back, so it is not worth stopping for.
        """
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            _log.warning("label cache file cannot be read: %s", error.strerror)
            return 0
        try:
            if _CHECKSUM.unpack_from(raw)[0] != zlib.crc32(raw[_CHECKSUM.size :]):
                raise BadInput("the checksum does not hold")
            content = cbor2.loads(raw[_CHECKSUM.size :])
            if content["version"] != _VERSION or content["src"] != cache.src:
                _log.warning("label cache file is of another labeler or version; starting anew")
                return 0
            cursor = int(content["cursor"])
            cache.load(content["labels"])
        except (BadInput, struct.error, cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
            _log.warning("label cache file is damaged, starting anew: %s", error)
            with suppress(OSError):
                self._path.replace(self._path.with_name(self._path.name + ".damaged"))
            return 0
        return cursor

    def save(self, src: str, cursor: int, held: Sequence[Held]) -> None:
        """Replace the file, durably and at once; raises `OSError`. An older cursor than the last one does nothing."""
        with self._guard:
            if cursor >= self._cursor:
                self._write(src, cursor, held)
                self._cursor = cursor

    def _write(self, src: str, cursor: int, held: Sequence[Held]) -> None:
        content = {
            "version": _VERSION,
            "src": src,
            "cursor": cursor,
            "labels": [(one.seq, one.label.to_map()) for one in held],
        }
        payload = cbor2.dumps(content)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_CHECKSUM.pack(zlib.crc32(payload)) + payload)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
