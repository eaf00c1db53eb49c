"""Measurements against bars: what each rule has to say about one subject. Opinions, not decisions."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from labeler.reputation.catalogue import Scale
from labeler.reputation.conditions import measure_condition
from labeler.reputation.intervals import excess, wilson
from labeler.reputation.metrics import METRICS, Measurement, Setting, View
from labeler.reputation.policy import Bar, Policy, Rule
from labeler.reputation.windows import SubjectWindows


class Severity(IntEnum):
    """How far a rule was crossed."""

    NONE = 0
    THROTTLE = 1
    SUSPEND = 2


class Met(NamedTuple):
    """One condition of a bar: what it asks at least, what was measured, and whether that is enough."""

    name: str
    least: float
    value: float
    enough: bool


class Finding(NamedTuple):
    """One rule's result with every number behind it.

    `bar` is the one crossed, or the throttle bar when none was. `holds`: if this rule led to an intervention, its cause
    is still there (enough events where it is a share, and the estimate not under `exit_below`). `since_s` is where the window began.
    """

    rule: Rule
    measurement: Measurement
    severity: Severity
    bar: Bar
    holds: bool
    since_s: int = 0
    conditions: tuple[Met, ...] = ()

    @property
    def compared(self) -> float:
        """What was held against the bar."""
        return bound(self.rule.scale, self.bar, self.measurement)


def bound(scale: Scale, bar: Bar, measured: Measurement) -> float:
    """What a bar compares: the lower end of the interval of a rate or an excess, the estimate otherwise."""
    if bar.confidence is None:
        return measured.estimate
    if scale is Scale.EXCESS:
        pool_k, pool_n = measured.against or (0, 0)
        return excess(measured.k, measured.n, int(pool_k), int(pool_n), bar.confidence)
    return wilson(measured.k, measured.n, bar.confidence)[0]


def crossed(rule: Rule, bar: Bar, measured: Measurement) -> bool:
    """Whether a measurement crosses a bar, its conditions aside. (No bound lies above its estimate.)"""
    return (
        measured.weight >= bar.min_events
        and measured.estimate > bar.above
        and (bar.confidence is None or bound(rule.scale, bar, measured) > bar.above)
    )


def _conditions(rule: Rule, bar: Bar, view: View, measured: Measurement) -> tuple[Met, ...]:
    """Measure a bar's conditions, the cheapest first, up to the first that is not met."""
    met = []
    for name, least in bar.conditions:
        value, enough = measure_condition(name, rule, view, measured, least)
        met.append(Met(name, least, value, enough))
        if not enough:
            break
    return tuple(met)


def find(rule: Rule, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int) -> Finding:
    """Measure one rule at `now_s`; nothing before `floor_s` counts (a human gave a clean slate then)."""
    since_s = max(now_s - rule.window.seconds, floor_s)
    view = View(windows, since_s, now_s, setting)
    measured = METRICS[rule.metric].measure(view)
    weighs = rule.scale is Scale.COUNT or measured.weight >= rule.throttle.min_events
    holds = weighs and measured.estimate >= rule.exit_below
    found = Finding(rule, measured, Severity.NONE, rule.throttle, holds, since_s)
    for severity, bar in zip((Severity.THROTTLE, Severity.SUSPEND), rule.bars, strict=False):
        if not crossed(rule, bar, measured):
            break  # nor is the suspend bar then: a sound policy puts it no lower
        met = _conditions(rule, bar, view, measured)
        if not all(condition.enough for condition in met):
            return found._replace(conditions=found.conditions or met)
        found = Finding(rule, measured, severity, bar, holds, since_s, met)
    return found


def find_all(
    rules: Iterable[Rule], windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int
) -> list[Finding]:
    """Every rule's finding, in their order."""
    return [find(rule, windows, setting, now_s, floor_s) for rule in rules]


def find_possible(
    rules: Iterable[Rule], windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int
) -> list[Finding]:
    """The findings of `find_all` that can fire or hold at all; the others have too few events to weigh anything."""
    return [
        find(rule, windows, setting, now_s, floor_s)
        for rule in rules
        if METRICS[rule.metric].possible(rule, windows, setting)
    ]


def is_clean(policy: Policy, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int) -> bool:
    """Whether there is enough evidence, all of it good, to say so."""
    clean = policy.clean
    if windows.reached.size < clean.min_recipients:
        return False
    since_s = max(now_s - clean.window.seconds, floor_s)
    measured = METRICS[clean.metric].measure(View(windows, since_s, now_s, setting))
    enough = measured.n - measured.k >= clean.min_recipients
    return enough and wilson(measured.k, measured.n, clean.confidence)[1] < clean.below
