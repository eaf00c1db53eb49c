"""The breaker: at most so many automatic suspensions in any 24 hours, however wrong a rule is.

What it holds back stays a throttle and is told to people; room comes back as the suspensions of the day before leave
the window.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from labeler.reputation.counters import DistinctWindow
from labeler.reputation.policy import Guards
from labeler.reputation.volume import HOUR_S

DAY: Final = timedelta(days=1)
_DAY_HOURS: Final = 24
_ROUNDING: Final = 1e-9  # 5 % of 60 members are 3, however the product comes out


class Breaker:
    """Counts suspensions by rules and members heard of, both over the last 24 hours."""

    def __init__(self) -> None:
        self._members = DistinctWindow()
        self._suspensions: deque[datetime] = deque()
        self._allowance = 0
        self._held: dict[str, datetime] = {}

    def heard(self, did: str, hour: int) -> None:
        """Count a member as active."""
        self._members.record(did, hour)

    def heard_of(self, dids: Iterable[str], hour: int) -> None:
        """Count members as active; most of them are counted in this hour already."""
        last, record = self._members.last, self._members.record
        for did in dids:
            if last.get(did) != hour:
                record(did, hour)
                last = self._members.last  # another one, where they became too many

    def refill(self, guards: Guards, now: datetime) -> None:
        """Let go of what happened more than 24 hours before `now`, and measure the pool anew."""
        while self._suspensions and self._suspensions[0] <= now - DAY:
            self._suspensions.popleft()
        hour = int(now.timestamp()) // HOUR_S
        self._members.expire(hour - 2 * _DAY_HOURS)
        share = int(guards.breaker_share * self._members.count(hour - _DAY_HOURS) + _ROUNDING)
        self._allowance = max(guards.breaker_count, share)

    @property
    def closed(self) -> bool:
        """Whether there is room for one more suspension."""
        return len(self._suspensions) < self._allowance

    @property
    def used(self) -> int:
        """How many suspensions by rules the last 24 hours saw."""
        return len(self._suspensions)

    @property
    def allowance(self) -> int:
        """How many there may be; 0 before the first telemetry."""
        return self._allowance

    def count(self, did: str, now: datetime) -> None:
        """A rule suspended `did`."""
        self._suspensions.append(now)
        self._held.pop(did, None)

    def hold(self, did: str, now: datetime) -> bool:
        """Hold a suspension of `did` back; tell whether that is news (once a day and member)."""
        held = self._held.get(did)
        if held is not None and now - held < DAY:
            return False
        self._held = {other: since for other, since in self._held.items() if now - since < DAY}
        self._held[did] = now
        return True

    def room_at(self, did: str) -> datetime | None:
        """When there is room again for a suspension of `did` that was held back."""
        return self._suspensions[0] + DAY if did in self._held and self._suspensions else None
