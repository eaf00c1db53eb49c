"""The exact interval of a share (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934). Pure; no SciPy needed.

Both ends are quantiles of a beta distribution, found by bisecting its distribution function, which is the regularised
incomplete beta function as a continued fraction (Abramowitz and Stegun, 26.5.8), evaluated by Lentz's method.
"""

import math
from typing import Final

CONFIDENCE: Final = 0.95
_TINY: Final = 1e-300
_CLOSE: Final = 1e-14
_TERMS: Final = 100_000
_HALVINGS: Final = 100


def exact_interval(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson interval of k of n, as (lower, upper) shares; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    lower = _quantile(tail, k, n - k + 1) if k else 0.0
    upper = _quantile(1 - tail, k + 1, n - k) if k < n else 1.0
    return lower, upper


def _quantile(share: float, a: int, b: int) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _incomplete_beta(middle, a, b) < share:
            low = middle
        else:
            high = middle
        if high - low <= _CLOSE * high:
            break
    return (low + high) / 2


def _incomplete_beta(x: float, a: int, b: int) -> float:
    """P(X ≤ x) for X ~ Beta(a, b), 0 < x < 1."""
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: int, b: int) -> float:
    above, below = 1.0, _away_from_zero(1 - (a + b) * x / (a + 1))
    below = 1 / below
    value = below
    for m in range(1, _TERMS):
        for step in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), _odd(x, a, b, m)):
            below = 1 / _away_from_zero(1 + step * below)
            above = _away_from_zero(1 + step / above)
            value *= above * below
        if abs(above * below - 1) < _CLOSE:
            break
    return value


def _odd(x: float, a: int, b: int, m: int) -> float:
    return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))


def _away_from_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
