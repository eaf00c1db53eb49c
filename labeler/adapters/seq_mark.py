"""The high-water mark of seq, kept apart from the database: no seq above it was ever given out.

A label log that was wiped would begin at 1 again, and every consumer with a higher cursor would wait for ever
(event-stream spec §Sequence Numbers: after a loss of state, go on safely above). The mark is raised a block at a time,
before the first seq of the block is committed, so it costs one small write in `BLOCK` labels.
"""

import os
from pathlib import Path
from typing import Final

from labeler.errors import Corrupt, Unavailable

BLOCK: Final = 10_000


class SeqMark:
    """A file with one number. Raises `Unavailable` when the disk does not do its part, `Corrupt` on other content."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value = 0

    def load(self) -> int:
        """Read the mark; 0 when there is none yet."""
        try:
            text = self._path.read_text("ascii")
        except FileNotFoundError:
            text = "0"
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self._path}: cannot be read: {error}") from error
        if not text.strip().isdigit():
            raise Corrupt(f"{self._path}: not a number; write one above every seq ever published")
        self.value = int(text)
        return self.value

    def cover(self, seq: int) -> None:
        """See to it that the mark lies at `seq` or above, durably."""
        if seq <= self.value:
            return
        mark, beside = seq + BLOCK, self._path.with_suffix(".new")
        try:
            with beside.open("w", encoding="ascii") as file:
                file.write(f"{mark}\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the new name too
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot be written: {error.strerror}") from error
        self.value = mark

    def resume(self, head: int) -> int:
        """Where to go on when the log ends at `head`: there, or at the mark when the log is older than the mark says.

        Within one block the two cannot be told apart; an older copy that young is put right by restoring it properly.
        """
        return self.value if head == 0 or self.value - head > BLOCK else head
