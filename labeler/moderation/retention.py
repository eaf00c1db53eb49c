"""How long the words of reports and answers are shown to anybody: personal data is not kept in view for ever.

Rule 1: a text goes when its term is over. Rule 2: where very many come, the oldest go first. What goes is the text:
that there was a report, of which kind, about whom and by whom stays, and the input log itself is never rewritten.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from labeler.reputation.inputs import Answer, Input, Report

ROOM_BYTES: Final = 64 * 1024 * 1024  # of texts in view at once: some tens of thousands of ordinary reports


class _Text(NamedTuple):
    until: datetime
    position: int
    size: int


class Retention:
    """Which texts are to go; `keep` is their term."""

    def __init__(self, keep: timedelta, room: int = ROOM_BYTES) -> None:
        self._keep = keep
        self._room = room
        self._texts: deque[_Text] = deque()
        self._size = 0

    def take(self, position: int, record: Input) -> list[int]:
        """Follow one record; return the positions of those whose texts go now, the oldest first."""
        if isinstance(record, Report | Answer) and record.text:
            size = len(record.text.encode())
            self._texts.append(_Text(record.received + self._keep, position, size))
            self._size += size
        gone = []
        while self._texts and (self._texts[0].until <= record.received or self._size > self._room):
            text = self._texts.popleft()
            self._size -= text.size
            gone.append(text.position)
        return gone
