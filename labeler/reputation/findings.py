"""Measurements against bars: what each rule has to say about one subject. Opinions, not decisions."""

from enum import IntEnum
from typing import NamedTuple

from labeler.reputation.metrics import METRIC_FUNCTIONS, Measurement, View, wilson
from labeler.reputation.policy import Bar, Caps, Policy, Rule
from labeler.reputation.windows import SubjectWindows


class Severity(IntEnum):
    """How far a rule was crossed."""

    NONE = 0
    THROTTLE = 1
    SUSPEND = 2


class Finding(NamedTuple):
    """One rule's result with every number behind it.

    `holds`: the cause of an intervention is still there (enough events, and the estimate not under `exit_below`). `lower` is
    the bound that was compared (equal to the estimate for metrics that are not rates).
    """

    rule: Rule
    measurement: Measurement
    severity: Severity
    lower: float
    threshold: float
    confidence: float | None
    holds: bool


def crossed(bar: Bar, measured: Measurement) -> tuple[bool, float]:
    """Whether a bar is crossed, and the bound that was compared with it."""
    if bar.confidence is None:
        bound = measured.estimate
    else:
        bound = wilson(measured.k, measured.n, bar.confidence)[0]
    fired = measured.weight >= bar.min_events and bound > bar.above
    if fired and bar.min_first_contact is not None:
        fired = measured.first_contact is not None and measured.first_contact > bar.min_first_contact
    return fired, bound


def find(rule: Rule, windows: SubjectWindows, caps: Caps, now_s: int, floor_s: int) -> Finding:
    """Measure one rule at `now_s`; nothing before `floor_s` counts (a human gave a clean slate then)."""
    since_s = max(now_s - rule.window.seconds, floor_s)
    measured = METRIC_FUNCTIONS[rule.metric](View(windows, since_s, now_s, caps))
    holds = measured.weight >= rule.throttle.min_events and measured.estimate >= rule.exit_below
    if rule.suspend is not None:
        fired, bound = crossed(rule.suspend, measured)
        if fired:
            return Finding(
                rule, measured, Severity.SUSPEND, bound, rule.suspend.above, rule.suspend.confidence, holds
            )
    fired, bound = crossed(rule.throttle, measured)
    severity = Severity.THROTTLE if fired else Severity.NONE
    return Finding(rule, measured, severity, bound, rule.throttle.above, rule.throttle.confidence, holds)


def find_all(policy: Policy, windows: SubjectWindows, caps: Caps, now_s: int, floor_s: int) -> list[Finding]:
    """Every rule's finding, in the order of the policy."""
    return [find(rule, windows, caps, now_s, floor_s) for rule in policy.rules]


def is_clean(policy: Policy, windows: SubjectWindows, now_s: int, floor_s: int) -> bool:
    """Whether there is enough evidence, all of it good, to say so."""
    clean = policy.clean
    since_s = max(now_s - clean.window.seconds, floor_s)
    measured = METRIC_FUNCTIONS[clean.metric](View(windows, since_s, now_s, policy.caps))
    enough = measured.n - measured.k >= clean.min_recipients
    return enough and wilson(measured.k, measured.n, clean.confidence)[1] < clean.below
