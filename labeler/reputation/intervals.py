"""What a few observations can prove: score intervals of a share and of a difference, and the tail of a busy hour.

Wilson, JASA 22 (1927), stays honest for a handful of mails: one bounce in thirteen sends is compatible with a true rate
of 1.4 %. Newcombe, Statistics in Medicine 17 (1998), method 10, makes of two such intervals one of their difference.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_OVERDISPERSED: Final = 1e-6  # relative; nearer to Poisson, the gamma functions would cancel to noise


@lru_cache(maxsize=64)
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Two-sided Wilson score interval of k successes in n trials, as (lower, upper); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    z = _z(confidence)
    share = k / n
    z2n = z * z / n
    centre = share + z2n / 2
    spread = z * math.sqrt((share * (1 - share) + z2n / 4) / n)
    lower = 0.0 if k == 0 else (centre - spread) / (1 + z2n)
    upper = 1.0 if k == n else (centre + spread) / (1 + z2n)
    return lower, upper


def excess(k: int, n: int, pool_k: int, pool_n: int, confidence: float) -> float:
    """Lower end of the interval of k/n less pool_k/pool_n; −1 where either side has nothing to compare."""
    if n == 0 or pool_n == 0:
        return -1.0
    share, pool_share = k / n, pool_k / pool_n
    lower, upper = wilson(k, n, confidence)[0], wilson(pool_k, pool_n, confidence)[1]
    return share - pool_share - math.hypot(share - lower, upper - pool_share)


def surprise(count: int, mean: float, variance: float) -> float:
    """−log10 of the chance of `count` or more where `mean` is usual, never overstated; 0 where that is no surprise.

    Negative binomial with the two moments (overdispersed, as mail comes in bursts); Poisson where the variance does not
    exceed the mean. The tail is its first term times a geometric series no smaller than the rest: it costs the same for
    every `count`, and errs on the side of the sender.
    """
    if mean <= 0 or count <= mean:
        return 0.0
    if variance > mean * (1 + _OVERDISPERSED):
        size, share = mean * mean / (variance - mean), mean / variance
        first = (
            math.lgamma(count + size)
            - math.lgamma(size)
            - math.lgamma(count + 1)
            + size * math.log(share)
            + count * math.log1p(-share)
        )
        ratio = (1 - share) * max(1.0, (count + size) / (count + 1))
    else:
        first = count * math.log(mean) - mean - math.lgamma(count + 1)
        ratio = mean / (count + 1)
    if ratio >= 1:  # still near the middle of the distribution
        return 0.0
    return max(0.0, -(first - math.log1p(-ratio)) / math.log(10))
