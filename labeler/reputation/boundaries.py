"""Where a bar lies, exactly: the fewest events that cross it, the most mail among which they still do, and whether
whatever crosses one bar crosses another.

No measurement is sampled. All answers follow from what is monotone: the lower end of a score interval rises with k,
falls with n and with the confidence, and is highest where everything failed; a multiple is highest at a cap of one; a
difference from the pool is at most the interval's own lower end. What crosses a rate's bar is, by the score test behind
Wilson's interval, k − np > z√(np(1 − p)), that is √n < 2k / (a + √(a² + 4pk)) with a = z√(p(1 − p)).
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from statistics import NormalDist
from typing import Final, NamedTuple

from labeler.reputation.catalogue import CATALOGUE, INTERVALS, Scale
from labeler.reputation.intervals import wilson
from labeler.reputation.policy import Bar
from labeler.reputation.volume import BASELINE_HOURS, HOUR_S

ANY: Final = 2**53  # more mail than there will ever be; floats stop counting one by one here
_OUT_OF_N: Final = INTERVALS | {Scale.SHARE}  # scales whose estimate never exceeds one
_SUREST: Final = 1 - 1e-9  # beyond, a quantile of the normal distribution is a matter of rounding
_ROUNDING: Final = 1e-9  # how much apart two sides must be for floats to settle which is larger
_LOOKS: Final = 1_000  # numbers of events looked through for an example before we say that none was found


class Gap(NamedTuple):
    """What lets a measurement cross one bar and not another: the key of the one bar, and the case in numbers."""

    key: str
    case: str


def unreachable(metric: str, bar: Bar) -> str:
    """The key of `bar` that nothing can ever satisfy; "" when something can."""
    if bar.confidence is not None and bar.confidence > _SUREST:
        return "confidence"
    if bar.above >= (1 if CATALOGUE[metric].scale in _OUT_OF_N else ANY):
        return "above"
    if bar.min_baseline is not None and bar.min_baseline.seconds > BASELINE_HOURS * HOUR_S:
        return "min_baseline"
    for name in ("min_events", "min_distinct", "min_excess", "elsewhere"):
        value = getattr(bar, name)
        if value is not None and value >= ANY:
            return name
    return ""


def fewest(metric: str, bar: Bar, cap: int = 1) -> int:
    """The fewest counted events that can cross `bar`, whatever the history and the pool; `ANY` if none can.

    For volume `cap` is the agreed one; of all caps one message is where the fewest do.
    """
    if unreachable(metric, bar):
        return ANY
    scale, confidence = CATALOGUE[metric].scale, bar.confidence or 0.0
    least = max(bar.min_events, bar.min_distinct or 1)  # an event has one address, at one domain
    if scale in INTERVALS:
        return _first(lambda k: wilson(k, k, confidence)[0] > bar.above, least)
    if scale is Scale.MULTIPLE:
        return _first(lambda k: k / cap > bar.above, least)
    if scale is Scale.COUNT:
        return max(least, math.floor(bar.above) + 1)
    return least


def at_most(metric: str, bar: Bar, k: int) -> int:
    """The largest n of which k still cross a bar on k of n, conditions met; 0 if they never do, `ANY` if always.

    For an excess the pool is one that nobody refuses, where the most do.
    """
    if unreachable(metric, bar):
        return 0
    if CATALOGUE[metric].scale is Scale.SHARE:
        most = ANY if k > bar.above * ANY else _last(lambda n: k / n > bar.above, k, k / bar.above)
        return most if most >= bar.min_events else 0
    if k < fewest(metric, bar):
        return 0
    slope, confidence = _slope(bar, k), bar.confidence or 0.0
    if slope * slope * ANY <= 4 * k * k:
        return ANY
    return _last(lambda n: wilson(k, n, confidence)[0] > bar.above, k, 4 * k * k / (slope * slope))


def at_least(metric: str, bar: Bar, n: int) -> int:
    """The least k of n that crosses a bar on k of n, conditions met; 0 if not even all of them do."""
    least, confidence = fewest(metric, bar), bar.confidence or 0.0
    if n < least:
        return 0
    if CATALOGUE[metric].scale is Scale.SHARE:
        return 1 + bisect_left(range(1, n), True, key=lambda k: k / n > bar.above)
    return least + bisect_left(range(least, n), True, key=lambda k: wilson(k, n, confidence)[0] > bar.above)


def gap(metric: str, strict: Bar, loose: Bar) -> Gap | None:
    """What crosses `strict` and not `loose`; None if that is proved to be nothing.

    Of the further conditions each must be asked for at least as much, for they are measured apart; `elsewhere` exactly
    as much, for without more domains less is left to judge by.
    """
    least = fewest(metric, strict)
    if least >= ANY:
        return None
    if unreachable(metric, loose):
        return Gap(unreachable(metric, loose), "nothing ever crosses the other")
    for name, value in loose.conditions:
        asked = dict(strict.conditions).get(name, 0.0)
        if asked < value or (name == "elsewhere" and asked > value):
            return Gap(name, f"the one asks for {name} {asked:g} and the other for {value:g}")
    if CATALOGUE[metric].scale is Scale.COUNT:
        needed = max(loose.min_events, math.floor(loose.above) + 1)
        key = "above" if strict.above < loose.above else "min_events"
        return Gap(key, f"{least} are enough for the one and {needed} for the other") if least < needed else None
    if strict.above < loose.above:
        return Gap("above", f"what lies between {strict.above:g} and {loose.above:g} crosses the one and not the other")
    if least < loose.min_events:
        return Gap("min_events", f"{least} are enough for the one and {loose.min_events} for the other")
    if (strict.confidence or 0.0) < (loose.confidence or 0.0):
        return _less_sure(metric, strict, loose)
    return None


def _less_sure(metric: str, strict: Bar, loose: Bar) -> Gap | None:
    """The gap between two bars of which `strict` is no lower and less sure.

    For a rate let s(k) = a + √(a² + 4pk), so that s(k)² / 4k² is 1/n at the boundary. Where s of `strict` is no
    smaller, nothing crosses it alone. With p₁ ≥ p₂ that stays so once it is so: if a₁ ≥ a₂ it is so throughout; else
    s₁ − s₂ never falls, for its derivative is 2p₁/√(a₁² + 4p₁k) − 2p₂/√(a₂² + 4p₂k) ≥ 0. One k settles all above it.
    """
    least = fewest(metric, strict)
    if CATALOGUE[metric].scale is Scale.RATE:
        for k in range(least, least + _LOOKS):
            if _slope(strict, k) >= _slope(loose, k) * (1 + _ROUNDING):
                return None
            one, other = at_most(metric, strict, k), at_most(metric, loose, k)
            if one > other:
                return Gap("confidence", f"{k} of {one} cross the one, and {k} of at most {other} the other")
    return Gap("confidence", "that what crosses the one crosses the other cannot be shown")


def _slope(bar: Bar, k: int) -> float:
    """2k/√n at the largest n of which k cross the bar of a rate: a + √(a² + 4pk)."""
    z = NormalDist().inv_cdf(0.5 + (bar.confidence or 0.0) / 2)
    a = z * math.sqrt(bar.above * (1 - bar.above))
    return a + math.sqrt(a * a + 4 * bar.above * k)


def _first(holds: Callable[[int], bool], least: int) -> int:
    """The first number from `least` on for which something holds that holds for all after it."""
    low, step = least, 1
    while not holds(low + step - 1):
        low, step = low + step, step * 2
    return low + bisect_left(range(low, low + step), True, key=holds)


def _last(holds: Callable[[int], bool], least: int, about: float) -> int:
    """The last number for which something holds that holds from `least` to about there, give or take rounding."""
    beyond = range(least + 1, math.ceil(about * (1 + _ROUNDING)) + 1)
    return least + bisect_left(beyond, True, key=lambda n: not holds(n))
