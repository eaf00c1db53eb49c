"""Who reported what about whom in the last day: the same said again is the same report.

The memory is bounded; where more comes in a day than it holds, the oldest is forgotten first and may be filed again.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from labeler.reputation.inputs import Report

REPEAT: Final = timedelta(days=1)
FILINGS_KEPT: Final = 100_000
_KEY_BYTES: Final = 16


@dataclass(slots=True)
class Filing:
    """A report that was filed: when, and at which position of the input log (0 until it is written)."""

    received: datetime
    position: int = 0


class Filings:
    """The reports of a day, by reporter, subject and kind."""

    def __init__(self, kept: int = FILINGS_KEPT) -> None:
        self._kept = kept
        self._filings: dict[bytes, Filing] = {}  # in the order they were filed

    def find(self, report: Report) -> Filing | None:
        """The same report as it was filed within a day before this one."""
        known = self._filings.get(_key(report))
        return known if known is not None and report.received - known.received < REPEAT else None

    def file(self, report: Report) -> None:
        """Remember a report."""
        key = _key(report)
        self._filings.pop(key, None)
        self._filings[key] = Filing(report.received)
        while len(self._filings) > self._kept or self._oldest() <= report.received - REPEAT:
            del self._filings[next(iter(self._filings))]

    def written(self, report: Report, position: int) -> None:
        """Note where a report stands in the log."""
        known = self._filings.get(_key(report))
        if known is not None:
            known.position = position

    def forget(self, report: Report) -> None:
        """Undo the filing of a report that could not be written."""
        self._filings.pop(_key(report), None)

    def _oldest(self) -> datetime:
        return next(iter(self._filings.values())).received


def _key(report: Report) -> bytes:
    said = "\n".join((report.reporter, report.did, report.subject or "", report.reason))
    return hashlib.sha256(said.encode()).digest()[:_KEY_BYTES]
