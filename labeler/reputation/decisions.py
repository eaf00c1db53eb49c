"""From findings to label changes: the diff between what should be active and what is. The one place that decides.

Rule 1: the lightest intervention first; one finding throttles, a strong one or several independent ones suspend.
Rule 2: no rule removes anyone. Rule 3: what a human decided stands until it expires. Rule 4: an identical active label
is not applied again. Rule 5: deciding twice on the same facts changes nothing the second time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from labeler.reputation.definitions import (
    ADVERSE,
    CLEAN_SENDER,
    MAIL_REMOVED,
    MAIL_SUSPENDED,
    MAIL_THROTTLED,
    RELAY_MEMBER,
)
from labeler.reputation.findings import Finding, Severity
from labeler.reputation.inputs import CaseAction, Decision
from labeler.reputation.metrics import EXCUSABLE
from labeler.reputation.policy import Policy

_STRIKES_KEPT = 16  # more than any policy has terms for
_EXCUSED = "the provider was to blame"


class Verb(StrEnum):
    """What happens to a label."""

    APPLY = "apply"
    RENEW = "renew"
    NEGATE = "negate"


class Change(NamedTuple):
    """One label change. `actor` is a rule id or an operator; `findings` are the numbers that led to it."""

    verb: Verb
    val: str
    exp: datetime | None
    actor: str
    reason: str
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class ActiveLabel:
    """A label as it stands: when it began, when it was last issued, when it ends, and why.

    A suspension that took the place of a throttle began with that. `causes` are the rules that led to the label when it
    was last issued; `failures` what each of them counted then, for those that did not reach their suspend bar.
    """

    since: datetime
    issued: datetime
    exp: datetime | None
    actor: str
    by_operator: bool
    causes: tuple[str, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)

    def issue(self, findings: Iterable[Finding], now: datetime, exp: datetime | None) -> None:
        """Note that it was issued at `now` until `exp`, and on what."""
        found = tuple(findings)
        self.issued, self.exp, self.causes = now, exp, tuple(finding.rule.id for finding in found)
        self.failures = {item.rule.id: item.measurement.k for item in found if item.bar != item.rule.suspend}


class Grant(NamedTuple):
    """What an operator granted a member, and until when: rules that judge it no more, caps instead of the agreed."""

    operator: str
    until: datetime | None
    exempt: tuple[str, ...]
    hourly_cap: int | None
    daily_cap: int | None

    def stands(self, now: datetime) -> bool:
        """Whether it has not run out."""
        return self.until is None or now < self.until


@dataclass(slots=True)
class Member:
    """What has been decided about one subject so far.

    `domains` are those enrolled, by name; an enrolment that named none stands under the empty name. `marks` are time
    and id of the newest event about each. `since` is when the member was first enrolled without a break.
    """

    active: dict[str, ActiveLabel] = field(default_factory=dict)
    blocked: dict[str, datetime] = field(default_factory=dict)  # val → no rule applies it before
    strikes: list[datetime] = field(default_factory=list)  # when each throttle began
    clean_slate: datetime | None = None  # nothing before this moment counts
    domains: dict[str, None] = field(default_factory=dict)
    marks: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    since: datetime | None = None
    grant: Grant | None = None
    tier: str = "new"
    hourly_cap: int | None = None
    daily_cap: int | None = None

    @property
    def enrolled(self) -> bool:
        """Whether any domain of it is enrolled."""
        return bool(self.domains)


class Situation(NamedTuple):
    """What decides besides the findings. `fresh` counts recipients with a known outcome since the throttle began.

    `pardoned`: failures behind it were a provider's doing, as turned out since.
    """

    findings: list[Finding]
    clean: bool
    fresh: int
    may_suspend: bool  # the breaker has room
    silent: bool  # no telemetry for too long
    pardoned: bool = False


def expire(member: Member, now: datetime) -> dict[str, ActiveLabel]:
    """Drop what has run out and return the labels; consumers read `exp` themselves, so nothing is emitted."""
    lapsed = {val: label for val, label in member.active.items() if label.exp is not None and label.exp <= now}
    for val in lapsed:
        del member.active[val]
    for val in [val for val, until in member.blocked.items() if until <= now]:
        del member.blocked[val]
    return lapsed


def renewal(val: str, label: ActiveLabel, policy: Policy) -> datetime | None:
    """From when on the rules renew a label, in whole milliseconds; never one without an end, nor a human's."""
    terms = policy.labels.get(val)
    if label.exp is None or label.by_operator or terms is None or terms.renew_at is None:
        return None
    moment = label.issued + (label.exp - label.issued) * terms.renew_at
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def decide(
    member: Member, situation: Situation, policy: Policy, now: datetime, lapsed: Mapping[str, ActiveLabel]
) -> list[Change]:
    """What the rules change about a subject at `now`; `lapsed` is what `expire` just dropped."""
    if MAIL_REMOVED in member.active:
        return []
    changes = _enforcement(member, situation, policy, now, lapsed)
    return changes + _clean_sender(member, situation, policy, now, changes)


def _enforcement(
    member: Member, situation: Situation, policy: Policy, now: datetime, lapsed: Mapping[str, ActiveLabel]
) -> list[Change]:
    """Throttle, suspend, renew or lift."""
    active = {val: member.active[val] for val in (MAIL_SUSPENDED, MAIL_THROTTLED) if val in member.active}
    if any(label.by_operator for label in active.values()):
        return []  # a human's word
    if situation.pardoned:
        excusable = {rule.id for rule in policy.rules if rule.metric == EXCUSABLE}
        excused = [
            val
            for val, label in active.items()
            if not excusable.isdisjoint(label.causes) and not holding(label, situation.findings)
        ]
        if excused:
            return [Change(Verb.NEGATE, val, None, "incident", _EXCUSED) for val in excused]
    if MAIL_SUSPENDED in active:
        return []  # pending review
    fired = [finding for finding in situation.findings if finding.severity is not Severity.NONE]
    throttled = active.get(MAIL_THROTTLED)
    counted = counting(situation.findings, throttled)
    if suspends(counted, policy) and MAIL_SUSPENDED not in member.blocked and not situation.silent:
        if situation.may_suspend:
            return _suspend(counted, throttled, policy, now)
        fired = [finding._replace(severity=Severity.THROTTLE) for finding in fired]  # the breaker holds it
    if throttled is not None:
        return _keep_or_lift(member, throttled, situation, policy, now)
    if MAIL_THROTTLED in member.blocked:
        return []
    if fired:
        exp = now + throttle_term(member, policy, now)
        return [Change(Verb.APPLY, MAIL_THROTTLED, exp, fired[0].rule.id, fired[0].rule.summary, tuple(fired))]
    suspended = lapsed.get(MAIL_SUSPENDED)
    if suspended is not None and not suspended.by_operator:
        reason = "the suspension ended without a review; the throttle stays"
        return [Change(Verb.APPLY, MAIL_THROTTLED, now + throttle_term(member, policy, now), "unreviewed", reason)]
    return []


def counting(findings: Iterable[Finding], throttled: ActiveLabel | None) -> list[Finding]:
    """What counts towards a suspension: rules that fire, and beside them the causes of a standing throttle that hold.

    A throttle slows its member down, so that its cause may fire no more: it must not hide behind that.
    """
    found = list(findings)
    if not any(finding.severity for finding in found):
        return []
    if throttled is None:
        return [finding for finding in found if finding.severity]
    return holding(throttled, tempered(throttled, found))


def tempered(throttled: ActiveLabel, findings: Iterable[Finding]) -> list[Finding]:
    """Leave it at a throttle where nothing more went wrong since it was last issued.

    A rate rises by itself when good mail leaves its window; that makes nobody a worse sender.
    """
    return [
        finding._replace(severity=Severity.THROTTLE, bar=finding.rule.throttle)
        if finding.severity is Severity.SUSPEND and finding.measurement.k <= throttled.failures.get(finding.rule.id, -1)
        else finding
        for finding in findings
    ]


def suspends(counted: list[Finding], policy: Policy) -> bool:
    """A strong finding, or as many independent ones as the policy asks for.

    A finding that one of its conditions keeps from suspending stands for no problem beside another.
    """
    strong = any(finding.severity is Severity.SUSPEND for finding in counted)
    families = {finding.rule.family for finding in counted if all(met.enough for met in finding.conditions)}
    return strong or len(families) >= policy.ladder.suspend_on_findings


def _suspend(fired: list[Finding], throttled: ActiveLabel | None, policy: Policy, now: datetime) -> list[Change]:
    first = max(fired, key=lambda finding: finding.severity)
    exp = now + timedelta(seconds=policy.labels[MAIL_SUSPENDED].terms[0].seconds)
    reason = "; ".join(dict.fromkeys(finding.rule.summary for finding in fired))
    changes = [Change(Verb.APPLY, MAIL_SUSPENDED, exp, first.rule.id, reason, tuple(fired))]
    if throttled is not None:  # one enforcement state at a time; the stricter goes first, so no gap opens
        changes.append(Change(Verb.NEGATE, MAIL_THROTTLED, None, first.rule.id, "replaced by the suspension"))
    return changes


def holding(throttled: ActiveLabel, findings: Iterable[Finding]) -> list[Finding]:
    """What keeps a throttle in force: rules that fire now, and those that led to it and still hold."""
    return [
        finding
        for finding in findings
        if finding.severity is not Severity.NONE or (finding.holds and finding.rule.id in throttled.causes)
    ]


def _keep_or_lift(
    member: Member, throttled: ActiveLabel, situation: Situation, policy: Policy, now: datetime
) -> list[Change]:
    kept_by = holding(throttled, tempered(throttled, situation.findings))
    if kept_by:
        due = renewal(MAIL_THROTTLED, throttled, policy)
        if throttled.exp is None or due is None or now < due:
            return []
        exp = now + (throttled.exp - throttled.issued)
        return [Change(Verb.RENEW, MAIL_THROTTLED, exp, kept_by[0].rule.id, kept_by[0].rule.summary, tuple(kept_by))]
    held = now - throttled.since >= timedelta(seconds=policy.ladder.min_hold.seconds)
    if held and situation.fresh >= policy.ladder.exit_min_recipients:
        return [Change(Verb.NEGATE, MAIL_THROTTLED, None, throttled.actor, "the cause is gone")]
    return []


def _clean_sender(
    member: Member, situation: Situation, policy: Policy, now: datetime, changes: list[Change]
) -> list[Change]:
    """Say, renew or take back that a sender is clean, seen from where `changes` leave the member."""
    active = member.active.get(CLEAN_SENDER)
    if active is not None and active.by_operator:
        return []
    fired = [finding for finding in situation.findings if finding.severity is not Severity.NONE]
    negated = {change.val for change in changes if change.verb is Verb.NEGATE}
    restricted = ADVERSE & ({*member.active, *(change.val for change in changes)} - negated)
    if fired or restricted:
        if active is None:
            return []
        actor, reason = (fired[0].rule.id, fired[0].rule.summary) if fired else ("restricted", "mail is restricted")
        return [Change(Verb.NEGATE, CLEAN_SENDER, None, actor, reason, tuple(fired))]
    if not situation.clean or situation.silent or CLEAN_SENDER in member.blocked:
        return []
    terms = policy.labels[CLEAN_SENDER]
    exp = now + timedelta(seconds=terms.terms[0].seconds)
    if active is None:
        return [Change(Verb.APPLY, CLEAN_SENDER, exp, "clean", "enough evidence, all of it good")]
    due = renewal(CLEAN_SENDER, active, policy)
    if due is None or now < due:
        return []
    return [Change(Verb.RENEW, CLEAN_SENDER, exp, "clean", "still enough evidence, all of it good")]


def throttle_term(member: Member, policy: Policy, now: datetime) -> timedelta:
    """How long the next throttle lasts: longer with every strike that has not decayed."""
    since = now - timedelta(seconds=policy.ladder.strike_decay.seconds)
    repeats = sum(strike > since for strike in member.strikes)
    terms = policy.labels[MAIL_THROTTLED].terms
    return timedelta(seconds=terms[min(repeats, len(terms) - 1)].seconds)


def membership(member: Member, now: datetime) -> list[Change]:
    """What enrolling or leaving changes about `relay-member`, and the end of a removal, which had taken it away."""
    active = {val for val, label in member.active.items() if label.exp is None or label.exp > now}
    blocked = member.blocked.get(RELAY_MEMBER, now) > now
    if member.enrolled and not active & {RELAY_MEMBER, MAIL_REMOVED} and not blocked:
        return [Change(Verb.APPLY, RELAY_MEMBER, None, "enrolled", "enrolled with the relay")]
    if not member.enrolled and RELAY_MEMBER in active:
        return [Change(Verb.NEGATE, RELAY_MEMBER, None, "unenrolled", "left the relay")]
    return []


def removed_domain(member: Member, domain: str, policy: Policy, now: datetime) -> list[Change]:
    """What follows when a member enrols `domain`, which went with a removed account: a human must look.

    A removal covers the domains too (acceptable-use page); coming back with one under another name is no new start.
    """
    if MAIL_SUSPENDED in member.blocked or {MAIL_SUSPENDED, MAIL_REMOVED} & member.active.keys():
        return []
    if MAIL_THROTTLED in member.active and member.active[MAIL_THROTTLED].by_operator:
        return []  # a human's word
    exp = now + timedelta(seconds=policy.labels[MAIL_SUSPENDED].terms[0].seconds)
    reason = f"enrolled {domain}, which was removed together with another account"  # whose, is not the member's to read
    changes = [Change(Verb.APPLY, MAIL_SUSPENDED, exp, "removed-domain", reason)]
    stale = (val for val in (MAIL_THROTTLED, CLEAN_SENDER) if val in member.active)
    return changes + [Change(Verb.NEGATE, val, None, "removed-domain", "replaced by the suspension") for val in stale]


def apply_decision(member: Member, decision: Decision | CaseAction, now: datetime, block_s: int) -> list[Change]:
    """What an operator's decision changes; also records the blocks and the clean slate that follow from it."""
    term = timedelta(hours=decision.duration_h) if decision.duration_h is not None else None
    reason = decision.comment or "decided by an operator"
    changes = []
    for val in decision.negate:
        if val in member.active:
            changes.append(Change(Verb.NEGATE, val, None, decision.operator, reason))
        member.blocked[val] = now + (term if term is not None else timedelta(seconds=block_s))
        if val in ADVERSE:
            member.clean_slate = now
    for val in decision.apply:
        active = member.active.get(val)
        member.blocked.pop(val, None)
        if active is not None and term is None:
            active.by_operator = True  # the label stands as it is; from here on it is a human's
            continue
        changes.append(Change(Verb.APPLY, val, now + term if term is not None else None, decision.operator, reason))
    return changes + _made_untrue(member, changes, decision)


def _made_untrue(member: Member, changes: list[Change], decision: Decision | CaseAction) -> list[Change]:
    """Labels that an operator's new restriction contradicts: one enforcement state, and nothing good beside it."""
    applied = [change.val for change in changes if change.verb is Verb.APPLY and change.val in ADVERSE]
    if not applied:
        return []
    stale = {CLEAN_SENDER, *(ADVERSE - {*applied, MAIL_REMOVED})}  # a removal ends by its own negation only
    if MAIL_REMOVED in applied:
        stale.add(RELAY_MEMBER)
    named = {change.val for change in changes}
    return [
        Change(Verb.NEGATE, val, None, decision.operator, f"replaced by {applied[0]}")
        for val in sorted(stale & member.active.keys() - named)
    ]


def settle(member: Member, change: Change, now: datetime, by_operator: bool) -> None:
    """Write a change into the member's state."""
    if change.verb is Verb.NEGATE:
        lifted = member.active.pop(change.val, None)
        if change.actor == "incident" and lifted is not None and lifted.since in member.strikes:
            member.strikes.remove(lifted.since)  # it was no strike
        return
    known = member.active.get(MAIL_THROTTLED if change.val == MAIL_SUSPENDED else change.val)
    goes_on = change.verb is Verb.RENEW or (change.val == MAIL_SUSPENDED and not by_operator)
    since = known.since if known is not None and goes_on else now
    label = ActiveLabel(since, now, change.exp, change.actor, by_operator)
    label.issue(change.findings, now, change.exp)
    member.active[change.val] = label
    if change.val == MAIL_THROTTLED and change.verb is Verb.APPLY:
        member.strikes = [*member.strikes[-_STRIKES_KEPT:], now]
