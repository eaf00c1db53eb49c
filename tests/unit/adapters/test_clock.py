"""The system's clock: aware, in milliseconds, never backwards."""

from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace

import pytest

from labeler.adapters import clock
from labeler.adapters.clock import SystemClock

NOON = datetime(2026, 1, 2, 12, 0, 0, 123_999, tzinfo=UTC)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return a list whose last item is the wall clock's time."""
    times = [NOON]

    def read(zone: tzinfo) -> datetime:
        return times[-1].astimezone(zone)

    monkeypatch.setattr(clock, "datetime", SimpleNamespace(now=read, min=NOON.min.replace(tzinfo=UTC)))
    return times


def test_it_reads_the_time_between_before_and_after() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_it_cuts_to_milliseconds(wall: list[datetime]) -> None:
    assert SystemClock().now() == NOON.replace(microsecond=123_000)


def test_it_never_goes_backwards(wall: list[datetime]) -> None:
    """Set back by an hour, it stands still; once the wall clock has caught up, it goes on."""
    system = SystemClock()
    first = system.now()
    wall.append(NOON - timedelta(hours=1))
    assert system.now() == first
    wall.append(NOON + timedelta(milliseconds=5))
    assert system.now() == first + timedelta(milliseconds=5)
