"""Where a member stands and why, what clears its labels, and how much room is left.

Read-only. The public part says the state; numbers are for the member and for operators.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from labeler.atproto.syntax import format_datetime
from labeler.reputation.counterfactuals import clearance, headroom
from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.definitions import (
    CLEAN_SENDER,
    MAIL_REMOVED,
    MAIL_SUSPENDED,
    MAIL_THROTTLED,
    RELAY_MEMBER,
)
from labeler.reputation.events import Kind
from labeler.reputation.evidence import finding_record
from labeler.reputation.findings import find_all
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Caps, Mode, Policy, Urgency
from labeler.reputation.public_words import CLEARED_BY, UNTIL, reason_class
from labeler.reputation.subject import Subject, epoch, slate_floor
from labeler.reputation.volume import HOUR_S
from labeler.reputation.warmup import Warmup, warmed_caps, warmup

_DOMAINS_SHOWN: Final = 20
_REPORTS_SHOWN: Final = 100
_ENFORCEMENT: Final = (MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED)
_STATES: Final = {  # the gravest first
    MAIL_REMOVED: "removed",
    MAIL_SUSPENDED: "suspended",
    MAIL_THROTTLED: "throttled",
    CLEAN_SENDER: "good",
}


class Standing(NamedTuple):
    """One member's state at a moment. `public` is for everyone, `private` for the member and operators."""

    public: dict[str, Any]
    private: dict[str, Any]

    @property
    def state(self) -> str:
        """unknown, warming, good, throttled, suspended or removed."""
        return str(self.public["standing"])

    def full(self) -> dict[str, Any]:
        """Both parts, as `getStanding` answers the subject and operators."""
        labels = [
            {**label, **extra} for label, extra in zip(self.public["labels"], self.private["labels"], strict=True)
        ]
        return {**self.public, **self.private, "labels": labels}


def standing(judge: Judge, did: str, now: datetime) -> Standing:
    """What the fold knows about `did` at `now`; a DID never heard of stands `unknown`."""
    subject = judge.subjects.get(did) or Subject()
    member = subject.member
    active = {val: label for val, label in sorted(member.active.items()) if _stands(label, now)}
    policy = judge.policy
    stage = warmup(policy, member, subject.windows, now) if policy is not None else None
    caps = warmed_caps(judge.caps(member, now), stage)
    state = state_of(subject, now)
    hourly, daily = _caps_now(policy, caps, state)
    labels = [_label(val, label, subject.stamped[val], policy) for val, label in active.items()]
    public = {
        "did": did,
        "standing": state,
        "labels": labels,
        "tier": member.tier,
        "hourlyCap": hourly,
        "dailyCap": daily,
    }
    return Standing(public, _private(judge, subject, stage, now, list(active)))


def state_of(subject: Subject, now: datetime) -> str:
    """The state in one word: unknown, warming, good, throttled, suspended or removed."""
    active = subject.member.active
    for val in (*_ENFORCEMENT, CLEAN_SENDER):
        if val in active and _stands(active[val], now):
            return _STATES[val]
    member = RELAY_MEMBER in active and _stands(active[RELAY_MEMBER], now)
    return "warming" if member or subject.windows.kinds or subject.member.enrolled else "unknown"


def _stands(label: ActiveLabel, now: datetime) -> bool:
    return label.exp is None or label.exp > now


def _label(val: str, label: ActiveLabel, stamp: datetime, policy: Policy | None) -> dict[str, Any]:
    """What everybody may know of one label: since and until when, and why in words without a number."""
    record = {
        "val": val,
        "cts": format_datetime(stamp),
        "since": format_datetime(label.since),
        "reasonClass": reason_class(label, policy),
        "clearedBy": CLEARED_BY.get(val) or UNTIL[val],
    }
    return record | ({"exp": format_datetime(label.exp)} if label.exp is not None else {})


def _caps_now(policy: Policy | None, caps: Caps, state: str) -> tuple[int, int]:
    """Messages an hour and a day the member may send as things stand."""
    if state in {"suspended", "removed"}:
        return 0, 0
    if state == "throttled" and policy is not None:
        throttle = policy.labels[MAIL_THROTTLED].hourly_cap or caps.hourly
        return min(throttle, caps.hourly), min(throttle * 24, caps.daily)
    return caps.hourly, caps.daily


def _private(judge: Judge, subject: Subject, stage: Warmup | None, now: datetime, active: list[str]) -> dict[str, Any]:
    member, windows = subject.member, subject.windows
    reasons = [{"rule": "operator" if member.active[val].by_operator else member.active[val].actor} for val in active]
    policy = judge.policy
    if policy is None:
        return {"labels": reasons, "findings": [], "headroom": [], "clears": [], "counts": {}, "domains": []}
    setting, rules = judge.setting(member, policy, now), judge.rules_for(member, now)
    findings = find_all(rules, windows, setting, epoch(now), slate_floor(member))
    clears = [clearance(member, val, findings, policy, windows, setting, now) for val in _ENFORCEMENT if val in active]
    record = {
        "labels": reasons,
        "findings": [finding_record(finding) for finding in findings],
        "headroom": [headroom(finding) for finding in findings if finding.rule.mode is Mode.ENFORCE],
        "clears": clears,
        "counts": _counts(subject, epoch(now) - policy.horizon_s),
        "domains": _domains(subject, epoch(now) - policy.horizon_s),
        "reports": _reports(subject, policy),
    }
    if stage is not None:
        record["warmup"] = _warmup(stage, judge.caps(member, now))
    if subject.shadow is not None:
        pretended = subject.shadow.active.items()
        record["shadow"] = sorted(val for val, label in pretended if val not in active and _stands(label, now))
    return record


def _warmup(reached: Warmup, agreed: Caps) -> dict[str, Any]:
    """The stage, and what the next one asks for."""
    record: dict[str, Any] = {"stage": reached.stage.name, "delivered": reached.delivered}
    following = reached.following
    if following is None:
        return record | {"text": "the warm-up is done: the agreed caps hold"}
    age = f", {following.min_age.text} after enrolment" if following.min_age is not None else ""
    missing = max(0, following.min_delivered - reached.delivered)
    caps = warmed_caps(agreed, reached._replace(stage=following))
    text = f"{missing} more recipients reached{age}: then {caps.hourly} an hour, {caps.daily} a day"
    return record | {"next": following.name, "missing": missing, "text": text}


def _reports(subject: Subject, policy: Policy) -> list[dict[str, Any]]:
    """Open abuse reports, the most urgent kind named by the policy; who reported is not known here."""
    within_s = policy.abuse.answer_within.seconds
    records = []
    reports = subject.windows.reports
    for report in (reports.open(0) if reports is not None else [])[-_REPORTS_SHOWN:]:
        urgency = policy.abuse.urgency.get(report.category or "", Urgency.ROUTINE)
        record = {"at": _moment(report.at_s), "urgency": urgency.value}
        if report.category is not None:
            record["category"] = report.category
        if report.asked_s is not None:
            record["answerBy"] = _moment(report.asked_s + within_s)
        records.append(record)
    return records


def _moment(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _counts(subject: Subject, since_s: int) -> dict[str, int]:
    windows, since = subject.windows, since_s // HOUR_S
    kinds = (Kind.ACCEPTED, Kind.DELIVERED, Kind.BOUNCED, Kind.DEFERRED, Kind.COMPLAINED)
    return {kind.value: windows.kinds.get(kind, 0) for kind in kinds} | {
        "recipients": windows.addressed.count(since),
        "recipientDomains": windows.recipient_domains.count(since),
        "invalidRecipients": windows.invalid.count(since),
        "unbound": windows.unbound,
    }


def _domains(subject: Subject, since_s: int) -> list[dict[str, Any]]:
    """The busiest sending domains: which of them to look at."""
    since = since_s // HOUR_S
    busiest = sorted(
        (-windows.accepted.count(since), domain, windows.invalid.count(since))
        for domain, windows in subject.windows.by_domain.items()
    )
    return [
        {"domain": domain, "accepted": -accepted, "invalidRecipients": invalid}
        for accepted, domain, invalid in busiest[:_DOMAINS_SHOWN]
    ]
