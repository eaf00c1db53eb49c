"""When something may change by itself: one timer a subject, the newest; and the moments it is made of."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.policy import Policy
from labeler.reputation.subject import Subject, epoch
from labeler.reputation.timers import Timers, turning_points

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)
ANNE, BERT = "did:plc:anne", "did:plc:bert"


class Bench:
    """Two subjects and their timers."""

    def __init__(self) -> None:
        self.subjects = {ANNE: Subject(), BERT: Subject()}
        self.timers = Timers(self.subjects)

    def set(self, did: str, *hours: float, now: float = 0) -> None:
        self.timers.set(did, self.subjects[did], [NOON + h * HOURS for h in hours], NOON + now * HOURS)

    def fired(self, hours: float) -> list[str]:
        """Who fires by then, each taken and not set again."""
        dids = []
        while (taken := self.timers.pop(NOON + hours * HOURS)) is not None:
            did, subject = taken
            assert subject is self.subjects[did]
            dids.append(did)
            self.timers.set(did, subject, [], NOON + hours * HOURS)
        return dids


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestTimers:
    def test_nothing_is_due_where_nothing_was_set(self, bench: Bench) -> None:
        assert bench.timers.due() is None
        assert bench.fired(1_000) == []
        bench.set(ANNE)
        assert bench.timers.due() is None

    def test_the_first_moment_after_now_counts(self, bench: Bench) -> None:
        bench.set(ANNE, 5, 3, 9, -1, 0)
        assert bench.timers.due() == NOON + 3 * HOURS

    def test_a_moment_that_is_now_is_past(self, bench: Bench) -> None:
        bench.set(ANNE, 3, now=3)
        assert bench.timers.due() is None

    def test_the_earliest_of_all_subjects_is_due(self, bench: Bench) -> None:
        bench.set(ANNE, 5)
        bench.set(BERT, 3)
        assert bench.timers.due() == NOON + 3 * HOURS
        assert bench.fired(2.9) == []
        assert bench.fired(3) == [BERT]
        assert bench.timers.due() == NOON + 5 * HOURS

    def test_at_the_same_moment_they_fire_in_the_order_of_their_dids(self, bench: Bench) -> None:
        bench.set(BERT, 3)
        bench.set(ANNE, 3)
        assert bench.fired(3) == [ANNE, BERT]

    @pytest.mark.parametrize("second", [2, 5])
    def test_setting_again_replaces(self, bench: Bench, second: float) -> None:
        bench.set(ANNE, 3)
        bench.set(ANNE, second)
        assert bench.timers.due() == NOON + second * HOURS
        assert bench.fired(100) == [ANNE]

    def test_setting_to_nothing_takes_it_back(self, bench: Bench) -> None:
        bench.set(ANNE, 3)
        bench.set(ANNE)
        assert bench.timers.due() is None
        assert bench.fired(100) == []

    def test_going_back_to_an_earlier_plan_fires_once(self, bench: Bench) -> None:
        for hours in (3, 5, 3):
            bench.set(ANNE, hours)
        assert bench.fired(100) == [ANNE]

    def test_setting_the_same_again_and_again_takes_no_room(self, bench: Bench) -> None:
        for _ in range(100):
            bench.set(ANNE, 3)
        assert len(bench.timers._heap) == 1

    def test_any_sequence_fires_what_a_plain_table_would(self) -> None:
        random, bench, table, now = Random(10), Bench(), dict[str, float](), 0.0
        for _ in range(2_000):
            if random.random() < 0.7:
                did = random.choice([ANNE, BERT])
                moments = [now + random.choice([-1, 0, 1, 2, 2, 5]) for _ in range(random.randrange(3))]
                bench.set(did, *moments, now=now)
                table.pop(did, None)
                if coming := [moment for moment in moments if moment > now]:
                    table[did] = min(coming)
            else:
                now += random.choice([0, 0.5, 1, 3])
                expected = [
                    did for moment, did in sorted((moment, did) for did, moment in table.items()) if moment <= now
                ]
                assert bench.fired(now) == expected
                for did in expected:
                    del table[did]
            due = min(table.values(), default=None)
            assert bench.timers.due() == (None if due is None else NOON + due * HOURS)


def label(issued: float = 0, exp: float | None = 24, *, since: float = 0, by_operator: bool = False) -> ActiveLabel:
    """A label by its hours after noon."""
    end = NOON + exp * HOURS if exp is not None else None
    return ActiveLabel(NOON + since * HOURS, NOON + issued * HOURS, end, "rule", by_operator)


def hours_of(subject: Subject, policy: Policy | None) -> list[float]:
    return sorted((moment - NOON) / HOURS for moment in turning_points(subject, policy))


class TestTurningPoints:
    def test_nothing_turns_by_itself_where_nothing_stands(self, policy: Policy) -> None:
        assert turning_points(Subject(), policy) == []

    @pytest.mark.parametrize(
        ("val", "issued", "exp", "by_operator", "hours"),
        [
            ("mail-throttled", 0, 30, False, [15, 24, 30]),
            ("mail-throttled", 10, 40, False, [24, 25, 40]),
            ("mail-throttled", 0, 30, True, [24, 30]),
            ("mail-throttled", 0, None, True, [24]),
            ("mail-suspended", 0, 300, False, [300]),
            ("mail-removed", 0, None, True, []),
            ("mail-removed", 0, 7, True, [7]),
            ("clean-sender", 0, 72, False, [36, 72]),
            ("relay-member", 0, None, False, []),
        ],
    )
    def test_a_label_ends_is_renewed_and_may_be_lifted(
        self, policy: Policy, val: str, issued: float, exp: float | None, by_operator: bool, hours: list[float]
    ) -> None:
        subject = Subject()
        subject.member.active[val] = label(issued, exp, by_operator=by_operator)
        assert hours_of(subject, policy) == hours

    def test_without_a_policy_labels_only_end(self) -> None:
        subject = Subject()
        subject.member.active["mail-throttled"] = label()
        subject.windows.reported().ask("q", 0, 0, 0)
        assert hours_of(subject, None) == [24]

    def test_what_is_only_pretended_turns_too(self, policy: Policy) -> None:
        subject = Subject()
        subject.shadow = type(subject.member)()
        subject.shadow.active["mail-suspended"] = label(exp=100)
        subject.member.active["clean-sender"] = label(exp=72)
        assert hours_of(subject, policy) == [36, 72, 100]

    def test_answers_are_due(self, policy: Policy) -> None:
        subject, noon_s = Subject(), epoch(NOON)
        reports = subject.windows.reported()
        reports.report("r", noon_s, None, None)
        assert hours_of(subject, policy) == []
        reports.ask("q", noon_s + 3600, noon_s + 3600, 0)
        assert hours_of(subject, policy) == [49]
        reports.answer(noon_s + 7200)
        assert hours_of(subject, policy) == []
