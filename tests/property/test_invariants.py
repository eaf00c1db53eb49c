"""What no telemetry whatever may bring about, under the policy we ship (invariants 4 to 7).

The fold is driven by itself: records in, label changes out.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labeler
from labeler.reputation.definitions import (
    ADVERSE,
    CLEAN_SENDER,
    MAIL_REMOVED,
    MAIL_SUSPENDED,
    MAIL_THROTTLED,
)
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, Decision, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission

POLICY = (Path(labeler.__file__).parent / "policy.toml").read_text()
RELAY, RIVAL = "did:web:relay.example", "did:web:rival.example"
MEMBER, OPERATOR = "did:plc:member", "did:plc:operator"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY, MILLISECOND = timedelta(hours=1), timedelta(days=1), timedelta(milliseconds=1)
UNKNOWN_RECIPIENT = "5.1.1"


class Fold:
    """A judge under a policy, with short words for what happens to it."""

    def __init__(self, policy: str = POLICY) -> None:
        self.judge = Judge("did:web:labeler.example")
        self.judge.step(PolicyActivated(START, policy))
        self.count = 0

    def batch(self, events: Iterable[SendEvent], now: datetime, relay: str = RELAY) -> list[Emission]:
        return self.judge.step(Batch(now, relay, tuple(events)))

    def event(self, kind: str, now: datetime, **fields: Any) -> SendEvent:
        self.count += 1
        return SendEvent(**{"id": f"e{self.count}", "kind": kind, "did": MEMBER, "at": now, **fields})

    def mail(
        self, recipients: Iterable[int], now: datetime, status: str | None = None, **fields: Any
    ) -> list[SendEvent]:
        """One message a recipient, accepted and then delivered, or bounced with `status`."""
        kind = Kind.DELIVERED if status is None else Kind.BOUNCED
        events = []
        for number in recipients:
            self.count += 1
            about = {"recipient": f"{number:032x}", "message_id": f"m{self.count}", "recipient_domain": "mail.example"}
            events.append(self.event(Kind.ACCEPTED, now, **about, **fields))
            events.append(self.event(kind, now, **about, status=status, **fields))
        return events

    def ticks(self, until: datetime) -> list[Emission]:
        """Let time pass: fire every timer when it comes due."""
        emissions = []
        while (due := self.judge.due()) is not None and due <= until:
            emissions += self.judge.step(Tick(due))
        return emissions


def applied(emissions: Iterable[Emission]) -> list[str]:
    return [emission.label.val for emission in emissions if not emission.label.neg]


KINDS = st.sampled_from([*Kind, "somethingNew"])


@given(
    kind=KINDS,
    status=st.sampled_from([None, "2.0.0", "4.2.2", "5.1.1", "5.7.1"]),
    history=st.integers(0, 40),
    bound=st.booleans(),
    category=st.sampled_from([None, "bulk", "login-link"]),
)
def test_no_single_event_restricts_anyone(
    kind: str, status: str | None, history: int, bound: bool, category: str | None
) -> None:
    """Whatever the event, whatever the (good) history before it."""
    fold = Fold()
    fold.batch(fold.mail(range(history), START), START)
    about = {"recipient": f"{999:032x}", "message_id": "last"}
    if bound:
        fold.batch([fold.event(Kind.ACCEPTED, START, **about)], START + HOUR)
    event = fold.event(kind, START, status=status, category=category, **about)
    emissions = fold.batch([event], START + 2 * HOUR)
    assert not ADVERSE & set(applied(emissions))


@given(
    outcomes=st.lists(
        st.tuples(
            st.sampled_from([Kind.BOUNCED, Kind.COMPLAINED, Kind.UNSUBSCRIBED, Kind.ABUSE_REPORTED]),
            st.integers(0, 60),
            st.integers(0, 3),
            st.sampled_from([RELAY, RIVAL]),
        ),
        max_size=120,
    )
)
def test_forged_outcomes_suspend_nobody(outcomes: list[tuple[Kind, int, int, str]]) -> None:
    """Outcomes of messages that were never accepted, and of a rival relay's own telling, bind to nothing."""
    fold = Fold()
    mail = fold.mail(range(30), START)
    fold.batch(mail, START)
    real = [event.message_id for event in mail if event.kind == Kind.ACCEPTED]
    emissions = []
    for number, (kind, recipient, message, relay) in enumerate(outcomes):
        now = START + timedelta(minutes=number)
        # The rival knows real message ids and recipients; the relay itself is told of messages it never had.
        message_id = real[recipient % 30] if relay == RIVAL else f"never {message}"
        about = {"recipient": f"{recipient % 30:032x}", "message_id": message_id, "status": UNKNOWN_RECIPIENT}
        emissions += fold.batch([fold.event(kind, now, **about)], now, relay)
    assert not ADVERSE & set(applied(emissions))
    assert fold.judge.subjects[MEMBER].windows.invalid.count(0) == 0


def test_unanswered_reports_alone_suspend_nobody() -> None:
    fold = Fold()
    fold.batch(fold.mail(range(30), START), START)
    reports = [fold.event(Kind.ABUSE_REPORTED, START + number * HOUR) for number in range(100)]
    emissions = fold.batch(reports, START + 100 * HOUR) + fold.ticks(START + 30 * DAY)
    assert not ADVERSE & set(applied(emissions))


MISDEEDS: list[Callable[[Fold, int, datetime], list[SendEvent]]] = [
    lambda fold, n, now: fold.mail(range(n * 1_000, n * 1_000 + 60), now, UNKNOWN_RECIPIENT),
    lambda fold, n, now: fold.mail(range(n * 1_000, n * 1_000 + 2_000), now),
    lambda fold, n, now: [
        fold.event(
            Kind.ACCEPTED,
            now,
            recipient=f"{n * 1_000 + i:032x}",
            message_id=f"s{n}-{i}",
            recipient_domain=f"d{i}.example",
        )
        for i in range(200)
    ],
    lambda fold, n, now: [fold.event(kind, now) for kind in (Kind.TRAP_HIT, Kind.HEADER_STRIPPED, Kind.SUPPRESSED)],
    lambda fold, n, now: [fold.event(Kind.UNENROLLED, now), fold.event(Kind.ENROLLED, now, hourly_cap=1)],
]


DEEDS = st.lists(st.tuples(st.integers(0, len(MISDEEDS) - 1), st.integers(1, 200)), min_size=1, max_size=6)


def batches(deeds: list[tuple[int, int]]) -> list[Batch]:
    """A history of one member, a batch a deed; the same records however often it is asked for."""
    fold, now, made = Fold(), START, []
    for number, (deed, hours) in enumerate(deeds):
        now += hours * HOUR
        made.append(Batch(now, RELAY, tuple(MISDEEDS[deed](fold, number, now))))
    return made


def told(batch_list: Iterable[Batch]) -> list[tuple[bytes, bytes]]:
    """The labels and evidence that a history leads to, as bytes; time runs on for two months after it."""
    fold, now, emissions = Fold(), START, list[Emission]()
    for batch in batch_list:
        now = batch.received
        emissions += fold.ticks(now) + fold.judge.step(batch)
    emissions += fold.ticks(now + 60 * DAY)
    return [(emission.label.unsigned_bytes(), emission.evidence) for emission in emissions]


@given(DEEDS, st.randoms(use_true_random=False))
def test_the_order_inside_a_batch_changes_no_byte(deeds: list[tuple[int, int]], random: Random) -> None:
    """Not of a label and not of its evidence; outcomes may even come before their acceptance."""
    history = batches(deeds)
    shuffled = []
    for batch in history:
        events = list(batch.events)
        random.shuffle(events)
        shuffled.append(Batch(batch.received, batch.relay, tuple(events)))
    assert told(shuffled) == told(history)


@given(DEEDS)
def test_judging_again_on_the_same_facts_changes_nothing(deeds: list[tuple[int, int]]) -> None:
    fold = Fold()
    for batch in batches(deeds):
        fold.ticks(batch.received)
        fold.judge.step(batch)
        again = Batch(batch.received + MILLISECOND, RELAY, (fold.event("nothingNew", batch.received),))
        assert fold.judge.step(again) == []


@given(DEEDS)
def test_no_rule_removes_anyone(deeds: list[tuple[int, int]]) -> None:
    fold = Fold()
    now = START
    emissions: list[Emission] = []
    for number, (deed, hours) in enumerate(deeds):
        now += hours * HOUR
        emissions += fold.ticks(now) + fold.batch(MISDEEDS[deed](fold, number, now), now)
    emissions += fold.ticks(now + 60 * DAY)
    assert MAIL_REMOVED not in {emission.label.val for emission in emissions}


@pytest.mark.parametrize("val", [MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER])
def test_what_a_human_lifted_no_rule_applies_again_before_the_term_ends(val: str) -> None:
    """The misdeed goes on all the same; with `clean-sender` it is the good mail that goes on."""
    fold = Fold()
    fold.judge.step(Decision(START, OPERATOR, MEMBER, negate=(val,), duration_h=48))
    status = None if val == CLEAN_SENDER else UNKNOWN_RECIPIENT
    during: list[str] = []
    after: list[str] = []
    for hour in range(1, 72):
        now = START + hour * HOUR
        recipients = range(hour * 100, hour * 100 + 40)
        emissions = fold.ticks(now) + fold.batch(fold.mail(recipients, now, status), now)
        (during if hour < 48 else after).extend(applied(emissions))
    assert val not in during
    assert val in after or val == MAIL_THROTTLED  # by then it is suspended, which is more than a throttle


@pytest.mark.parametrize("val", [MAIL_THROTTLED, MAIL_SUSPENDED])
def test_what_a_human_applied_no_rule_changes_before_the_term_ends(val: str) -> None:
    """Neither bad mail makes it worse nor good mail makes it better."""
    for status in (None, UNKNOWN_RECIPIENT):
        fold = Fold()
        fold.judge.step(Decision(START, OPERATOR, MEMBER, apply=(val,), duration_h=24 * 10))
        emissions = []
        for day in range(1, 10):
            now = START + day * DAY
            emissions += fold.ticks(now) + fold.batch(fold.mail(range(day * 100, day * 100 + 60), now, status), now)
        assert not ADVERSE & {emission.label.val for emission in emissions}


def whole_pool_misbehaves(policy: str, members: int, hours: int) -> Counter[str]:
    """How often each label was applied while every member sent mail to people who do not exist, for `hours`."""
    fold = Fold(policy)
    counts: Counter[str] = Counter()
    for hour in range(1, hours + 1):
        now = START + hour * HOUR
        for member in range(members):
            did = f"did:plc:member{member}"
            mail = fold.mail(range(hour * 10, hour * 10 + 10), now, UNKNOWN_RECIPIENT, did=did)
            counts.update(applied(fold.batch(mail, now)))
    return counts


@pytest.mark.parametrize("members", [1, 3, 30, 100])
def test_suspensions_in_a_day_stay_within_the_breaker(members: int) -> None:
    """The larger of two and a twentieth of the members active that day; the others are throttled meanwhile."""
    counts = whole_pool_misbehaves(POLICY, members, hours=12)
    allowed = max(2, members // 20)
    assert counts[MAIL_SUSPENDED] == min(members, allowed)
    assert counts[MAIL_THROTTLED] >= members - allowed


def test_a_careless_policy_is_held_by_the_breaker_too() -> None:
    """Bars a typing mistake away from labelling everyone suspend no more than the breaker lets them."""
    careless = POLICY.replace(
        "above = 0.10, confidence = 0.985, min_events = 5", "above = 0.06, confidence = 0.96, min_events = 3"
    )
    assert careless != POLICY
    assert whole_pool_misbehaves(careless, 60, hours=6)[MAIL_SUSPENDED] == 3


def test_silence_renews_nothing_good() -> None:
    """A clean sender's label is renewed while telemetry comes, and runs out when none does."""
    fold = Fold()
    assert CLEAN_SENDER in applied(fold.batch(fold.mail(range(100), START), START))
    talking = START
    for hour in range(1, 48):
        talking = START + hour * HOUR
        fold.batch([fold.event(Kind.ACCEPTED, talking, did="did:plc:somebody")], talking)
        if CLEAN_SENDER in applied(fold.ticks(talking)):
            break
    assert talking - START == 36 * HOUR  # half of the 72-hour term
    silent = fold.ticks(talking + 30 * DAY)
    assert applied(silent) == []
    assert CLEAN_SENDER not in fold.judge.subjects[MEMBER].member.active


@given(st.lists(st.sampled_from([None, UNKNOWN_RECIPIENT]), min_size=1, max_size=5))
def test_in_silence_nothing_good_is_said_and_nobody_is_newly_suspended(days: list[str | None]) -> None:
    """Whatever came before: time alone neither praises nor suspends."""
    fold = Fold()
    now = START
    for number, status in enumerate(days):
        now = START + number * DAY
        fold.ticks(now)
        fold.batch(fold.mail(range(number * 100, number * 100 + 60), now, status), now)
    emissions = fold.ticks(now + 60 * DAY)
    later = [emission for emission in emissions if emission.received > now + timedelta(hours=6)]
    assert not {CLEAN_SENDER, MAIL_SUSPENDED} & set(applied(later))
