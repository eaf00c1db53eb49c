"""The fold under any history: order, replay, reading and forgetting change nothing, and what it says holds together."""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

import labeler
from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.reputation.definitions import ADVERSE, CLEAN_SENDER, MAIL_REMOVED, MAIL_SUSPENDED, RELAY_MEMBER, VALUES
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import (
    Batch,
    Decision,
    Input,
    PolicyActivated,
    Tick,
    decode_input,
    encode_input,
)
from labeler.reputation.judge import Judge
from labeler.reputation.policy import parse_policy
from labeler.reputation.standing import standing
from labeler.reputation.subject import Emission
from labeler.reputation.windows import SubjectWindows

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text()
STRICT = SHIPPED.replace('terms = ["24h", "72h", "7d"] ', 'terms = ["5h", "9h"] ').replace(
    'min_hold = "24h"\nexit_min_recipients = 20', 'min_hold = "2h"\nexit_min_recipients = 1'
)
POLICIES = {text: parse_policy(text) for text in (SHIPPED, STRICT)}
MIN_EVENTS = {
    rule.id: (rule.throttle.min_events, rule.suspend.min_events if rule.suspend else None)
    for rule in POLICIES[SHIPPED].rules
}
FAMILIES = {rule.id: rule.family for rule in POLICIES[SHIPPED].rules}
RELAY, RIVAL, SRC = "did:web:relay.example", "did:web:rival.example", "did:web:labeler.example"
START = datetime(2026, 3, 2, 9, 17, 3, 250_000, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DIDS = [f"did:plc:m{number}" for number in range(2)]

assert STRICT.count('"5h"') == STRICT.count('min_hold = "2h"') == 1


class Scene(NamedTuple):
    """One thing that happens: after a gap, to somebody, reported so much too late."""

    gap: float
    who: str
    what: str
    good: int
    bad: int
    late: float


REPORTS = "mail mail mail mail mail accept report complain complain forge spray again respray enrol enrol leave"
DECISIONS = "lift throttle suspend remove praise policy pass pass"
SCENES = st.builds(
    Scene,
    gap=st.sampled_from([0, 0.2, 0.2, 1, 3, 5, 7, 13, 25, 37, 80, 170, 400, 800]),
    who=st.sampled_from(DIDS),
    what=st.one_of(*[st.sampled_from(REPORTS.split())] * 5, st.sampled_from(DECISIONS.split())),
    good=st.sampled_from([80, 0, 1, 5, 20, 80]),
    bad=st.sampled_from([0, 0, 1, 2, 3, 5, 6]),
    late=st.sampled_from([0, 0, 0, 1, 26, 150]),
)
PLOTS = st.lists(SCENES, min_size=6, max_size=25)


HEARTBEAT = Scene(0, DIDS[0], "pass", 0, 0, 0)
ACCEPTED = Scene(0, DIDS[0], "accept", 80, 0, 0)
LIFTED_AND_CLEAN = [
    Scene(0, DIDS[0], "mail", 5, 3, 0),
    Scene(13, DIDS[0], "pass", 0, 0, 0),  # by then the throttle was renewed, so that its end comes after its hold
    *[Scene(2, DIDS[0], "mail", 80, 0, 0)] * 3,
    Scene(30, DIDS[0], "pass", 0, 0, 0),
]
CONTACTS = [Scene(0, DIDS[0], "again", 80, 0, 0)]  # eighty recipients, reached


class Chronicle:
    """Turns a plot into the input log it would have left: a judge runs along, so that ticks are written when due."""

    def __init__(self) -> None:
        self.judge = Judge(SRC)
        self.log: list[Input] = []
        self.emissions: list[list[Emission]] = []
        self.now = START
        self._count = 0
        self._held: list[SendEvent] = []  # outcomes not yet reported
        self._mail: dict[str, list[SendEvent]] = {did: [] for did in DIDS}
        self._write(PolicyActivated(self.now, SHIPPED))

    def _write(self, record: Input) -> None:
        self.log.append(record)
        self.emissions.append(self.judge.step(record))

    def _event(self, kind: Kind, did: str, at: datetime, **fields: Any) -> SendEvent:
        self._count += 1
        return SendEvent(id=f"e{self._count}", kind=kind, did=did, at=at, **fields)

    def pass_time(self, hours: float, *, chatty: bool) -> None:
        """Let time pass; a chatty relay has something to say about somebody every five hours."""
        end = self.now + hours * HOUR
        while chatty and self.now + 5 * HOUR < end:
            self.pass_time(5, chatty=False)
            self._write(Batch(self.now, RELAY, (self._event(Kind.ACCEPTED, "did:plc:busy", self.now),)))
        while (due := self.judge.due()) is not None and due <= end:
            self._write(Tick(max(due, self.now)))
        self.now = end

    def play(self, plot: list[Scene]) -> "Chronicle":
        for scene in plot:
            self.pass_time(scene.gap, chatty=len(plot) % 2 == 0)
            self._act(scene)
        self.pass_time(30 * 24, chatty=False)
        return self

    def _act(self, scene: Scene) -> None:
        decisions: dict[str, dict[str, Any]] = {
            "lift": {"negate": ("mail-throttled", "mail-suspended")},
            "throttle": {"apply": ("mail-throttled",), "duration_h": scene.good or None},
            "suspend": {"apply": ("mail-suspended",), "duration_h": scene.good or None},
            "remove": {"apply": ("mail-removed",), "duration_h": scene.good or None},
            "praise": {"apply": ("clean-sender",), "duration_h": scene.good or None},
        }
        if scene.what in decisions:
            self._write(Decision(self.now, "did:plc:op", scene.who, **decisions[scene.what]))
        elif scene.what == "policy":
            self._write(PolicyActivated(self.now, STRICT if scene.good else SHIPPED))
        elif events := self._events(scene):
            self._write(Batch(self.now, RIVAL if scene.what == "forge" and scene.bad > 3 else RELAY, tuple(events)))

    def _events(self, scene: Scene) -> list[SendEvent]:
        at = self.now - scene.late * HOUR
        match scene.what:
            case "mail" | "accept" | "spray" | "again" | "respray":
                return self._send(scene, at)
            case "report":
                held, self._held = self._held, []
                return held
            case "complain":
                known = self._mail[scene.who][-scene.bad :] if scene.bad else []
                return [self._about(Kind.COMPLAINED, event, self.now) for event in known]
            case "forge":
                known = self._mail[scene.who][:5] if scene.bad > 3 else []
                guesses = [
                    self._event(Kind.BOUNCED, scene.who, at, message_id=f"no {n}", status="5.1.1") for n in range(9)
                ]
                return guesses + [self._about(Kind.BOUNCED, event, self.now) for event in known]
            case "enrol":
                return [self._event(Kind.ENROLLED, scene.who, at, hourly_cap=scene.good or None)]
            case "leave":
                return [self._event(Kind.UNENROLLED, scene.who, at)]
        return []

    def _about(self, kind: Kind, event: SendEvent, at: datetime) -> SendEvent:
        return self._event(kind, event.did, at, message_id=event.message_id, recipient=event.recipient, status="5.1.1")

    def _send(self, scene: Scene, at: datetime) -> list[SendEvent]:
        """Mail to new recipients, or again to old ones; its outcomes come with it or are held back."""
        accepted, outcomes = [], []
        for number in range(scene.good + scene.bad):
            self._count += 1
            recipient = self._count if scene.what in {"mail", "spray"} else number
            domain = f"d{self._count if 'spray' in scene.what else self._count % 4}.example"
            about = {"message_id": f"m{self._count}", "recipient": f"{recipient:032x}", "recipient_domain": domain}
            accepted.append(self._event(Kind.ACCEPTED, scene.who, at, domain="shop.example", **about))
            kind, status = (Kind.DELIVERED, "2.0.0") if number < scene.good else (Kind.BOUNCED, "5.1.1")
            outcomes.append(self._event(kind, scene.who, at, domain="shop.example", status=status, **about))
        self._mail[scene.who] += accepted
        if scene.what in {"accept", "respray"}:
            self._held = outcomes
            return accepted
        return accepted + outcomes


def bytes_of(emissions: list[list[Emission]]) -> list[list[tuple[bytes, bytes, str]]]:
    return [[(item.label.unsigned_bytes(), item.evidence, item.evidence_cid) for item in step] for step in emissions]


def rerun(judge: Judge, log: list[Input]) -> list[list[Emission]]:
    return [judge.step(record) for record in log]


class NeverSweeps(Judge):
    """A judge with all the memory in the world."""

    def _sweep(self, windows: SubjectWindows, hour: int) -> None:
        pass


def evidence(emission: Emission) -> dict[str, Any]:
    record = cbor.decode(emission.evidence)
    assert isinstance(record, dict)
    return record


@settings(max_examples=60)
@given(PLOTS)
def test_the_log_replayed_gives_the_same_bytes(plot: list[Scene]) -> None:
    live = Chronicle().play(plot)
    replayed = rerun(Judge(SRC), [decode_input(encode_input(record)) for record in live.log])
    assert bytes_of(replayed) == bytes_of(live.emissions)


@settings(max_examples=60)
@given(PLOTS)
@example([*CONTACTS, Scene(735, DIDS[0], "respray", 80, 0, 0)])
@example([*CONTACTS, Scene(1_000, DIDS[0], "respray", 80, 0, 0)])
@example([*CONTACTS, Scene(900, DIDS[0], "again", 80, 0, 0), Scene(1, DIDS[0], "respray", 80, 0, 0), HEARTBEAT])
@example([ACCEPTED, Scene(230, DIDS[0], "report", 0, 0, 0), Scene(26, DIDS[0], "respray", 80, 0, 0), HEARTBEAT])
def test_forgetting_changes_nothing(plot: list[Scene]) -> None:
    """What a sweep drops no window sees any more, no outcome binds to, and no contact is remembered by."""
    live = Chronicle().play(plot)
    assert bytes_of(rerun(NeverSweeps(SRC), live.log)) == bytes_of(live.emissions)


@settings(max_examples=40)
@given(PLOTS)
def test_reading_changes_nothing(plot: list[Scene]) -> None:
    live, read = Chronicle().play(plot), Judge(SRC)
    for record, emissions in zip(live.log, live.emissions, strict=True):
        for did in (*DIDS, "did:plc:nobody"):
            standing(read, did, record.received - 3 * HOUR)
            standing(read, did, record.received + 50 * HOUR)
        read.due()
        assert bytes_of([read.step(record)]) == bytes_of([emissions])


@settings(max_examples=40)
@given(PLOTS, st.randoms(use_true_random=False))
def test_the_order_inside_a_batch_changes_nothing(plot: list[Scene], random: Random) -> None:
    live, shuffled = Chronicle().play(plot), list[Input]()
    for record in live.log:
        if isinstance(record, Batch):
            events = random.sample(record.events, len(record.events))
            shuffled.append(Batch(record.received, record.relay, tuple(events)))
        else:
            shuffled.append(record)
    assert bytes_of(rerun(Judge(SRC), shuffled)) == bytes_of(live.emissions)


@settings(max_examples=40)
@given(PLOTS)
@example(LIFTED_AND_CLEAN)
def test_deciding_twice_on_the_same_facts_changes_nothing(plot: list[Scene]) -> None:
    live, judge = Chronicle().play(plot), Judge(SRC)
    for record in live.log:
        judged = {emission.label.uri for emission in judge.step(record)}
        if judged and isinstance(record, Batch | Tick):
            again = copy.deepcopy(judge)
            assert [again._judge(did, again.subjects[did], record.received) for did in sorted(judged)] == [[]] * len(
                judged
            )


class Consumer:
    """Somebody who only sees the stream."""

    def __init__(self) -> None:
        self.labels: dict[tuple[str, str], Label] = {}

    def take(self, label: Label) -> None:
        known = self.labels.get((label.uri, label.val))
        assert known is None or label.cts > known.cts, "cts is strictly increasing per label"
        self.labels[label.uri, label.val] = label

    def active(self, did: str, now: datetime) -> set[str]:
        return {val for (uri, val), label in self.labels.items() if uri == did and label.is_active(now)}


@settings(max_examples=60)
@given(PLOTS)
def test_what_consumers_hold_to_be_active_is_what_we_hold(plot: list[Scene]) -> None:
    """After every record: no label lives on with us alone, or with them alone; and nothing is said without need."""
    live, judge, consumer = Chronicle().play(plot), Judge(SRC), Consumer()
    for record in live.log:
        for emission in judge.step(record):
            label, change = emission.label, evidence(emission)["change"]
            before = label.val in consumer.active(label.uri, record.received)
            if change != "apply":
                assert before, "only what is active is negated or renewed"
            elif emission.actor != "did:plc:op":
                assert not before, "no rule applies what is active"
            consumer.take(label)
        for did, subject in judge.subjects.items():
            active = {
                val for val, item in subject.member.active.items() if item.exp is None or item.exp > record.received
            }
            assert consumer.active(did, record.received) == active
    due = judge.due()
    assert due is None or due > live.log[-1].received, "no timer is left behind"


@settings(max_examples=60)
@given(PLOTS)
def test_what_rules_may_not_say(plot: list[Scene]) -> None:
    """No removal, no system value; every restriction and every praise ends by itself; one restriction at a time."""
    consumer, human = Consumer(), set[str]()
    live = Chronicle().play(plot)
    for record, emissions in zip(live.log, live.emissions, strict=True):
        for emission in emissions:
            label = emission.label
            consumer.take(label)
            assert label.val in VALUES
            assert label.neg in {None, True}
            if emission.actor == "did:plc:op":
                human.add(label.uri)
                continue
            assert label.val != MAIL_REMOVED
            assert label.neg or label.exp is not None or label.val == RELAY_MEMBER
        for did in set(DIDS) - human:
            active = consumer.active(did, record.received)
            assert len(active & ADVERSE) <= 1
            assert not (active & ADVERSE and CLEAN_SENDER in active)


@settings(max_examples=60)
@given(PLOTS)
def test_every_suspension_rests_on_as_many_events_as_the_policy_asks_for(plot: list[Scene]) -> None:
    """No single event suspends from any state: a strong finding, or two independent ones, each with its events."""
    suspensions = [
        item for step in Chronicle().play(plot).emissions for item in step if item.label.val == MAIL_SUSPENDED
    ]
    for emission in suspensions:
        if emission.actor == "did:plc:op":
            continue
        findings = evidence(emission)["findings"]
        weights = {item["rule"]: item["n"] if item["rule"] == "domain-spray" else item["k"] for item in findings}
        assert all(weight >= MIN_EVENTS[rule][0] >= 2 for rule, weight in weights.items())
        strong = [item["rule"] for item in findings if item["severity"] == "suspend"]
        assert all(weights[rule] >= (MIN_EVENTS[rule][1] or 0) for rule in strong)
        assert strong or len({FAMILIES[rule] for rule in weights}) >= 2


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 29), st.sampled_from([0, 1, 6, 20, 24])), min_size=5, max_size=40))
@example([(number, 0) for number in range(10)])
def test_the_breaker_is_never_exceeded(deeds: list[tuple[int, int]]) -> None:
    """In no 24 hours are more suspended than the larger of two and a twentieth of the members active in a day or so."""
    judge, now, suspended = Judge(SRC), START, list[tuple[datetime, int]]()
    judge.step(PolicyActivated(now, SHIPPED))
    active: dict[str, datetime] = {}
    for number, (who, hours) in enumerate(deeds):
        now += hours * HOUR
        events = [
            SendEvent(
                id=f"{kind}{number}.{n}",
                kind=kind,
                did=f"did:plc:m{who + shift}",
                at=now,
                message_id=f"{number}.{n}.{shift}",
                recipient=f"{number * 10 + n:032x}",
                status="5.1.1",
            )
            for shift in range(3)
            for n in range(6)
            for kind in (Kind.ACCEPTED, Kind.BOUNCED)
        ]
        active |= {event.did: now for event in events}
        pool = sum(now - seen < 25 * HOUR for seen in active.values())
        for emission in judge.step(Batch(now, RELAY, tuple(events))):
            if emission.label.val == MAIL_SUSPENDED:
                suspended.append((now, pool))
        in_a_day = [size for moment, size in suspended if moment > now - DAY]
        assert len(in_a_day) <= max(2, *(size // 20 for size in in_a_day), 2)
