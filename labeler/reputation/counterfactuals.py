"""The rules turned round: how far a member is from the next one, and what clears a label.

Read-only: measuring again changes nothing. What is foretold is meant as a promise, and the simulator holds us to it:
the deliveries it names, to further recipients and not before the hold ends, lift the label; and without any mail at all
it is gone by the moment it names.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.reputation.catalogue import CATALOGUE, Scale
from labeler.reputation.decisions import ActiveLabel, Member, holding, renewal
from labeler.reputation.definitions import MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.findings import Finding, Severity, crossed, find
from labeler.reputation.intervals import surprise
from labeler.reputation.metrics import Measurement, Setting, whole_bucket
from labeler.reputation.policy import Policy, Rule
from labeler.reputation.subject import epoch
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

_FAR: Final = 10_000  # further off than this is "plenty"


def headroom(finding: Finding) -> dict[str, Any]:
    """How many more of what a rule counts until it may fire: other things equal, and every condition met."""
    rule = finding.rule
    remaining = 0 if finding.severity is not Severity.NONE else _remaining(rule, finding.measurement)
    unit = CATALOGUE[rule.metric].unit
    text = f"{remaining} more {unit} until {rule.id} throttles" if remaining else f"{rule.id} has been crossed"
    if remaining == 0 and finding.severity is Severity.NONE:
        text = f"only its conditions keep {rule.id} from firing"
    return {"rule": rule.id, "metric": rule.metric, "remaining": remaining, "text": text}


def _remaining(rule: Rule, measured: Measurement) -> int:
    """The smallest number of further events that crosses the throttle bar; monotone, so bisected."""
    low, high = 0, _FAR
    while low < high:
        middle = (low + high) // 2
        if crossed(rule, rule.throttle, _after(rule, measured, middle)):
            high = middle
        else:
            low = middle + 1
    return low


def _after(rule: Rule, measured: Measurement, more: int) -> Measurement:
    """The measurement after `more` further bad events."""
    k = measured.k + more
    if rule.scale is Scale.MULTIPLE:
        return measured._replace(k=k, estimate=k / measured.n, weight=k)
    if rule.scale is Scale.COUNT:
        return measured._replace(k=k, estimate=float(k), weight=k)
    if rule.scale is Scale.SURPRISE:
        mean, variance = measured.against or (0.0, 0.0)
        return measured._replace(k=k, estimate=surprise(k, mean, variance), weight=k)
    n = measured.n + more
    share = k / n if n else 0.0
    if rule.scale is Scale.SHARE:
        return measured._replace(k=k, n=n, estimate=share, weight=n)
    if rule.scale is Scale.EXCESS:
        pool_k, pool_n = measured.against or (0.0, 0.0)
        return measured._replace(k=k, n=n, estimate=share - (pool_k / pool_n if pool_n else share), weight=k)
    return measured._replace(k=k, n=n, estimate=share, weight=k)


def clearance(
    member: Member,
    val: str,
    findings: list[Finding],
    policy: Policy,
    windows: SubjectWindows,
    setting: Setting,
    now: datetime,
) -> dict[str, Any]:
    """What lifts a label: in words, after how many further good deliveries, not before and at the latest when."""
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
    hold = label.since + timedelta(seconds=policy.ladder.min_hold.seconds)
    kept = holding(label, findings)
    since = whole_bucket(max(epoch(label.since), epoch(now) - policy.horizon_s), HOUR_S)
    missing = max(0, policy.ladder.exit_min_recipients - windows.reached.count(since))
    record |= {"notBefore": format_datetime(hold), "rules": [finding.rule.id for finding in kept]}
    quiet = _silent_end(label, kept, policy, windows, setting, now)
    if quiet is not None:
        record["at"] = format_datetime(quiet)
    good = [_good_needed(finding) for finding in kept]
    needs = [_needs(finding) for finding in kept]
    if None not in good:  # nothing in the way that only time clears
        record["deliveries"] = max([missing, *(number for number in good if number is not None)])
        needs.append(
            f"{record['deliveries']} good deliveries to further recipients lift it, from {record['notBefore']} on"
        )
    needs.append(f"without any mail it ends {record['at']}")
    return record | {"text": "; ".join(needs) + "."}


def _good_needed(finding: Finding) -> int | None:
    """How many good deliveries bring a rule under its exit; None where deliveries do not help."""
    rule, measured = finding.rule, finding.measurement
    if rule.scale is not Scale.RATE:
        return None
    good = max(0, math.floor(measured.k / rule.exit_below) + 1 - measured.n)
    return good + (measured.k / (measured.n + good) >= rule.exit_below)  # the quotient may have been rounded down


def _needs(finding: Finding) -> str:
    """What must happen for one rule's cause to be gone."""
    rule, measured = finding.rule, finding.measurement
    good = _good_needed(finding)
    if good is not None:
        return f"{good} good deliveries bring {rule.id} under {rule.exit_below:.2%}"
    if rule.scale is Scale.MULTIPLE:
        return f"{rule.id} ends under {rule.exit_below:g} times the agreed {measured.n} messages ({rule.window.text})"
    if CATALOGUE[rule.metric].asked:
        return f"{rule.id} ends when the report is answered"
    return f"{rule.id} ends when the last {rule.window.text} look ordinary again"


def _silent_end(
    label: ActiveLabel,
    kept: list[Finding],
    policy: Policy,
    windows: SubjectWindows,
    setting: Setting,
    now: datetime,
) -> datetime | None:
    """When the label ends if no mail is sent: renewed while its cause holds, then it runs out. None while an answer is
    owed: that ends with no window.
    """
    issued, exp = label.issued, label.exp
    if exp is None or any(CATALOGUE[finding.rule.metric].asked for finding in kept):
        return None
    current = label
    last = now + timedelta(seconds=policy.horizon_s)  # by then every window is empty
    while exp <= last and (due := renewal(MAIL_THROTTLED, current, policy)) is not None:
        at_s = max(epoch(due), epoch(now))
        later = (find(finding.rule, windows, setting, at_s, _floor(finding, now)) for finding in kept)
        if not holding(label, later):
            return exp
        moment = datetime.fromtimestamp(at_s, UTC) if due < now else due
        exp, issued = moment + (exp - issued), moment
        current = ActiveLabel(label.since, issued, exp, label.actor, label.by_operator, label.causes)
    return exp


def _floor(finding: Finding, now: datetime) -> int:
    """The clean slate a finding was measured with, if it cut its window short; else none."""
    whole = epoch(now) - finding.rule.window.seconds
    return finding.since_s if finding.since_s > whole else 0
