"""Two policies on one stream: when they part, when they agree again, and what neither of them is asked for."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import labeler
from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from labeler.errors import Misconfigured
from labeler.reputation.canary import NO_GRACE, Canary, Comparison, Disagreement, Side, Totals
from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Automation, Batch, Decision, Input, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text(encoding="utf-8")
LENIENT = re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", SHIPPED)
SRC, RELAY = "did:web:labeler.example.com", "did:web:relay.example"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BUYER = "did:plc:buyer"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def bought(now: datetime, did: str = BUYER, first: int = 0, count: int = 9) -> Batch:
    """A bought list: every third recipient, each at a domain of its own, does not exist."""
    events: list[SendEvent] = []
    for number in range(first, first + count):
        kind, status = ("delivered", "2.0.0") if number % 3 else ("bounced", "5.1.1")
        mail: dict[str, Any] = {"message_id": f"m{number}", "recipient": f"{number:032x}"}
        mail["recipient_domain"] = f"d{number}.example"
        events.append(SendEvent(f"{did} a{number}", "accepted", did, now, **mail))
        events.append(SendEvent(f"{did} o{number}", kind, did, now, status=status, **mail))
    return Batch(now, RELAY, tuple(events))


class Pair:
    """The policy in force and a candidate. The first one's timers fire as they would live: as ticks, a moment late."""

    def __init__(
        self, current: str = SHIPPED, candidate: str = LENIENT, grace: timedelta = NO_GRACE, late: timedelta = NO_GRACE
    ) -> None:
        self.judge = Judge(SRC)
        self.canary = Canary(SRC, candidate, grace=grace)
        self.late = late
        self.told: list[Disagreement] = []
        self.take(PolicyActivated(NOON, current))

    def take(self, record: Input) -> list[Disagreement]:
        """One record, after every tick that was due before it."""
        while (due := self.judge.due()) is not None and due + self.late < record.received:
            self._step(Tick(due + self.late))
        return self._step(record)

    def _step(self, record: Input) -> list[Disagreement]:
        found = self.canary.take(record, self.judge.step(record))
        self.told += found
        return found


def brief(found: Iterable[Disagreement]) -> list[tuple[str, str, datetime, datetime | None]]:
    return [(one.side.value, one.val, one.since, one.until) for one in found]


class TestCanary:
    @pytest.mark.parametrize("grace", [NO_GRACE, timedelta(minutes=1)])
    def test_a_policy_agrees_with_itself(self, grace: timedelta) -> None:
        """Throttle, renewals, suspension, lift, expiry; for a second of lateness of the ticks a grace makes up."""
        pair = Pair(candidate=SHIPPED, grace=grace, late=grace / 60)
        pair.take(bought(NOON + HOUR))
        pair.take(bought(NOON + HOUR, "did:plc:other"))
        for days in range(1, 12):
            pair.take(bought(NOON + days * DAY, first=9 * days, count=2))
        pair.take(bought(NOON + 12 * DAY, first=300, count=30))
        pair.take(Decision(NOON + 13 * DAY, "did:plc:op", BUYER, negate=("mail-suspended",)))
        pair.take(Decision(NOON + 14 * DAY, "did:plc:op", BUYER, apply=("mail-throttled",), duration_h=3))
        pair.take(Tick(NOON + 40 * DAY))
        assert pair.told == pair.canary.standing == []
        assert pair.canary.totals(Side.CURRENT) == pair.canary.totals(Side.CANDIDATE) == Totals(2, 1)

    def test_what_only_one_policy_says_is_told_when_it_begins_and_when_it_ends(self) -> None:
        pair = Pair()
        (began,) = pair.take(bought(NOON + HOUR))
        assert began[:5] == (Side.CURRENT, BUYER, "mail-throttled", NOON + HOUR, began.emission)
        assert began.emission.rule == "invalid-recipients"
        assert began.until is None
        assert pair.canary.standing == [began]
        lift = Decision(NOON + 2 * HOUR, "did:plc:op", BUYER, negate=("mail-throttled",))
        assert pair.take(lift) == [began._replace(until=NOON + 2 * HOUR)]
        assert pair.canary.standing == []
        assert (pair.canary.totals(Side.CURRENT), pair.canary.totals(Side.CANDIDATE)) == ((1, 0), (0, 0))

    def test_the_candidate_may_say_more(self) -> None:
        pair = Pair(LENIENT, SHIPPED)
        assert brief(pair.take(bought(NOON + HOUR))) == [("candidate", "mail-throttled", NOON + HOUR, None)]

    def test_a_label_that_runs_out_under_one_policy_only_is_dated_by_its_end(self) -> None:
        """However late the next record comes."""
        longer = SHIPPED.replace('terms = ["24h", "72h", "7d"]', 'terms = ["96h"]')
        pair = Pair(candidate=longer)
        assert pair.take(bought(NOON + HOUR)) == []
        pair.take(Tick(NOON + 30 * DAY))
        began, ended = pair.told
        assert (began.side, began.val, began.until) == (Side.CANDIDATE, "mail-throttled", None)
        # Renewed every 12 h of 24 and every 48 h of 96 while the cause holds, 7 days: last at 168 h and at 144 h.
        assert began.since == NOON + HOUR + timedelta(hours=168 + 24)
        assert ended == began._replace(until=NOON + HOUR + timedelta(hours=144 + 96))

    def test_recorded_activations_and_ticks_are_not_its_own(self) -> None:
        pair = Pair()
        pair.take(bought(NOON + HOUR))
        pair.take(PolicyActivated(NOON + 2 * HOUR, LENIENT))
        pair.take(PolicyActivated(NOON + 3 * HOUR, SHIPPED))
        assert pair.canary.policy.rules[0].throttle.min_events == 300
        assert len(pair.canary.standing) == 1

    def test_its_timers_fire_at_their_own_moments(self) -> None:
        pair = Pair(LENIENT, SHIPPED)
        (began,) = pair.take(bought(NOON + HOUR))
        (ended,) = pair.take(Tick(NOON + 30 * DAY))
        assert ended.since == began.since
        assert ended.until is not None
        assert ended.until > NOON + 7 * DAY, "renewed while the cause was in the window"

    def test_what_is_only_pretended_is_no_label_on_either_side(self) -> None:
        shadow = SHIPPED.replace('mode = "enforce"', 'mode = "shadow"')
        assert brief(Pair(candidate=shadow).take(bought(NOON))) == [("current", "mail-throttled", NOON, None)]
        assert Pair(current=shadow, candidate=shadow).take(bought(NOON)) == []

    def test_it_says_when_its_own_breaker_would_trip(self) -> None:
        pair = Pair(LENIENT, SHIPPED)
        assert pair.canary.note is None
        for number in range(4):
            pair.take(bought(NOON + HOUR, f"did:plc:b{number}", count=30))
        assert pair.canary.held == 2
        assert str(pair.canary.note).endswith("2 suspensions were held back")
        assert "2 in 24 hours, or 5% of the members active" in str(pair.canary.note)
        assert pair.canary.totals(Side.CANDIDATE) == Totals(throttled=2, suspended=2)

    def test_time_runs_on_after_the_last_record(self) -> None:
        pair = Pair(LENIENT, SHIPPED)
        (began,) = pair.take(bought(NOON + HOUR))
        assert pair.canary.run_on(NOON, []) == []
        assert pair.canary.run_on(NOON + DAY, []) == []
        (ended,) = pair.canary.run_on(NOON + 30 * DAY, [])
        assert (ended.since, ended.until is None) == (began.since, False)

    def test_a_policy_that_cannot_be_judged_by_is_none(self) -> None:
        with pytest.raises(Misconfigured):
            Canary(SRC, "name = 7")


def says(hours: float, val: str = "mail-throttled", *, neg: bool = False, lasts: float | None = None) -> Emission:
    """A label, or its negation, said so many hours after noon."""
    at = NOON + hours * HOUR
    exp = format_datetime(at + lasts * HOUR) if lasts is not None else None
    label = Label(src=SRC, uri=BUYER, val=val, cts=format_datetime(at), neg=True if neg else None, exp=exp)
    return Emission(label, b"", "", "rule", "", "rule", at)


class TestComparison:
    def test_a_label_that_changes_sides_is_two_disagreements(self) -> None:
        comparison = Comparison()
        comparison.take(NOON + HOUR, [says(0)], [])
        found = comparison.take(NOON + 3 * HOUR, [says(2, neg=True)], [says(2)])
        assert brief(found) == [
            ("current", "mail-throttled", NOON, NOON + 2 * HOUR),
            ("candidate", "mail-throttled", NOON + 2 * HOUR, None),
        ]

    def test_what_one_side_says_at_one_moment_counts_in_its_order(self) -> None:
        comparison = Comparison()
        assert comparison.take(NOON, [says(0), says(0, neg=True)], []) == []
        assert len(comparison.take(NOON + HOUR, [says(1), says(1, neg=True), says(1)], [])) == 1

    def test_a_renewed_label_does_not_end_where_it_once_would_have(self) -> None:
        comparison = Comparison()
        comparison.take(NOON, [says(0, lasts=24)], [says(0, lasts=48)])
        assert comparison.take(NOON + 30 * HOUR, [says(12, lasts=24)], []) == []
        assert brief(comparison.take(NOON + 72 * HOUR, [], [])) == [
            ("candidate", "mail-throttled", NOON + 36 * HOUR, None),
            ("candidate", "mail-throttled", NOON + 36 * HOUR, NOON + 48 * HOUR),
        ]

    def test_a_label_made_endless_outlives_its_old_end(self) -> None:
        comparison = Comparison()
        comparison.take(NOON, [says(0, lasts=1)], [])
        comparison.take(NOON, [says(0)], [])
        assert len(comparison.standing) == 1
        assert comparison.take(NOON + 9 * HOUR, [], []) == []

    def test_a_negation_of_what_was_never_said_is_nothing(self) -> None:
        comparison = Comparison()
        assert comparison.take(NOON + HOUR, [says(0, neg=True)], [says(1, neg=True)]) == []
        comparison.take(NOON + 2 * HOUR, [says(2, lasts=4)], [])
        assert [one.until for one in comparison.take(NOON + 9 * HOUR, [says(3, neg=True)], [])] == [NOON + 3 * HOUR]

    def test_what_does_not_last_is_never_told_and_the_rest_once_it_has(self) -> None:
        comparison = Comparison(grace=HOUR)
        assert comparison.take(NOON, [says(0)], []) == []
        assert comparison.take(NOON + 0.5 * HOUR, [], [says(0.5)]) == []
        assert comparison.take(NOON + 2 * HOUR, [says(1, "clean-sender")], []) == [*comparison.standing]
        assert brief(comparison.standing) == [("current", "clean-sender", NOON + HOUR, None)]
        ended = comparison.take(NOON + 4 * HOUR, [says(3, neg=True), says(4, "clean-sender", neg=True)], [])
        assert brief(ended) == [
            ("candidate", "mail-throttled", NOON + 3 * HOUR, None),
            ("current", "clean-sender", NOON + HOUR, NOON + 4 * HOUR),
        ]

    def test_only_members_are_counted_and_each_once(self) -> None:
        comparison = Comparison()
        comparison.take(
            NOON, [says(0), says(0, neg=True), says(0), says(0, "mail-suspended")], [says(0, "clean-sender")]
        )
        assert comparison.totals(Side.CURRENT) == Totals(1, 1)
        assert comparison.totals(Side.CANDIDATE) == Totals(0, 0)


class TestAutomation:
    """What operators say of the rules concerns both policies: a pause is no disagreement."""

    def test_while_the_rules_rest_neither_decides_and_nothing_is_told(self) -> None:
        pair = Pair()
        pair.take(Automation(NOON, "did:plc:op", "pause"))
        assert pair.take(bought(NOON + HOUR)) == []
        assert pair.take(Tick(NOON + 30 * DAY)) == []

    def test_in_shadow_neither_publishes(self) -> None:
        pair = Pair()
        pair.take(Automation(NOON, "did:plc:op", "shadow"))
        assert pair.take(bought(NOON + HOUR)) == []
        assert pair.canary.totals(Side.CURRENT) == pair.canary.totals(Side.CANDIDATE) == Totals(0, 0)

    def test_when_they_go_on_both_fire_what_came_due(self) -> None:
        pair = Pair(candidate=SHIPPED)
        pair.take(bought(NOON + HOUR))
        pair.take(Automation(NOON + 2 * HOUR, "did:plc:op", "pause"))
        assert pair.take(Automation(NOON + 20 * HOUR, "did:plc:op", "enforce")) == []
        assert pair.canary.standing == []

    def test_afterwards_they_may_disagree_again(self) -> None:
        pair = Pair()
        pair.take(Automation(NOON, "did:plc:op", "pause"))
        pair.take(Automation(NOON + HOUR, "did:plc:op", "enforce"))
        (found,) = pair.take(bought(NOON + 2 * HOUR))
        assert (found.side, found.did) == (Side.CURRENT, BUYER)
