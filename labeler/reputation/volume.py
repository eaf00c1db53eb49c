"""How much a subject sends, by the minute and by the hour, and what is usual for an hour like this one."""

from typing import Final, NamedTuple

from labeler.reputation.counters import CountWindow

HOUR_S: Final = 3600
MINUTE_S: Final = 60
WEEK_HOURS: Final = 7 * 24
BASELINE_HOURS: Final = 4 * WEEK_HOURS
_MINUTES_SEEN: Final = 126  # two hours, seen from a clock up to five minutes behind the newest event
_MINUTES_KEPT: Final = 2 * _MINUTES_SEEN
_SHRINK: Final = 2.0  # an hour of the week is believed as far as it was seen more often than twice


class Baseline(NamedTuple):
    """What an hour usually brings: mean and variance of messages, and for how many hours that is known."""

    mean: float
    variance: float
    hours: int


class VolumeWindows:
    """Messages by minute (accepted, refused) for two hours, and accepted by hour for a month."""

    __slots__ = ("_baseline", "_baseline_hour", "accepted", "minutes", "refused")

    def __init__(self) -> None:
        self.minutes = CountWindow()
        self.refused = CountWindow()
        self.accepted = CountWindow()
        self._baseline_hour = 0
        self._baseline: Baseline | None = None

    def accept(self, at_s: int) -> None:
        """Count a message accepted at `at_s`."""
        self.minutes.add(at_s // MINUTE_S)
        if len(self.minutes.buckets) > _MINUTES_KEPT:
            _only_recent(self.minutes)
        hour = at_s // HOUR_S
        self.accepted.add(hour)
        if hour < self._baseline_hour:
            self._baseline = None  # a late event changed what was usual

    def refuse(self, at_s: int) -> None:
        """Count a message the relay refused at `at_s`."""
        self.refused.add(at_s // MINUTE_S)
        if len(self.refused.buckets) > _MINUTES_KEPT:
            _only_recent(self.refused)

    def attempts(self, hour: int) -> int:
        """A bound on what was tried in the two hours before a moment in `hour`, cheap to tell."""
        buckets = self.accepted.buckets
        around = (hour - 2, hour - 1, hour, hour + 1)
        return self.refused.total + sum([buckets[bucket] for bucket in around if bucket in buckets])

    def baseline(self, hour: int) -> Baseline:
        """What is usual for `hour`: the hour of the week, drawn towards the whole.

        Looks at the four weeks before it, from the first message in them on; what is older says nothing.
        """
        if self._baseline is None or self._baseline_hour != hour:
            self._baseline_hour, self._baseline = hour, self._measured(hour)
        return self._baseline

    def expire(self, hour: int, floor: int) -> None:
        """Forget minutes two hours before `hour`, and hours < `floor`."""
        oldest = (hour - 3) * (HOUR_S // MINUTE_S)
        self.minutes.expire(oldest)
        self.refused.expire(oldest)
        self.accepted.expire(floor)
        self._baseline = None

    def _measured(self, hour: int) -> Baseline:
        buckets = self.accepted.buckets
        known = {bucket: number for bucket, number in buckets.items() if hour - BASELINE_HOURS <= bucket < hour}
        if not known:
            return Baseline(0.0, 0.0, 0)
        since, counts = min(known), known.values()
        hours = hour - since
        mean = sum(counts) / hours
        variance = sum(number * number for number in counts) / hours - mean * mean
        alike = [buckets.get(bucket, 0) for bucket in range(hour - WEEK_HOURS, since - 1, -WEEK_HOURS)]
        shrunk = (sum(alike) + _SHRINK * mean) / (len(alike) + _SHRINK)
        return Baseline(shrunk, shrunk + max(0.0, variance - mean) * (shrunk / mean) ** 2, hours)


def _only_recent(window: CountWindow) -> None:
    window.expire(max(window.buckets) - _MINUTES_SEEN)
