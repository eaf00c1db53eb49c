"""One subject at one moment: measure, decide, say it. Called by the fold for everybody a record or a timer touches.

Rule 1: what is only pretended (shadow) changes nothing that is published. Rule 2: the breaker holds suspensions back,
and says so. Rule 3: most subjects have nothing to be told, and must cost next to nothing.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from labeler.reputation.breaker import Breaker
from labeler.reputation.decisions import (
    ActiveLabel,
    Change,
    Member,
    Situation,
    Verb,
    counting,
    decide,
    expire,
    membership,
    settle,
    suspends,
)
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.evidence import evidence_record, seal
from labeler.reputation.findings import Checks, Finding, find_possible, fresh, is_clean, room, until_clean
from labeler.reputation.metrics import Setting
from labeler.reputation.policy import Mode, Policy
from labeler.reputation.subject import Emission, Notice, NoticeKind, Subject, epoch, slate_floor
from labeler.reputation.timers import Timers, turning_points
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

NOTICES_KEPT: Final = 1_000  # that nobody has fetched
CALM_HOURS: Final = 6  # how far ahead a look tells that nothing can come of mail …
_ROOM_ENOUGH: Final = 4  # … if there is room for so many messages


class Verdicts:
    """The breaker, the timers, the notices, and when telemetry was last heard."""

    def __init__(self, src: str, subjects: Mapping[str, Subject]) -> None:
        self.src = src
        self.policy: Policy | None = None
        self.breaker = Breaker()
        self.timers = Timers(subjects)
        self.notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)
        self.heard: datetime | None = None
        self.resting = False  # whether the rules rest

    def reach(
        self, did: str, subject: Subject, setting: Setting, checks: Checks, now: datetime, *, pardoned: bool
    ) -> list[Emission]:
        """What rules change about a subject at `now`; `pardoned`: an incident took failures of it away just now."""
        policy = self.policy
        if policy is None:
            return []
        member, windows, now_s = subject.member, subject.windows, epoch(now)
        if not pardoned and calm(subject, policy, now, now_s // HOUR_S):
            return []
        lapsed = expire(member, now) if member.active or member.blocked else {}
        floor_s = slate_floor(member)
        throttled, pretending = member.active.get(MAIL_THROTTLED), subject.shadow is not None
        restricted = pretending or throttled is not None or MAIL_SUSPENDED in member.active
        findings = find_possible(checks, windows, setting, now_s, floor_s, holding=restricted)
        due = subject.owed or (subject.timer is not None and subject.timer <= now)
        fired = any(finding.severity for finding in findings)
        unsaid = due or pretending or CLEAN_SENDER not in member.active
        clean = is_clean(policy, windows, setting, now_s, floor_s) if unsaid else False
        if not (fired or clean or lapsed or due or pardoned or pretending or throttled is not None):
            if MAIL_SUSPENDED not in member.active and _steady(windows):
                _rest(subject, policy, checks, setting, now_s, floor_s)
            return []  # nothing to say and nothing to take back: by far the most common case
        situation = Situation(
            findings=findings,
            clean=clean,
            fresh=fresh(policy, windows, throttled.since, now_s) if throttled is not None else 0,
            may_suspend=self.breaker.closed,
            silent=self._silent(policy, now),
            pardoned=pardoned,
        )
        subject.calm, subject.owed = -1, situation.silent
        emissions = self.say(did, subject, membership(member, now), now) if MAIL_REMOVED in lapsed else []
        if policy.mode is Mode.ENFORCE:
            emissions += self._conclude(did, subject, situation, policy, now, lapsed)
        if policy.shadowed:
            emissions += self._pretend(did, subject, situation, policy, now, emissions)
        if emissions or lapsed or due:
            self.arm(did, subject, now)
        return emissions

    def say(
        self, did: str, subject: Subject, changes: list[Change], now: datetime, *, by_operator: bool = False
    ) -> list[Emission]:
        """Write changes into the subject's state and make labels of them."""
        emissions = []
        subject.calm = -1
        for change in changes:
            settle(subject.member, change, now, by_operator)
            if change.val == MAIL_SUSPENDED and change.verb is Verb.APPLY and change.findings:
                self.breaker.count(did, now)
            emissions.append(self._emission(did, subject, change, now, subject.stamp(change.val, now)))
        return emissions

    def arm(self, did: str, subject: Subject, now: datetime) -> None:
        """Set the subject's timer to the next moment something about it may change by itself.

        One that fired while the rules rest stays: it is looked at when they go on.
        """
        if self.resting and subject.timer is not None and subject.timer <= now:
            return
        moments = turning_points(subject, self.policy)
        room = self.breaker.room_at(did)
        self.timers.set(did, subject, moments if room is None else [*moments, room], now)

    def note(self, kind: NoticeKind, about: str, now: datetime, text: str, *, asks: bool = False) -> None:
        """Tell people something that is no label."""
        self.notices.append(Notice(kind, about, now, text, asks=asks))

    def tell_silence(self, did: str, subject: Subject, policy: Policy, now: datetime) -> None:
        """Tell people, once, that a member was asked and let its time pass; what the rules make of it is theirs."""
        reports, within = subject.windows.reports, policy.abuse.answer_within
        if reports is not None and reports.fell_silent(slate_floor(subject.member), epoch(now), within.seconds):
            self.note("unanswered", did, now, f"asked, and silent for {within.text}")

    def _conclude(
        self,
        did: str,
        subject: Subject,
        situation: Situation,
        policy: Policy,
        now: datetime,
        lapsed: Mapping[str, ActiveLabel],
    ) -> list[Emission]:
        """Decide on what the enforcing rules found."""
        enforced = [finding for finding in situation.findings if finding.rule.mode is Mode.ENFORCE]
        changes = decide(subject.member, situation._replace(findings=enforced), policy, now, lapsed)
        if not situation.may_suspend and not situation.silent:
            self._hold(did, subject, enforced, policy, now)
        return self.say(did, subject, changes, now)

    def _hold(self, did: str, subject: Subject, findings: list[Finding], policy: Policy, now: datetime) -> None:
        """Tell people, once a day and member, about a suspension that the breaker holds back."""
        member = subject.member
        throttled = member.active.get(MAIL_THROTTLED)
        counted = counting(findings, throttled)
        settled = MAIL_SUSPENDED in member.blocked or {MAIL_SUSPENDED, MAIL_REMOVED} & member.active.keys()
        if settled or (throttled is not None and throttled.by_operator) or not suspends(counted, policy):
            return
        if self.breaker.hold(did, now):
            self.note("breaker", did, now, "a suspension is held back: " + _summaries(counted))
            self.arm(did, subject, now)

    def _pretend(
        self, did: str, subject: Subject, situation: Situation, policy: Policy, now: datetime, real: list[Emission]
    ) -> list[Emission]:
        """What would be decided if no rule were in shadow; said only where it differs from what is.

        The second state is kept only as long as it differs from the first, which it starts from.
        """
        member = subject.member
        shadow = subject.shadow or Member(active=dict(member.active), strikes=list(member.strikes))
        lapsed = expire(shadow, now)
        _follow_people(shadow, member)
        throttled = shadow.active.get(MAIL_THROTTLED)
        reached = fresh(policy, subject.windows, throttled.since, epoch(now)) if throttled is not None else 0
        changes = decide(shadow, situation._replace(fresh=reached), policy, now, lapsed)
        said = {(emission.label.val, emission.label.neg is True) for emission in real}
        emissions = []
        for change in changes:
            settle(shadow, change, now, by_operator=False)
            if (change.val, change.verb is Verb.NEGATE) not in said:
                emissions.append(self._emission(did, subject, change, now, now)._replace(shadow=True))
        same = shadow.active.keys() == member.active.keys() and shadow.strikes == member.strikes
        subject.shadow = None if same else shadow
        return emissions

    def _silent(self, policy: Policy, now: datetime) -> bool:
        return self.heard is None or now - self.heard > timedelta(seconds=policy.guards.silence.seconds)

    def _emission(self, did: str, subject: Subject, change: Change, now: datetime, stamp: datetime) -> Emission:
        policy_hash = self.policy.hash if self.policy is not None else None
        evidence, cid = seal(evidence_record(did, change, now, policy_hash, subject.windows.ledger))
        label = Label(
            src=self.src,
            uri=did,
            val=change.val,
            cts=format_datetime(stamp),
            neg=True if change.verb is Verb.NEGATE else None,
            exp=format_datetime(change.exp) if change.exp is not None else None,
        )
        return Emission(label, evidence, cid, change.actor, change.reason, change.actor, now)


def calm(subject: Subject, policy: Policy, now: datetime, hour: int) -> bool:
    """Whether the last look still holds: nothing stirred, no timer, too little mail."""
    windows = subject.windows
    return (
        -1 < subject.calm <= hour <= subject.calm_to
        and not windows.stirred
        and windows.volume.accepted.total < subject.calm_until
        and (subject.timer is None or subject.timer > now)
        and (
            windows.reaches < subject.calm_reaches
            or CLEAN_SENDER in subject.member.active
            or windows.reached.size < policy.clean.min_recipients
        )
    )


def _rest(subject: Subject, policy: Policy, checks: Checks, setting: Setting, now_s: int, floor_s: int) -> None:
    """Note how far this look reaches: some hours if that leaves room enough, else this one.

    Within an hour a window loses nothing, so that only what is added can make a rule fire. Further on nothing may hang
    on the hour: no block that runs out, no message said to be accepted later than now.
    """
    windows, hour, hours, least = subject.windows, now_s // HOUR_S, 0, 0
    if not subject.member.blocked and windows.newest_hour <= hour + 1:
        hours, least = CALM_HOURS, room(checks, windows, setting, now_s, floor_s, CALM_HOURS)
    if least < _ROOM_ENOUGH:
        hours, least = 0, room(checks, windows, setting, now_s, floor_s)
    subject.calm, subject.calm_to = hour, hour + hours
    subject.calm_until, subject.calm_reaches = windows.volume.accepted.total + least, windows.reaches
    if CLEAN_SENDER not in subject.member.active:
        subject.calm_reaches += until_clean(policy, windows, setting, now_s, floor_s, hours)
    windows.stirred = False


def _steady(windows: SubjectWindows) -> bool:
    """Whether rates go on being out of the same recipients: with the first delivery it is those reached, not all."""
    return windows.delivered.size > 0 or windows.invalid.size == windows.complained.size == 0


def _follow_people(shadow: Member, member: Member) -> None:
    """Take over what is no rule's business: what an operator set or lifted, and who is a member."""
    ruled = (MAIL_SUSPENDED, MAIL_THROTTLED, CLEAN_SENDER)
    kept = {val: label for val, label in shadow.active.items() if val in ruled and not label.by_operator}
    people = {val: label for val, label in member.active.items() if val not in ruled or label.by_operator}
    shadow.active = {val: label for val, label in kept.items() if val not in member.blocked} | people
    shadow.blocked, shadow.clean_slate = dict(member.blocked), member.clean_slate


def _summaries(findings: list[Finding]) -> str:
    return "; ".join(dict.fromkeys(finding.rule.summary for finding in findings))


def is_restless(subject: Subject, policy: Policy | None, now: datetime, hour: int, swept: int) -> bool:
    """Whether a subject must be looked at, last swept before the hour `swept` or not. Few must be, and judging one of
    them makes no other calm or restless."""
    return (
        policy is None
        or subject.windows.stirred
        or subject.windows.swept_hour <= swept
        or subject.member.grant is not None
        or not calm(subject, policy, now, hour)
    )
