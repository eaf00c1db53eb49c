"""Measurements against bars: what each rule has to say about one subject. Opinions, not decisions."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple

from labeler.reputation.catalogue import Scale
from labeler.reputation.conditions import measure_condition
from labeler.reputation.intervals import excess, wilson
from labeler.reputation.metrics import EXCUSABLE, METRICS, Measurement, Occasion, Setting, View, whole_bucket
from labeler.reputation.policy import Bar, Clean, Policy, Rule
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

_FAR: Final = 1_000_000
_STEPS: Final = (32, 8, 2)  # recipients more, as many as tell enough
_ROUNDING: Final = 1e-9


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
    is still there (enough events where it is a share, and the estimate not under `exit_below`). `since_s` is where the
    window began.
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


class Check(NamedTuple):
    """A rule as it is asked after every batch: whether it may say anything, and from which estimate on it does."""

    rule: Rule
    possible: Callable[[Rule, SubjectWindows, Setting, int, float], bool]
    fires: float
    ends: float


class Checks(NamedTuple):
    """The rules of a policy by the occasion they are asked on. `busy_from`: the fewest messages a busy rule needs."""

    always: tuple[Check, ...]
    busy: tuple[Check, ...]
    rare: tuple[Check, ...]
    busy_from: int


def checks_of(rules: Iterable[Rule]) -> Checks:
    """Prepare rules for `find_possible`."""
    by_occasion: dict[Occasion, list[Check]] = {occasion: [] for occasion in Occasion}
    for rule in rules:
        entry = float(rule.throttle.min_events) if rule.scale is Scale.COUNT else rule.throttle.above
        metric = METRICS[rule.metric]
        by_occasion[metric.occasion].append(Check(rule, metric.possible, entry, min(entry, rule.exit_below)))
    always, busy, rare = (tuple(by_occasion[occasion]) for occasion in Occasion)
    return Checks(always, busy, rare, min((check.rule.throttle.min_events for check in busy), default=0))


def find_all(
    rules: Iterable[Rule], windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int
) -> list[Finding]:
    """Every rule's finding, in their order."""
    return [find(rule, windows, setting, now_s, floor_s) for rule in rules]


def find_possible(
    checks: Checks, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int, *, holding: bool
) -> list[Finding]:
    """The findings of `find_all` that fire; with `holding` also those that hold. The others cost little.

    What a clean slate cuts short is measured in any case: whether a rule may say anything is asked of whole windows.
    """
    asked = checks.always
    if checks.busy and windows.volume.attempts(now_s // HOUR_S) >= checks.busy_from:
        asked += checks.busy
    if windows.rare:
        asked += checks.rare
    return [
        find(check.rule, windows, setting, now_s, floor_s)
        for check in asked
        if (floor_s and floor_s > now_s - check.rule.window.seconds)
        or check.possible(check.rule, windows, setting, now_s, check.ends if holding else check.fires)
    ]


def room(checks: Checks, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int, hours: int = 0) -> int:
    """How many more messages may be accepted before a rule could fire, within this hour and so many after it.

    If nothing else happens. What mail leaves the windows by then can make no count rise, only a rate. 0 where a window
    may lose mail within the hour, a clean slate cuts it short, or a rate might rise.
    """
    least = checks.busy_from - windows.volume.attempts(now_s // HOUR_S) if checks.busy else _FAR
    for rule, possible, fires, _ in checks.always:
        window_s, metric = rule.window.seconds, METRICS[rule.metric]
        if window_s % HOUR_S or floor_s > now_s - window_s:
            return 0
        if metric.room is not None:
            least = min(least, metric.room(rule, windows, setting, now_s, fires, hours))
        elif (
            hours
            and possible(rule, windows, setting, now_s, fires)
            and not (metric.stays is not None and metric.stays(rule, windows, now_s, fires, hours))
        ):
            return 0
    if windows.rare and any(check.possible(check.rule, windows, setting, now_s, check.fires) for check in checks.rare):
        return 0
    return least


def fresh(policy: Policy, windows: SubjectWindows, since: datetime, now_s: int) -> int:
    """Recipients whose existence became known since a throttle began, as far back as any rule looks."""
    since_s = max(int(since.timestamp()), now_s - policy.horizon_s)
    return windows.reached.count(whole_bucket(since_s, HOUR_S))


def is_clean(policy: Policy, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int) -> bool:
    """Whether there is enough evidence, all of it good, to say so."""
    clean = policy.clean
    if windows.reached.size < clean.min_recipients:
        return False
    since_s = max(now_s - clean.window.seconds, floor_s)
    measured = METRICS[clean.metric].measure(View(windows, since_s, now_s, setting))
    enough = measured.n - measured.k >= clean.min_recipients
    return enough and wilson(measured.k, measured.n, clean.confidence)[1] < clean.below


def until_clean(policy: Policy, windows: SubjectWindows, setting: Setting, now_s: int, floor_s: int, hours: int) -> int:
    """How many more recipients may be reached before it could be said, within this hour and so many after it.

    If nothing else happens: at best all of them are new, and of those that failed only the latest are left by then.
    """
    clean = policy.clean
    if clean.metric != EXCUSABLE or not (windows.reached.exact and windows.invalid.exact):
        return 0
    if windows.reached.size < clean.min_recipients:
        return 0
    since_s, measure = max(now_s - clean.window.seconds, floor_s), METRICS[clean.metric].measure
    n = measure(View(windows, since_s, now_s, setting)).n
    k = measure(View(windows, since_s + hours * HOUR_S, now_s, setting)).k
    return next((more for more in _STEPS if not _could_be(clean, k, max(k, n + more))), 0)


def _could_be(clean: Clean, k: int, n: int) -> bool:
    return n - k >= clean.min_recipients and wilson(k, n, clean.confidence)[1] < clean.below + _ROUNDING
