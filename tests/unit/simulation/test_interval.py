"""The exact interval is the one SciPy computes."""

import pytest
from scipy.stats import binomtest

from labeler.simulation.interval import exact_interval


@pytest.mark.parametrize("n", [1, 2, 17, 400, 18_444, 1_000_000])
def test_it_agrees_with_scipy(n: int) -> None:
    for k in sorted({0, 1, 2, n // 50, n // 3, n // 2, n - 1, n} & set(range(n + 1))):
        for confidence in (0.9, 0.95, 0.999):
            expected = binomtest(k, n).proportion_ci(confidence, method="exact")
            assert exact_interval(k, n, confidence) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-12)


def test_nothing_is_known_of_none() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_the_rule_of_three_holds_about() -> None:
    assert exact_interval(0, 18_444, 0.9)[1] == pytest.approx(3 / 18_444, rel=0.01)
