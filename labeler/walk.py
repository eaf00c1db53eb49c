"""Time passing over recorded inputs: what the running service does with clock and timers, done without either.

Pure: the judge, the records and the moments come from the caller.
"""

from collections.abc import Iterator
from datetime import datetime

from labeler.reputation.inputs import Input, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission


class Walk:
    """Steps a judge over records in the order of their `received`.

    With `timers`, every timer of the judge fires at its own moment, before the first record that is not earlier. A log
    of a service carries its ticks already; it is walked without.
    """

    def __init__(self, judge: Judge, *, timers: bool) -> None:
        self._judge = judge
        self._timers = timers
        self._now: datetime | None = None

    def take(self, record: Input) -> Iterator[Emission]:
        """Bring the judge to `record` and over it."""
        if self._timers:
            yield from self._fire(record.received)
        self._now = record.received
        yield from self._judge.step(record)

    def run_on(self, until: datetime) -> Iterator[Emission]:
        """Let time run on to `until` after the last record; an earlier moment changes nothing."""
        yield from self._fire(until)

    def _fire(self, until: datetime) -> Iterator[Emission]:
        while (due := self._judge.due()) is not None and due <= until:
            self._now = due if self._now is None else max(self._now, due)
            yield from self._judge.step(Tick(self._now))
