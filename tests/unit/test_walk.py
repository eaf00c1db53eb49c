"""Time passes over recorded inputs as it does over live ones."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from labeler.atproto.label import Label
from labeler.reputation.inputs import Decision, Input, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission
from labeler.walk import Walk

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LABEL = Label("did:web:labeler.example.com", "did:plc:alice", "mail-throttled", "2026-03-02T12:00:00.000Z")


class Alarms(Judge):
    """A judge that remembers what it was given, says one thing about each, and has timers at set hours."""

    def __init__(self, *hours: int) -> None:
        super().__init__(LABEL.src)
        self.taken: list[Input] = []
        self.alarms = [at(hour) for hour in hours]

    def due(self) -> datetime | None:
        return self.alarms[0] if self.alarms else None

    def step(self, record: Input) -> list[Emission]:
        self.taken.append(record)
        if isinstance(record, Tick):
            self.alarms.pop(0)
        return [said(record)]


def at(hour: float) -> datetime:
    return NOON + timedelta(hours=hour)


def decision(hour: float) -> Decision:
    return Decision(at(hour), "did:plc:operator", LABEL.uri)


def said(record: Input) -> Emission:
    return Emission(LABEL, b"", "", "", type(record).__name__, "", record.received)


def run(judge: Judge, records: Iterable[Input], *, timers: bool = True, until: float | None = None) -> list[Emission]:
    walk = Walk(judge, timers=timers)
    emissions = [emission for record in records for emission in walk.take(record)]
    return emissions + (list(walk.run_on(at(until))) if until is not None else [])


def test_each_timer_fires_at_its_own_moment_between_two_records() -> None:
    judge = Alarms(2, 5, 20)
    emissions = run(judge, [decision(1), decision(10)])
    assert judge.taken == [decision(1), Tick(at(2)), Tick(at(5)), decision(10)]
    assert emissions == [said(record) for record in judge.taken]


def test_a_timer_due_at_the_moment_of_a_record_fires_before_it() -> None:
    judge = Alarms(2)
    run(judge, [decision(1), decision(2)])
    assert judge.taken == [decision(1), Tick(at(2)), decision(2)]


def test_a_timer_that_is_due_later_waits() -> None:
    judge = Alarms(3)
    run(judge, [decision(1), decision(2.999)])
    assert judge.taken == [decision(1), decision(2.999)]


def test_a_stored_log_is_walked_as_it_is() -> None:
    judge = Alarms(2)
    records: list[Input] = [decision(1), decision(10), Tick(at(11))]
    run(judge, records, timers=False)
    assert judge.taken == records


def test_time_runs_on_after_the_last_record_as_far_as_told() -> None:
    for timers in (True, False):
        judge = Alarms(5, 6, 7)
        emissions = run(judge, [decision(1)], timers=timers, until=6)
        assert judge.taken == [decision(1), Tick(at(5)), Tick(at(6))]
        assert emissions == [said(record) for record in judge.taken]


def test_running_on_to_an_earlier_moment_changes_nothing() -> None:
    judge = Alarms(5)
    run(judge, [decision(1)], until=-1)
    assert judge.taken == [decision(1)]


def test_a_timer_that_is_long_due_fires_without_turning_time_back() -> None:
    """A stored log may end before the tick of a timer that was due."""
    judge = Alarms(2, 12)
    run(judge, [decision(1), decision(10)], timers=False, until=20)
    assert judge.taken[2:] == [Tick(at(10)), Tick(at(12))]


def test_without_records_timers_still_fire() -> None:
    judge = Alarms(5)
    run(judge, [], until=6)
    assert judge.taken == [Tick(at(5))]
