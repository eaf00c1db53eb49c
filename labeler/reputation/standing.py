"""Where a member stands and why, and the rules turned round: what clears a label, how much room is left.

Read-only. The public part says the state; numbers are for the member and for operators.
"""

import math
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from labeler.atproto.syntax import format_datetime
from labeler.reputation.decisions import Member, holding
from labeler.reputation.definitions import (
    CLEAN_SENDER,
    MAIL_REMOVED,
    MAIL_SUSPENDED,
    MAIL_THROTTLED,
    RELAY_MEMBER,
)
from labeler.reputation.events import Kind
from labeler.reputation.evidence import finding_record
from labeler.reputation.findings import Finding, Severity, crossed, find_all
from labeler.reputation.judge import Judge, Subject, slate_floor
from labeler.reputation.metrics import Measurement, epoch_seconds
from labeler.reputation.policy import Caps, Policy, Rule
from labeler.reputation.windows import HOUR_S

_DOMAINS_SHOWN: Final = 20
_HEADROOM_MAX: Final = 10_000  # further off than this is "plenty"
_ENFORCEMENT: Final = (MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED)
_STATES: Final = {
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
    active = {val: label for val, label in sorted(member.active.items()) if label.exp is None or label.exp > now}
    caps = judge.caps(member)
    state = next((_STATES[val] for val in (*_ENFORCEMENT, CLEAN_SENDER) if val in active), None)
    if state is None:
        heard = subject.windows.kinds or member.enrolled or RELAY_MEMBER in active
        state = "warming" if heard else "unknown"
    hourly, daily = _caps_now(judge.policy, caps, state)
    labels = [
        {"val": val, "cts": format_datetime(subject.stamped[val])}
        | ({"exp": format_datetime(label.exp)} if label.exp is not None else {})
        for val, label in active.items()
    ]
    public = {
        "did": did,
        "standing": state,
        "labels": labels,
        "tier": member.tier,
        "hourlyCap": hourly,
        "dailyCap": daily,
    }
    return Standing(public, _private(judge, subject, caps, now, list(active)))


def _caps_now(policy: Policy | None, caps: Caps, state: str) -> tuple[int, int]:
    """Messages an hour and a day the member may send as things stand."""
    if state in {"suspended", "removed"}:
        return 0, 0
    if state == "throttled" and policy is not None:
        throttle = policy.labels[MAIL_THROTTLED].hourly_cap or caps.hourly
        return min(throttle, caps.hourly), min(throttle * 24, caps.daily)
    return caps.hourly, caps.daily


def _private(judge: Judge, subject: Subject, caps: Caps, now: datetime, active: list[str]) -> dict[str, Any]:
    member = subject.member
    reasons = [{"rule": "operator" if member.active[val].by_operator else member.active[val].actor} for val in active]
    policy = judge.policy
    if policy is None:
        return {"labels": reasons, "findings": [], "headroom": [], "clears": [], "counts": {}, "domains": []}
    findings = find_all(policy, subject.windows, caps, epoch_seconds(now), slate_floor(member))
    clears = [clearance(member, val, findings, policy) for val in _ENFORCEMENT if val in active]
    return {
        "labels": reasons,
        "findings": [finding_record(finding) for finding in findings],
        "headroom": [headroom(finding) for finding in findings],
        "clears": clears,
        "counts": _counts(subject, epoch_seconds(now) - policy.horizon_s),
        "domains": _domains(subject, epoch_seconds(now) - policy.horizon_s),
    }


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


def headroom(finding: Finding) -> dict[str, Any]:
    """How many more of what a rule counts until it fires, other things being equal."""
    rule, measured = finding.rule, finding.measurement
    remaining = 0 if finding.severity is not Severity.NONE else _remaining(rule, measured)
    unit = _UNITS[rule.metric]
    text = f"{remaining} more {unit} until {rule.id} throttles" if remaining else f"{rule.id} has been crossed"
    return {"rule": rule.id, "metric": rule.metric, "remaining": remaining, "text": text}


_UNITS: Final = {
    "invalid-recipient-rate": "recipients that do not exist",
    "complaint-rate": "complaints",
    "hourly-volume": "messages this hour",
    "daily-volume": "messages in this window",
    "domain-spray": "first contacts at domains of their own",
}


def _remaining(rule: Rule, measured: Measurement) -> int:
    """The smallest number of further events that crosses the throttle bar; monotone, so bisected."""
    low, high = 1, _HEADROOM_MAX
    while low < high:
        middle = (low + high) // 2
        if crossed(rule.throttle, _after(rule, measured, middle)):
            high = middle
        else:
            low = middle + 1
    return low


def _after(rule: Rule, measured: Measurement, more: int) -> Measurement:
    """The measurement after `more` further bad events."""
    k = measured.k + more
    if rule.metric.endswith("-volume"):
        return Measurement(k, measured.n, k / measured.n, k)
    n = measured.n + more
    if rule.metric == "domain-spray":
        return Measurement(k, n, k / n, n, 1.0)
    return Measurement(k, n, k / n, k)


def clearance(member: Member, val: str, findings: list[Finding], policy: Policy) -> dict[str, Any]:
    """What lifts a label, in words and as a moment."""
    label = member.active[val]
    record: dict[str, Any] = {"val": val}
    if label.exp is not None:
        record["at"] = format_datetime(label.exp)
    if val == MAIL_REMOVED:
        return record | {"text": "Only an operator can take a removal back; appeal to the labeler."}
    if val == MAIL_SUSPENDED:
        return record | {"text": "An operator reviews it; appeal to the labeler, or write to the postmaster."}
    if label.by_operator:
        return record | {"text": "An operator set it; it ends as dated, or when an operator lifts it."}
    needs = [_needs(finding) for finding in holding(label, findings)]
    if needs:
        return record | {"text": "; ".join(needs)}
    hold = label.since + timedelta(seconds=policy.ladder.min_hold.seconds)
    return record | {
        "text": f"The cause is gone: it ends by itself as dated, or after {format_datetime(hold)} once "
        f"{policy.ladder.exit_min_recipients} further recipients were reached."
    }


def _needs(finding: Finding) -> str:
    """What must happen for one rule's cause to be gone."""
    rule, measured = finding.rule, finding.measurement
    if rule.metric.endswith("-rate"):
        good = math.floor(measured.k / rule.exit_below) + 1 - measured.n
        good += measured.k / (measured.n + good) >= rule.exit_below  # the quotient may have been rounded down
        return f"{good} clean deliveries bring {rule.id} under {rule.exit_below:.2%}"
    if rule.metric.endswith("-volume"):
        return f"sending less than {rule.exit_below:g} times the agreed {measured.n} messages ({rule.window.text})"
    return f"{rule.id} ends when the last {rule.window.text} look ordinary again"
