"""Forgetting what no rule looks back to any more, a little after every batch: the silent must be swept too."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from labeler.reputation.incidents import Incidents
from labeler.reputation.policy import Policy
from labeler.reputation.pool import Pool
from labeler.reputation.subject import Subject
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

SWEEP_HOURS: Final = 24  # a subject's windows are swept so often
SWEPT_A_BATCH: Final = 8  # subjects looked at after each batch


class Sweeping:
    """Every subject in turn, and once a day what is known of the pool and its incidents."""

    def __init__(self, subjects: Mapping[str, Subject], pool: Pool, incidents: Incidents) -> None:
        self._subjects = subjects
        self._pool = pool
        self._incidents = incidents
        self._rounds: deque[str] = deque()  # the one to be looked at next comes first
        self._pool_swept = 0
        self._horizon_hours = 0
        self._memory_s: int | None = None  # None before the first policy: nobody knows what may be forgotten

    def enter(self, did: str) -> None:
        """Take a new subject into the rounds."""
        self._rounds.append(did)

    def follow(self, policy: Policy) -> None:
        """From here on another policy says what is looked back to."""
        self._horizon_hours = policy.horizon_s // HOUR_S + 1
        self._memory_s = policy.suppression.memory.seconds

    def next(self, hour: int) -> list[SubjectWindows]:
        """Whose turn it is; the pool is swept meanwhile when its day is over."""
        turn = []
        for _ in range(min(SWEPT_A_BATCH, len(self._rounds))):
            turn.append(self._subjects[self._rounds[0]].windows)
            self._rounds.rotate(-1)
        if hour >= self._pool_swept + SWEEP_HOURS:
            self._pool_swept = hour
            self._pool.expire(hour - self._horizon_hours)
            self._incidents.expire(hour - self._horizon_hours)
        return turn

    def sweep(self, windows: SubjectWindows, hour: int) -> None:
        """Sweep one subject, unless that was done today."""
        if self._memory_s is not None and hour >= windows.swept_hour + SWEEP_HOURS:
            windows.sweep(hour, self._horizon_hours, self._memory_s)
