"""What the runs of a cell came to, as counts, and whether its goal was met."""

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from labeler.simulation.goals import ALL, Goal
from labeler.simulation.interval import exact_interval
from labeler.simulation.passage import Outcome

HALF: Final = 0.5
_Z: Final = 1.959964  # of a two-sided interval of 95 %


class Share(NamedTuple):
    """k of n with its exact interval."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share; 0 of none."""
        return self.k / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The Clopper-Pearson interval, 95 %."""
        return exact_interval(self.k, self.n)


class Verdict(Enum):
    """How a goal stands: met by all of the interval, met, open (not met, yet within the interval), or missed."""

    SURE = "sure"
    MET = "met"
    OPEN = "open"
    MISSED = "missed"


class Check(NamedTuple):
    """One part of a goal: what was measured, with its 95 % interval, and what it was held against.

    `value` is a share of `n` members, or for changes of state their mean.
    """

    name: str
    value: float
    interval: tuple[float, float]
    limit: float
    verdict: Verdict
    n: int

    @property
    def undecided(self) -> int:
        """About how many more members would decide it, if the value stays as it is; 0 unless it is open.

        An interval shrinks with the root of n, and must get as narrow as the value is far from its limit.
        """
        if self.verdict is not Verdict.OPEN:
            return 0
        lower, upper = self.interval
        spread = self.value - lower if self.value > self.limit else upper - self.value
        narrower = spread / abs(self.value - self.limit)
        return max(1, math.ceil(self.n * (narrower * narrower - 1)))


class Tally:
    """The outcomes of one population at one volume."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes
        self.n = len(outcomes)
        self.throttled_after = _sorted(outcome.throttled_after for outcome in outcomes)
        self.suspended_after = _sorted(outcome.suspended_after for outcome in outcomes)
        self.throttled = Share(len(self.throttled_after), self.n)
        self.suspended = Share(len(self.suspended_after), self.n)
        self.early = Share(sum(outcome.early for outcome in outcomes), self.n)
        tried = [outcome.cleared for outcome in outcomes if outcome.cleared is not None]
        self.cleared = Share(sum(tried), len(tried))
        self.changes = sum(outcome.transitions for outcome in outcomes)

    def after(self, sends: Sequence[int], share: float) -> float:
        """By how many sends that share of the members had been restricted; infinite if so many never were."""
        place = math.ceil(share * self.n) - 1
        return sends[max(0, place)] if 0 <= place < len(sends) else math.inf

    def changes_in(self, days: int) -> float:
        """Mean changes of state in 30 days, of runs of so many."""
        return self.changes / self.n * 30 / days if self.n else 0.0

    def checks(self, goal: Goal, days: int) -> list[Check]:
        """Hold the runs against a goal."""
        found = [
            _at_most("false throttle", self.throttled, goal.false_throttle),
            _at_most("false suspend", self.suspended, goal.false_suspend),
            self._by("half throttled", self.throttled_after, goal.median_throttle, HALF),
            self._by("half suspended", self.suspended_after, goal.median_suspend, HALF),
            self._by("all throttled", self.throttled_after, goal.within_throttle, ALL),
            self._by("all suspended", self.suspended_after, goal.within_suspend, ALL),
        ]
        if goal.transitions is not None:
            found.append(self._changes(goal.transitions, days))
        if goal.clears and self.cleared.n:
            found.append(_at_least("clears", self.cleared, 1.0))
        return [check for check in found if check is not None]

    def _by(self, name: str, sends: Sequence[int], limit: int | None, share: float) -> Check | None:
        if limit is None:
            return None
        return _at_least(name, Share(sum(number <= limit for number in sends), self.n), share)

    def _changes(self, limit: float, days: int) -> Check:
        """Hold the mean changes of state against their limit, by the normal interval of a mean."""
        mean = self.changes_in(days)
        counts = [outcome.transitions * 30 / days for outcome in self.outcomes]
        variance = sum((count - mean) ** 2 for count in counts) / max(1, self.n - 1)
        spread = _Z * math.sqrt(variance / max(1, self.n))
        interval = (mean - spread, mean + spread)
        return Check("changes of state", mean, interval, limit, _verdict(mean, *interval, limit), self.n)


def _at_most(name: str, share: Share, limit: float | None) -> Check | None:
    if limit is None:
        return None
    return Check(name, share.value, share.interval, limit, _verdict(share.value, *share.interval, limit), share.n)


def _at_least(name: str, share: Share, limit: float) -> Check:
    lower, upper = share.interval
    return Check(name, share.value, (lower, upper), limit, _verdict(-share.value, -upper, -lower, -limit), share.n)


def _verdict(value: float, lower: float, upper: float, limit: float) -> Verdict:
    """How a value that must be at most `limit` stands."""
    if value <= limit:
        return Verdict.SURE if upper <= limit else Verdict.MET
    return Verdict.MISSED if lower > limit else Verdict.OPEN


def _sorted(sends: Iterable[int | None]) -> list[int]:
    return sorted(number for number in sends if number is not None)
