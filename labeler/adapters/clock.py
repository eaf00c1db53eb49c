"""The system's clock, the only place in the service that reads the time."""

from datetime import UTC, datetime


class SystemClock:
    """`Clock` over the wall clock. When that is set back, time stands still until it has caught up."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return aware UTC, cut to whole milliseconds, never less than before."""
        wall = datetime.now(UTC)
        self._latest = max(self._latest, wall.replace(microsecond=wall.microsecond // 1000 * 1000))
        return self._latest
