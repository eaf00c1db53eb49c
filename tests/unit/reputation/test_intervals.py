"""What a few observations can prove: against scipy, and against the examples its author published."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, nbinom, poisson

from labeler.reputation.intervals import excess, surprise, wilson

NEWCOMBE_1998 = (  # Statistics in Medicine 17, 873-890, table II, method 10 at 95 %: a of m, b of n, lower, upper
    ((56, 70, 48, 80), 0.0524, 0.3339),
    ((9, 10, 3, 10), 0.1705, 0.8090),
    ((6, 7, 2, 7), 0.0582, 0.8062),
    ((5, 56, 0, 29), -0.0381, 0.1926),
    ((0, 10, 0, 20), -0.1611, 0.2775),
    ((0, 10, 0, 10), -0.2775, 0.2775),
    ((10, 10, 0, 20), 0.6791, 1.0000),
    ((10, 10, 0, 10), 0.6075, 1.0000),
)


class TestWilson:
    @pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99, 0.999])
    @pytest.mark.parametrize("n", [1, 2, 3, 7, 13, 20, 50, 200, 1_000, 100_000])
    def test_it_is_what_scipy_computes(self, n: int, confidence: float) -> None:
        for k in sorted({0, 1, 2, 3, n // 10, n // 3, n - 1, n} & set(range(n + 1))):
            expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
            assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)

    @settings(max_examples=200)
    @given(st.data(), st.integers(1, 10**6), st.floats(0.5, 0.9999))
    def test_for_any_k_n_and_confidence(self, data: st.DataObject, n: int, confidence: float) -> None:
        k = data.draw(st.integers(0, n))
        lower, upper = wilson(k, n, confidence)
        expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
        assert (lower, upper) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)
        assert 0.0 <= lower <= k / n <= upper <= 1.0

    def test_nothing_says_nothing(self) -> None:
        assert wilson(0, 0, 0.95) == (0.0, 1.0)

    def test_the_ends_are_exact(self) -> None:
        assert wilson(0, 5, 0.95)[0] == 0.0
        assert wilson(5, 5, 0.95)[1] == 1.0

    def test_more_failures_raise_the_lower_end_and_more_mail_lowers_it(self) -> None:
        assert all(wilson(k, 50, 0.95)[0] < wilson(k + 1, 50, 0.95)[0] for k in range(50))
        assert all(wilson(3, n, 0.95)[0] > wilson(3, n + 1, 0.95)[0] for n in range(3, 500))

    def test_more_confidence_lowers_the_lower_end(self) -> None:
        assert wilson(5, 50, 0.9)[0] > wilson(5, 50, 0.95)[0] > wilson(5, 50, 0.99)[0]

    def test_one_in_thirteen_is_compatible_with_less_than_five_percent(self) -> None:
        assert wilson(1, 13, 0.95)[0] < 0.02
        assert wilson(2, 26, 0.95)[0] < 0.05


class TestExcess:
    @pytest.mark.parametrize(("counts", "lower", "upper"), NEWCOMBE_1998)
    def test_it_is_what_newcombe_published(self, counts: tuple[int, int, int, int], lower: float, upper: float) -> None:
        k, n, pool_k, pool_n = counts
        assert excess(k, n, pool_k, pool_n, 0.95) == pytest.approx(lower, abs=0.00005)
        assert -excess(pool_k, pool_n, k, n, 0.95) == pytest.approx(upper, abs=0.00005)

    def test_with_nothing_on_one_side_there_is_nothing_to_compare(self) -> None:
        assert excess(0, 0, 1, 10, 0.95) == -1.0
        assert excess(1, 10, 0, 0, 0.95) == -1.0

    @given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0.5, 0.999))
    def test_it_never_exceeds_the_difference(self, k: int, more: int, pool_k: int, more_pool: int, sure: float) -> None:
        n, pool_n = k + more + 1, pool_k + more_pool + 1
        assert -1.0 <= excess(k, n, pool_k, pool_n, sure) <= k / n - pool_k / pool_n + 1e-12

    def test_a_pool_that_suffers_as_much_is_an_excuse(self) -> None:
        assert excess(30, 100, 0, 1000, 0.99) > 0.15
        assert excess(30, 100, 300, 1000, 0.99) < 0


SMALLEST = 100.0  # further out scipy's own tail is off by more than we are: 265.80 at a true 265.85


def usual(mean: float, variance: float, count: int) -> float:
    """−log10 of the tail from `count` on, as scipy computes it."""
    if variance > mean:
        tail = nbinom.logsf(count - 1, mean * mean / (variance - mean), mean / variance)
    else:
        tail = poisson.logsf(count - 1, mean)
    return -float(tail) / math.log(10)


class TestSurprise:
    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, 3_000), st.floats(0.01, 500), st.floats(1.001, 50))
    @example(20, 3.0, 1.001)
    def test_it_is_never_overstated(self, count: int, mean: float, spread: float) -> None:
        for variance in (0.5 * mean, mean, mean * spread):
            exact = usual(mean, variance, count)
            if exact < SMALLEST:
                assert surprise(count, mean, variance) <= exact * (1 + 1e-6) + 1e-6

    @pytest.mark.parametrize("spread", [1.0, 1.5, 4.0, 20.0])
    @pytest.mark.parametrize("mean", [0.1, 1.0, 5.0, 40.0, 200.0])
    def test_far_out_it_is_what_scipy_computes(self, mean: float, spread: float) -> None:
        count = math.ceil(mean + 12 * math.sqrt(mean * spread) + 10)
        exact = usual(mean, mean * spread, count)
        assert surprise(count, mean, mean * spread) == pytest.approx(exact, rel=0.02, abs=0.2)

    @pytest.mark.parametrize(("count", "mean"), [(0, 0.0), (5, 0.0), (0, 3.0), (3, 3.0), (2, 2.5), (50, 49.9)])
    def test_what_is_usual_or_where_nothing_is_known_surprises_nobody(self, count: int, mean: float) -> None:
        assert surprise(count, mean, mean) == 0.0
        assert surprise(count, mean, 3 * mean) == 0.0

    def test_where_anything_may_happen_nothing_surprises(self) -> None:
        assert surprise(5, 1.0, 1e18) == 0.0

    def test_it_grows_with_the_count_and_shrinks_with_the_spread(self) -> None:
        assert all(surprise(count, 5.0, 9.0) < surprise(count + 1, 5.0, 9.0) for count in range(12, 200))
        assert surprise(40, 5.0, 5.0) > surprise(40, 5.0, 9.0) > surprise(40, 5.0, 50.0)

    def test_it_costs_the_same_for_every_count(self) -> None:
        assert surprise(10**9, 3.0, 10.0) > 10**6
        assert math.isfinite(surprise(10**9, 3.0, 3.0))

    @pytest.mark.parametrize("mean", [0.5, 3.0, 20.0, 1_000.0])
    @pytest.mark.parametrize("hair", [1e-15, 1e-13, 1e-11, 1e-9])
    def test_a_variance_a_hair_above_the_mean_is_that_of_a_poisson(self, mean: float, hair: float) -> None:
        """Rounding alone makes such variances; they must not make a surprise of what is none."""
        count = math.ceil(mean + 6 * math.sqrt(mean) + 3)
        expected = surprise(count, mean, mean)
        assert surprise(count, mean, mean * (1 + hair)) == pytest.approx(expected, rel=0.001)
