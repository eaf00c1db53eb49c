"""What the runs of a cell came to, as counts, and whether its goal was met."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from labeler.simulation.goals import ALL, Goal
from labeler.simulation.interval import exact_interval
from labeler.simulation.passage import Outcome

HALF: Final = 0.5


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


class Check(NamedTuple):
    """One part of a goal: a share that must be at most, or at least, `limit`. (Mean changes of state have no share.)"""

    name: str
    share: Share
    limit: float
    at_most: bool
    met: bool

    @property
    def sure(self) -> bool:
        """Whether all of the interval meets the limit."""
        lower, upper = self.share.interval
        return self.met and (upper <= self.limit if self.at_most else lower >= self.limit)


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
            calm = Share(sum(outcome.transitions <= goal.transitions for outcome in self.outcomes), self.n)
            met = self.changes_in(days) <= goal.transitions
            found.append(Check("changes of state", calm, HALF, at_most=False, met=met))
        if goal.clears:
            found.append(Check("clears", self.cleared, 1.0, at_most=False, met=self.cleared.k == self.cleared.n))
        return [check for check in found if check is not None]

    def _by(self, name: str, sends: Sequence[int], limit: int | None, share: float) -> Check | None:
        if limit is None:
            return None
        so_far = Share(sum(number <= limit for number in sends), self.n)
        return Check(name, so_far, share, at_most=False, met=so_far.value >= share)


def _at_most(name: str, share: Share, limit: float | None) -> Check | None:
    return None if limit is None else Check(name, share, limit, at_most=True, met=share.value <= limit)


def _sorted(sends: Iterable[int | None]) -> list[int]:
    return sorted(number for number in sends if number is not None)
