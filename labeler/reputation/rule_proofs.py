"""What every rule must promise, proved from its numbers for all histories, amounts of mail, caps and pools at once."""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from labeler.reputation.boundaries import ANY, fewest, gap, unreachable
from labeler.reputation.catalogue import CATALOGUE, INTERVALS, Scale
from labeler.reputation.policy import Abuse, Bar, Rule, Span

SINGLE: Final = "no single event throttles or suspends"
EXIT: Final = "exit lies under entry"
ORDER: Final = "throttle before suspend"
REACH: Final = "every bar can be reached"
SHADOW: Final = "no rule shadows another"
FAMILY: Final = "no problem counts twice"
SOURCE: Final = "every threshold has a source"

_GROWING: Final = frozenset({Scale.COUNT, Scale.MULTIPLE})  # a longer window never counts less of these
_GROWING_CONDITIONS: Final = frozenset({"min_distinct"})


class Proof(NamedTuple):
    """One claim about one place of a policy: whether it holds, and why; if it does not, how to mend it."""

    claim: str
    holds: bool
    place: str
    why: str


def prove_rules(rules: list[Rule], abuse: Abuse) -> Iterator[Proof]:
    """Prove what concerns one rule, or two."""
    places = [(rule, f"rules[{index}]") for index, rule in enumerate(rules)]
    for rule, where in places:
        yield from _single(rule, where)
    for rule, where in places:
        yield _exit(rule, f"{where}.exit_below")
    for rule, where in places:
        if rule.suspend is not None:
            yield _order(rule, rule.suspend, f"{where}.suspend")
    yield from _reach(places, abuse)
    yield from _shadows(rules)
    yield from _families(rules)
    yield from _sources(places)


def _bars(rule: Rule) -> list[tuple[str, Bar]]:
    return list(zip(("throttle", "suspend"), rule.bars, strict=False))


def _single(rule: Rule, where: str) -> Iterator[Proof]:
    """Nothing weighs more than one after one event, so a bar that takes two cannot be crossed by it."""
    terms = CATALOGUE[rule.metric]
    volume = terms.scale is Scale.MULTIPLE
    steps, fine = [], True
    for key, bar in _bars(rule):
        least, verb = fewest(rule.metric, bar), f"{key}s"
        if least < 2 and not terms.asked:
            fine = False
            at_cap = " at a cap of 1" if volume else ""
            why = f"{rule.id} {verb} after a single event{at_cap}; set min_events to 2 or more"
            yield Proof(SINGLE, False, f"{where}.{key}.min_events", why)
        steps.append(f"never {verb}" if least >= ANY else f"{verb} from {least} on")
    if fine:
        by = ""
        if terms.asked:
            by = "; a person stands behind each"
        elif volume:
            by = " at a cap of 1, and from no fewer at any other"
        yield Proof(SINGLE, True, where, f"{rule.id} {' and '.join(steps)} ({terms.counts}){by}")


def _exit(rule: Rule, place: str) -> Proof:
    """The highest that ends a throttle must lie under the lowest that begins one."""
    above, below = rule.throttle.above, rule.exit_below
    if rule.scale is Scale.COUNT:
        lifted, begun = math.ceil(below) - 1, max(math.floor(above) + 1, rule.throttle.min_events)
        if lifted < begun:
            return Proof(EXIT, True, place, f"{rule.id} begins at {begun} and can end at {lifted}")
        why = f"{rule.id} begins at {begun} and could end at {lifted}; set exit_below to {begun} or less"
        return Proof(EXIT, False, place, why)
    if below < above:
        by = ", and no lower end of an interval lies above its estimate" if rule.scale in INTERVALS else ""
        return Proof(EXIT, True, place, f"{rule.id} begins above {above:g} and can end under {below:g}{by}")
    why = f"{rule.id} begins above {above:g} and could end under {below:g}; set exit_below under {above:g}"
    return Proof(EXIT, False, place, why)


def _order(rule: Rule, suspend: Bar, where: str) -> Proof:
    """What crosses the strict bar must cross the other."""
    found, throttle = gap(rule.metric, suspend, rule.throttle), rule.throttle
    if found is None:
        bars = f"suspend (above {suspend.above:g}) crosses throttle (above {throttle.above:g})"
        return Proof(ORDER, True, where, f"{rule.id}: whatever crosses {bars}")
    if unreachable(rule.metric, throttle):
        fix = f"set throttle.{found.key} lower"
    else:
        value = getattr(throttle, found.key)
        fix = f"set suspend.{found.key} to {'' if found.key == 'elsewhere' else 'at least '}{_written(value)}"
    why = f"{rule.id} could suspend where it does not throttle ({found.case}); {fix}"
    return Proof(ORDER, False, f"{where}.{found.key}", why)


def _written(value: object) -> str:
    return value.text if isinstance(value, Span) else f"{value:g}" if isinstance(value, float) else str(value)


def _reach(places: list[tuple[Rule, str]], abuse: Abuse) -> Iterator[Proof]:
    """Name every bar that nothing can cross: it protects nobody."""
    found = False
    for rule, where in places:
        for key, bar in _bars(rule):
            name = unreachable(rule.metric, bar)
            if name:
                found = True
                why = f"{rule.id}: nothing can ever reach {key}.{name}; set it lower"
                yield Proof(REACH, False, f"{where}.{key}.{name}", why)
        if CATALOGUE[rule.metric].asked and rule.window.seconds <= abuse.answer_within.seconds:
            found = True
            within = abuse.answer_within.text
            why = f"{rule.id} looks back {rule.window.text}, and an answer may take {within}; set window above {within}"
            yield Proof(REACH, False, f"{where}.window", why)
    if not found:
        yield Proof(REACH, True, "rules", f"there is mail that crosses each bar of {len(places)} rules")


def _shadows(rules: list[Rule]) -> Iterator[Proof]:
    """Name every rule that can never change what another decides already."""
    found = False
    for index, rule in enumerate(rules):
        for other_index, other in enumerate(rules):
            if index != other_index and _shadowed(rule, other) and (index > other_index or not _shadowed(other, rule)):
                found = True
                why = f"{rule.id} never decides anything that {other.id} does not; remove it, or set its bars lower"
                yield Proof(SHADOW, False, f"rules[{index}].id", why)
                break
    if not found:
        why = f"none of {len(rules)} rules fires and lasts only where another of its metric does"
        yield Proof(SHADOW, True, "rules", why)


def _shadowed(rule: Rule, other: Rule) -> bool:
    """Whether `other` fires as severely wherever `rule` does, and holds at least as long."""
    if rule.metric != other.metric or rule.mode is not other.mode:  # a rule in shadow is there to be compared
        return False
    if rule.window.seconds != other.window.seconds:
        asked = {name for bar in other.bars for name, _ in bar.conditions}
        nested = rule.scale in _GROWING and asked <= _GROWING_CONDITIONS
        if not nested or rule.window.seconds > other.window.seconds:
            return False
    fewer = rule.scale is not Scale.COUNT and other.throttle.min_events > rule.throttle.min_events
    if fewer or other.exit_below > rule.exit_below:  # what is fewer, or lower, keeps a throttle longer
        return False
    if gap(rule.metric, rule.throttle, other.throttle) is not None:
        return False
    return rule.suspend is None or (other.suspend is not None and gap(rule.metric, rule.suspend, other.suspend) is None)


def _families(rules: list[Rule]) -> Iterator[Proof]:
    """Findings of different families add up to a suspension, so one number must not be found in two."""
    first: dict[str, Rule] = {}
    found = False
    for index, rule in enumerate(rules):
        known = first.setdefault(rule.metric, rule)
        if known.family != rule.family:
            found = True
            why = f"{rule.id} and {known.id} both measure {rule.metric}; put {rule.id} into the family {known.family!r}"
            yield Proof(FAMILY, False, f"rules[{index}].family", why)
    if not found:
        families = len({rule.family for rule in rules})
        yield Proof(FAMILY, True, "rules", f"{len(first)} metrics in {families} families, none in two")


def _sources(places: list[tuple[Rule, str]]) -> Iterator[Proof]:
    """Name every rule that does not say where its numbers come from."""
    missing = [(rule, where) for rule, where in places if not rule.source.strip()]
    for rule, where in missing:
        why = f"{rule.id} does not say where its numbers come from; add source"
        yield Proof(SOURCE, False, f"{where}.source", why)
    if not missing:
        yield Proof(SOURCE, True, "rules", f"all {len(places)} rules say where their numbers come from")
