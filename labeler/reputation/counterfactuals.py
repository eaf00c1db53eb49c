"""The rules turned round: how far a member is from the next one, and what clears a label.

Read-only: measuring again changes nothing. What is foretold is meant as a promise, and the simulator holds us to it:
the deliveries it names, to further recipients, lift the label once the hold is over; and without any mail at all it is
gone at the moment it names.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from labeler.atproto.syntax import format_datetime
from labeler.reputation.catalogue import CATALOGUE, Scale
from labeler.reputation.decisions import ActiveLabel, Member, counting, holding, renewal, suspends, tempered
from labeler.reputation.definitions import MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.findings import Finding, Severity, crossed, find_all, fresh
from labeler.reputation.intervals import surprise
from labeler.reputation.metrics import Measurement, Setting, whole_bucket
from labeler.reputation.policy import Mode, Policy, Rule
from labeler.reputation.subject import epoch, slate_floor
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

_FAR: Final = 10_000  # further off than this is "plenty"
_HOUR: Final = timedelta(hours=1)
_FORESEEN: Final = timedelta(days=7)  # how far a promise looks where no end is in sight
_KNOWN: Final = {  # the windows that rates are out of, where good deliveries help
    "invalid-recipient-rate": "reached",
    "complaint-rate": "delivered",
    "trap-rate": "addressed",
}


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
    if label.by_operator or label.exp is None:
        return record | {"text": "An operator set it; it ends as dated, or when an operator lifts it."}
    if policy.mode is Mode.SHADOW:
        return record | {"text": "The policy is in shadow: what was set before ends as dated."}
    enforced = [finding for finding in findings if finding.rule.mode is Mode.ENFORCE]
    rules = tuple(finding.rule for finding in enforced)
    throttle = _Throttle(member, label, label.exp, rules, policy, windows, setting)
    return {"val": val} | throttle.clearance(enforced, now)


class _Throttle(NamedTuple):
    """A throttle that rules set, and all that decides how long it stays."""

    member: Member
    label: ActiveLabel
    exp: datetime
    rules: tuple[Rule, ...]
    policy: Policy
    windows: SubjectWindows
    setting: Setting

    @property
    def hold(self) -> datetime:
        """When it may be lifted at the earliest."""
        return self.label.since + timedelta(seconds=self.policy.ladder.min_hold.seconds)

    def clearance(self, findings: list[Finding], now: datetime) -> dict[str, Any]:
        """What `findings`, of `now`, and those at the end of the hold come to."""
        moment = max(now, self.hold)
        kept, later = holding(self.label, findings), self._kept_despite_deliveries(moment, self.rules)
        end = None if self._suspends(findings, now, self.label) else self._silent_end(now)
        record: dict[str, Any] = {
            "notBefore": format_datetime(self.hold),
            "rules": [finding.rule.id for finding in kept],
        }
        needs = [_needs(finding, later, moment, self.windows) for finding in _joined(kept, later)]
        number, made = self._deliveries(moment)
        if number is not None:
            latest = self._latest(number, made, end or now + _FORESEEN)
            record["deliveries"] = number
            if number and latest is not None:
                record["deliverBy"] = format_datetime(latest)
            needs.append(self._by_deliveries(record, now))
        if end is not None:
            record["at"] = format_datetime(end)
            needs.append(f"without any mail it ends {record['at']}")
        else:
            needs.append("without any mail a suspension may follow")
        return record | {"text": "; ".join(needs) + "."}

    def _kept_despite_deliveries(self, at: datetime, rules: tuple[Rule, ...]) -> list[Finding]:
        """What keeps it at `at` if deliveries come in: from the first on, rates are out of those reached."""
        found = find_all(rules, self.windows, self.setting, epoch(at), slate_floor(self.member))
        kept = holding(self.label, found)
        if self.windows.delivered.size:
            return kept
        shifting = (finding for finding in found if _KNOWN.get(finding.rule.metric) in {"reached", "delivered"})
        enough = (finding for finding in shifting if finding.measurement.weight >= finding.rule.throttle.min_events)
        return _joined(kept, list(enough))

    def _needed(self, at: datetime, rules: tuple[Rule, ...]) -> int | None:
        """How many of them end it at `at`, if none came before; None where something is in the way that time clears."""
        good = [_good_needed(finding, self.windows) for finding in self._kept_despite_deliveries(at, rules)]
        missing = self.policy.ladder.exit_min_recipients - self._fresh(at)
        return None if None in good else max([0, missing, *(number for number in good if number is not None)])

    @property
    def _rates(self) -> tuple[Rule, ...]:
        """The rules that can ask for more good mail later than now: time alone makes every other one weaker."""
        return tuple(rule for rule in self.rules if rule.metric in _KNOWN)

    def _deliveries(self, moment: datetime) -> tuple[int | None, datetime]:
        """How many end it if they are sent from `moment` on as fast as a throttled member may, and until when that is.

        Meanwhile good mail leaves the window, and more may be needed than at first.
        """
        hourly, rates = self.policy.labels[MAIL_THROTTLED].hourly_cap or 1, self._rates
        number, at = self._needed(moment, self.rules), moment
        while number is not None and at < moment + _HOUR * (number / hourly):
            at += _HOUR
            needed = self._needed(at, rates)
            number = None if needed is None else max(number, needed)
        return number, at

    def _latest(self, number: int, made: datetime, end: datetime) -> datetime | None:
        """Until when so many are enough, after `made`; None where they are up to `end`."""
        at, rates = made, self._rates
        while at < end:
            needed = self._needed(at, rates)
            if needed is None or needed > number:
                return at - _HOUR
            at += _HOUR
        return None

    def _by_deliveries(self, record: dict[str, Any], now: datetime) -> str:
        """Say from when on deliveries count: windows are made of whole hours, and those of the first prove nothing."""
        first = datetime.fromtimestamp(whole_bucket(epoch(self.label.since), HOUR_S) * HOUR_S, UTC)
        begin = f", sent from {format_datetime(first)} on," if now < first else ""
        end = f" at {format_datetime(self.hold)}" if now < self.hold else ""
        latest = f" if they are made by {record['deliverBy']}" if "deliverBy" in record else ""
        return f"{record['deliveries']} good deliveries to further recipients{begin} lift it{end}{latest}"

    def _silent_end(self, now: datetime) -> datetime | None:
        """When it ends if no mail is sent: renewed while its cause holds, then lifted or run out. None if it would
        become a suspension first, as rates may rise when good mail leaves a window.
        """
        label, exp, after = self.label, self.exp, now
        while (at := min(moment for moment in self._turns(label, exp) if moment > after)) < exp:
            found, after = self._found(at), at
            kept, due = holding(label, tempered(label, found)), renewal(MAIL_THROTTLED, label, self.policy)
            if self._suspends(found, at, label):
                return None
            if kept and due is not None and due <= at:
                exp = at + (exp - label.issued)
                label = ActiveLabel(label.since, at, exp, label.actor, label.by_operator)
                label.issue(kept, at, exp)
            elif not kept and at >= self.hold and self._fresh(at) >= self.policy.ladder.exit_min_recipients:
                return at
        return exp

    def _turns(self, label: ActiveLabel, exp: datetime) -> list[datetime]:
        """The moments at which the fold looks again by itself (see `timers`)."""
        due, reports = renewal(MAIL_THROTTLED, label, self.policy), self.windows.reports
        moments = [exp, self.hold] if due is None else [exp, self.hold, due]
        deadlines = reports.deadlines(self.policy.abuse.answer_within.seconds) if reports is not None else []
        return moments + [datetime.fromtimestamp(deadline, UTC) for deadline in deadlines]

    def _found(self, at: datetime) -> list[Finding]:
        return find_all(self.rules, self.windows, self.setting, epoch(at), slate_floor(self.member))

    def _fresh(self, at: datetime) -> int:
        return fresh(self.policy, self.windows, self.label.since, epoch(at))

    def _suspends(self, findings: list[Finding], at: datetime, label: ActiveLabel) -> bool:
        return suspends(counting(findings, label), self.policy) and self.member.blocked.get(MAIL_SUSPENDED, at) <= at


def _joined(kept: list[Finding], later: list[Finding]) -> list[Finding]:
    """What keeps the label now, and what will besides."""
    known = {finding.rule.id for finding in kept}
    return kept + [finding for finding in later if finding.rule.id not in known]


def _good_needed(finding: Finding, windows: SubjectWindows) -> int | None:
    """How many good deliveries to further recipients bring a rule under its exit; None where they do not help."""
    rule, measured = finding.rule, finding.measurement
    if rule.metric not in _KNOWN:
        return None
    known: int = getattr(windows, _KNOWN[rule.metric]).count(finding.since_s // HOUR_S) - measured.excused
    good = max(0, math.floor(measured.k / rule.exit_below) + 1 - known)
    return good + (measured.k / (known + good) >= rule.exit_below)  # the quotient may have been rounded down


def _needs(finding: Finding, later: list[Finding], moment: datetime, windows: SubjectWindows) -> str:
    """What must happen for one rule's cause to be gone; `later` is what would still keep the label at `moment`."""
    rule = finding.rule
    still = next((other for other in later if other.rule.id == rule.id), None)
    good = _good_needed(still, windows) if still is not None else None
    if good is not None:
        return f"{good} good deliveries bring {rule.id} under {rule.exit_below:.2%}"
    if CATALOGUE[rule.metric].asked:
        return f"{rule.id} ends when the report is answered"
    if rule.scale is Scale.MULTIPLE:
        agreed = finding.measurement.n
        return f"{rule.id} ends under {rule.exit_below:g} times the agreed {agreed} messages ({rule.window.text})"
    if still is None:
        return f"{rule.id} ends by {format_datetime(moment)} if nothing is added"
    return f"{rule.id} ends when the last {rule.window.text} look ordinary again"
