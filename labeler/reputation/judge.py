"""The fold: one input record at a time, label changes out. Everything published can be computed again from here.

Rule 1: `received` is the only now. Rule 2: events are counted by the time they happened. Rule 3: subjects touched by a
record are judged once, after all of it is counted, in the order of their DIDs: the order inside a batch changes
nothing. Rule 4: timers are inputs too; `due` says when the shell must write the next `Tick`.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from labeler.reputation.decisions import (
    ActiveLabel,
    Change,
    Member,
    Situation,
    Verb,
    apply_decision,
    decide,
    enrolment,
    expire,
    renewal,
    settle,
)
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.evidence import evidence_record, seal
from labeler.reputation.findings import find_possible, is_clean
from labeler.reputation.inputs import Batch, Decision, Input, PolicyActivated, Tick
from labeler.reputation.metrics import epoch_seconds, whole_bucket
from labeler.reputation.policy import Caps, Policy, parse_policy
from labeler.reputation.windows import HOUR_S, DistinctWindow, SubjectWindows, binding_floor

MILLISECOND: Final = timedelta(milliseconds=1)
DAY: Final = timedelta(days=1)
DEFAULT_CAPS: Final = Caps(hourly=100, daily=1000)
DEFAULT_BLOCK_S: Final = 7 * 86_400
SWEEP_HOURS: Final = 24  # a subject's windows are swept so often
SWEPT_A_BATCH: Final = 8  # subjects looked at after each batch, so that the silent ones are swept too
_ROUNDING: Final = 1e-9  # 5 % of 60 members are 3, however the product comes out
_ENROLMENT: Final = frozenset({Kind.ENROLLED, Kind.UNENROLLED})


class Subject:
    """One DID: what was counted, what was decided, and the `cts` last used for each of its labels.

    `owed`: it was last judged in silence, and what was held back then is due when it is next heard of.
    """

    __slots__ = ("member", "owed", "stamped", "timer", "windows")

    def __init__(self) -> None:
        self.windows = SubjectWindows()
        self.member = Member()
        self.stamped: dict[str, datetime] = {}
        self.timer: datetime | None = None
        self.owed = False


class Emission(NamedTuple):
    """A label to sign and publish, with the evidence and the words behind it."""

    label: Label
    evidence: bytes
    evidence_cid: str
    actor: str
    reason: str
    rule: str
    received: datetime


class Judge:
    """State of the fold. `src` is the labeler's own DID, the source of every label it yields."""

    def __init__(self, src: str) -> None:
        self.src = src
        self.subjects: dict[str, Subject] = {}
        self.policy: Policy | None = None
        self._active_dids = DistinctWindow()  # pool size, for the breaker
        self._suspensions: deque[datetime] = deque()  # by rules, in the last 24 h
        self._allowance = 0
        self._horizon_hours = 0
        self._last_batch: datetime | None = None
        self._timers: list[tuple[datetime, str]] = []
        self._rounds: deque[str] = deque()  # every subject, the one to be looked at next for sweeping first

    @property
    def policy_hash(self) -> str | None:
        """Hash of the policy in force, None before the first activation."""
        return self.policy.hash if self.policy is not None else None

    def step(self, record: Input) -> list[Emission]:
        """Take one record in; return the labels it leads to, in the order they are to be published."""
        now = _whole_milliseconds(record.received)
        if isinstance(record, Batch):
            return self._batch(record, now)
        if isinstance(record, Tick):
            return self._tick(now)
        if isinstance(record, Decision):
            return self._decision(record, now)
        return self._activate(record)

    def due(self) -> datetime | None:
        """When the next timer fires, or None while nothing is pending."""
        while self._timers:
            moment, did = self._timers[0]
            if self.subjects[did].timer == moment:
                return moment
            heapq.heappop(self._timers)  # superseded by a later decision
        return None

    def caps(self, member: Member) -> Caps:
        """The caps agreed with a member, the policy's where nothing was agreed."""
        default = self.policy.caps if self.policy is not None else DEFAULT_CAPS
        if member.hourly_cap is None and member.daily_cap is None:
            return default
        return Caps(hourly=member.hourly_cap or default.hourly, daily=member.daily_cap or default.daily)

    def _batch(self, batch: Batch, now: datetime) -> list[Emission]:
        invalid_codes = self.policy.outcomes.invalid_recipient if self.policy is not None else frozenset()
        subjects, relay, hour = self.subjects, batch.relay, epoch_seconds(now) // HOUR_S
        oldest = binding_floor(hour, self._horizon_hours)
        touched: dict[str, Subject] = {}
        enrolments: list[SendEvent] = []
        for event in batch.events:
            did = event.did
            subject = subjects.get(did)
            if subject is None:
                subject = self._enter(did)
            touched[did] = subject
            subject.windows.record(relay, event, int(event.at.timestamp()), oldest, invalid_codes)
            if event.kind in _ENROLMENT:
                enrolments.append(event)
        for did in touched:
            self._active_dids.record(did, hour)
        self._last_batch = now
        self._refill(now)
        emissions = self._enrol(enrolments, now)
        for did in sorted(touched):
            emissions += self._judge(did, touched[did], now)
        self._sweep_some(hour)
        return emissions

    def _enter(self, did: str) -> Subject:
        subject = self.subjects[did] = Subject()
        self._rounds.append(did)
        return subject

    def _sweep_some(self, hour: int) -> None:
        """Sweep those nobody hears of any more, a few at a time: what they left must not stay for ever."""
        for _ in range(min(SWEPT_A_BATCH, len(self._rounds))):
            self._sweep(self.subjects[self._rounds[0]].windows, hour)
            self._rounds.rotate(-1)

    def _sweep(self, windows: SubjectWindows, hour: int) -> None:
        if self.policy is not None and hour >= windows.swept_hour + SWEEP_HOURS:
            windows.sweep(hour, self._horizon_hours)

    def _enrol(self, events: Iterable[SendEvent], now: datetime) -> list[Emission]:
        emissions: list[Emission] = []
        for event in sorted(events, key=lambda event: (event.did, event.at, event.id)):
            subject = self.subjects[event.did]
            member, mark = subject.member, (event.at, event.id)
            if member.enrolment is not None and mark < member.enrolment:
                continue  # late: what happened after it is known already
            member.enrolment = mark
            member.enrolled = event.kind == Kind.ENROLLED
            if member.enrolled:
                member.tier = event.tier or "new"
                member.hourly_cap, member.daily_cap = event.hourly_cap, event.daily_cap
            emissions += self._emit(event.did, subject, enrolment(member, member.enrolled, now), now)
        return emissions

    def _tick(self, now: datetime) -> list[Emission]:
        self._refill(now)
        emissions: list[Emission] = []
        while (due := self.due()) is not None and due <= now:
            _, did = heapq.heappop(self._timers)
            emissions += self._judge(did, self.subjects[did], now)
        return emissions

    def _decision(self, decision: Decision, now: datetime) -> list[Emission]:
        subject = self.subjects.get(decision.did) or self._enter(decision.did)
        emissions = self._tick(now)  # what came due before the decision happens before it
        expire(subject.member, now)
        block_s = self.policy.ladder.operator_block.seconds if self.policy is not None else DEFAULT_BLOCK_S
        changes = apply_decision(subject.member, decision, now, block_s)
        emissions += self._emit(decision.did, subject, changes, now, by_operator=True)
        self._arm(decision.did, subject, now)
        return emissions

    def _activate(self, record: PolicyActivated) -> list[Emission]:
        """From here on another policy decides; subjects are judged by it when they are next touched."""
        self.policy = parse_policy(record.text)
        self._horizon_hours = self.policy.horizon_s // HOUR_S + 1
        return []

    def _judge(self, did: str, subject: Subject, now: datetime) -> list[Emission]:
        policy = self.policy
        if policy is None:
            return []
        member, windows = subject.member, subject.windows
        now_s = epoch_seconds(now)
        self._sweep(windows, now_s // HOUR_S)
        lapsed = expire(member, now) if member.active or member.blocked else {}
        floor_s = slate_floor(member)
        findings = find_possible(policy, windows, self.caps(member), now_s, floor_s)
        throttled = member.active.get(MAIL_THROTTLED)
        due = subject.owed or (subject.timer is not None and subject.timer <= now)
        fired = any(finding.severity for finding in findings)
        clean = is_clean(policy, windows, now_s, floor_s) if due or CLEAN_SENDER not in member.active else False
        if not (fired or clean or lapsed or due or throttled is not None):
            return []  # nothing to say and nothing to take back: by far the most common case
        situation = Situation(
            findings=findings,
            clean=clean,
            fresh=self._fresh(policy, windows, throttled, now_s) if throttled is not None else 0,
            may_suspend=len(self._suspensions) < self._allowance,
            silent=self._silent(policy, now),
        )
        subject.owed = situation.silent
        changes = decide(member, situation, policy, now, lapsed)
        emissions = self._emit(did, subject, changes, now)
        if changes or lapsed or due:
            self._arm(did, subject, now)
        return emissions

    @staticmethod
    def _fresh(policy: Policy, windows: SubjectWindows, throttled: ActiveLabel, now_s: int) -> int:
        """Recipients whose existence became known since the throttle began, as far back as any rule looks."""
        since_s = max(epoch_seconds(throttled.since), now_s - policy.horizon_s)
        return windows.reached.count(whole_bucket(since_s, HOUR_S))

    def _refill(self, now: datetime) -> None:
        """How many automatic suspensions the breaker allows in the 24 h up to now."""
        while self._suspensions and self._suspensions[0] <= now - DAY:
            self._suspensions.popleft()
        hour = epoch_seconds(now) // HOUR_S
        self._active_dids.expire(hour - 48)
        if self.policy is not None:
            guards = self.policy.guards
            share = int(guards.breaker_share * self._active_dids.count(hour - 24) + _ROUNDING)
            self._allowance = max(guards.breaker_count, share)

    def _silent(self, policy: Policy, now: datetime) -> bool:
        silence = timedelta(seconds=policy.guards.silence.seconds)
        return self._last_batch is None or now - self._last_batch > silence

    def _emit(
        self, did: str, subject: Subject, changes: list[Change], now: datetime, *, by_operator: bool = False
    ) -> list[Emission]:
        emissions = []
        for change in changes:
            settle(subject.member, change, now, by_operator)
            if change.val == MAIL_SUSPENDED and change.verb is Verb.APPLY and not by_operator:
                self._suspensions.append(now)
            stamp = now
            last = subject.stamped.get(change.val)
            if last is not None and stamp <= last:
                stamp = last + MILLISECOND  # label spec: later than any previous timestamp of the same label
            subject.stamped[change.val] = stamp
            evidence, cid = seal(evidence_record(did, change, now, self.policy_hash))
            label = Label(
                src=self.src,
                uri=did,
                val=change.val,
                cts=format_datetime(stamp),
                neg=True if change.verb is Verb.NEGATE else None,
                exp=format_datetime(change.exp) if change.exp is not None else None,
            )
            emissions.append(Emission(label, evidence, cid, change.actor, change.reason, change.actor, now))
        return emissions

    def _arm(self, did: str, subject: Subject, now: datetime) -> None:
        """Set the subject's timer to the next moment something about it may change by itself."""
        moments = []
        for val, label in subject.member.active.items():
            if label.exp is None:
                continue
            moments.append(label.exp)
            renewed = renewal(val, label, self.policy) if self.policy is not None else None
            if renewed is not None:
                moments.append(renewed)
        if MAIL_THROTTLED in subject.member.active and self.policy is not None:
            hold = timedelta(seconds=self.policy.ladder.min_hold.seconds)
            moments.append(subject.member.active[MAIL_THROTTLED].since + hold)
        coming = [moment for moment in moments if moment > now]
        timer = min(coming) if coming else None
        if timer is not None and timer != subject.timer:
            heapq.heappush(self._timers, (timer, did))
        subject.timer = timer


def _whole_milliseconds(moment: datetime) -> datetime:
    """Cut off what a label cannot say, so that our state and the published `cts` and `exp` never differ."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def slate_floor(member: Member) -> int:
    """From when on a member's mail counts (epoch seconds): the hour after a human's lift, 0 when there was none.

    Windows are made of whole hours; the rest of the lifted hour is given to the member.
    """
    if member.clean_slate is None:
        return 0
    return (epoch_seconds(member.clean_slate) // HOUR_S + 1) * HOUR_S
