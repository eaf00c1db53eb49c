"""The only clock of the hooks: every other file takes the time as an argument or asks here."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Tell the time of day: aware UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Tell seconds on a clock that never goes back; for ages and waits, not for dates."""
    return time.monotonic()
