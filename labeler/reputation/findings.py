"""Measurements against bars: what each rule has to say about one subject. Opinions, not decisions."""

from enum import IntEnum
from typing import NamedTuple

from labeler.reputation.metrics import METRICS, Measurement, View, wilson, with_first_contact
from labeler.reputation.policy import Bar, Caps, Policy, Rule
from labeler.reputation.windows import SubjectWindows


class Severity(IntEnum):
    """How far a rule was crossed."""

    NONE = 0
    THROTTLE = 1
    SUSPEND = 2


class Finding(NamedTuple):
    """One rule's result with every number behind it.

    `bar` is the one crossed, or the throttle bar when none was. `holds`: if this rule led to an intervention, its cause
    is still there (enough events, and the estimate not under `exit_below`).
    """

    rule: Rule
    measurement: Measurement
    severity: Severity
    bar: Bar
    holds: bool

    @property
    def compared(self) -> float:
        """What was held against the bar."""
        return bound(self.bar, self.measurement)


def bound(bar: Bar, measured: Measurement) -> float:
    """What a bar compares: the lower end of the interval of a rate, the estimate otherwise."""
    return measured.estimate if bar.confidence is None else wilson(measured.k, measured.n, bar.confidence)[0]


def crossed(bar: Bar, measured: Measurement) -> bool:
    """Whether a measurement crosses a bar."""
    if not _may_cross(bar, measured):
        return False
    if bar.min_first_contact is not None and (measured.first_contact or 0.0) <= bar.min_first_contact:
        return False
    return bound(bar, measured) > bar.above


def _may_cross(bar: Bar, measured: Measurement) -> bool:
    """What can be told without a bound: none lies above its estimate."""
    return measured.weight >= bar.min_events and measured.estimate > bar.above


def find(rule: Rule, windows: SubjectWindows, caps: Caps, now_s: int, floor_s: int) -> Finding:
    """Measure one rule at `now_s`; nothing before `floor_s` counts (a human gave a clean slate then)."""
    since_s = max(now_s - rule.window.seconds, floor_s)
    view = View(windows, since_s, caps)
    measured = METRICS[rule.metric].measure(view)
    if rule.asks_first_contact and _may_cross(rule.throttle, measured):
        measured = with_first_contact(measured, view)
    holds = measured.weight >= rule.throttle.min_events and measured.estimate >= rule.exit_below
    if not crossed(rule.throttle, measured):  # nor is the suspend bar then: a policy puts it no lower
        return Finding(rule, measured, Severity.NONE, rule.throttle, holds)
    if rule.suspend is not None and crossed(rule.suspend, measured):
        return Finding(rule, measured, Severity.SUSPEND, rule.suspend, holds)
    return Finding(rule, measured, Severity.THROTTLE, rule.throttle, holds)


def find_all(policy: Policy, windows: SubjectWindows, caps: Caps, now_s: int, floor_s: int) -> list[Finding]:
    """Every rule's finding, in the order of the policy."""
    return [find(rule, windows, caps, now_s, floor_s) for rule in policy.rules]


def find_possible(policy: Policy, windows: SubjectWindows, caps: Caps, now_s: int, floor_s: int) -> list[Finding]:
    """The findings of `find_all` that can fire or hold at all; the others have too few events to weigh anything."""
    return [
        find(rule, windows, caps, now_s, floor_s)
        for rule in policy.rules
        if METRICS[rule.metric].possible(rule, windows, caps)
    ]


def is_clean(policy: Policy, windows: SubjectWindows, now_s: int, floor_s: int) -> bool:
    """Whether there is enough evidence, all of it good, to say so."""
    clean = policy.clean
    if len(windows.reached.last) < clean.min_recipients:
        return False
    since_s = max(now_s - clean.window.seconds, floor_s)
    measured = METRICS[clean.metric].measure(View(windows, since_s, policy.caps))
    enough = measured.n - measured.k >= clean.min_recipients
    return enough and wilson(measured.k, measured.n, clean.confidence)[1] < clean.below
