"""What the windows say, as numbers."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from labeler.reputation import policy as policies
from labeler.reputation.metrics import (
    METRICS,
    Measurement,
    View,
    epoch_seconds,
    whole_bucket,
    wilson,
    with_first_contact,
)
from labeler.reputation.policy import Bar, Caps, Rule, Span
from labeler.reputation.windows import SubjectWindows

CAPS = Caps(hourly=10, daily=100)
NOW_S = 1_000 * 3600 + 1_800  # half past


def rule(metric: str, min_events: int = 3, exit_below: float = 0.5) -> Rule:
    bar = Bar(above=0.9, min_events=min_events)
    return Rule(id="r", family="f", metric=metric, window=Span("1h"), summary="", throttle=bar, exit_below=exit_below)


def measure(metric: str, windows: SubjectWindows, since_s: int = 0) -> Measurement:
    return METRICS[metric].measure(View(windows, since_s, CAPS))


def filled(**buckets: list[int]) -> SubjectWindows:
    """Windows with items of their own in the given buckets."""
    windows = SubjectWindows()
    for name, hours in buckets.items():
        window = getattr(windows, name)
        for index, hour in enumerate(hours):
            window.add(hour) if name in {"minutes", "accepted"} else window.record(f"item {index}", hour)
    return windows


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

    def test_one_in_thirteen_is_compatible_with_less_than_five_percent(self) -> None:
        assert wilson(1, 13, 0.95)[0] < 0.02
        assert wilson(2, 26, 0.95)[0] < 0.05


def test_policy_and_metrics_name_the_same_metrics() -> None:
    assert tuple(METRICS) == policies.METRICS


def test_seconds_are_cut_off_and_buckets_are_whole() -> None:
    assert epoch_seconds(datetime(1970, 1, 1, 0, 1, 0, 999_999, tzinfo=UTC)) == 60
    assert [whole_bucket(since, 60) for since in (0, 1, 59, 60, 61)] == [0, 1, 1, 1, 2]


def test_invalid_recipients_out_of_those_whose_existence_is_known() -> None:
    windows = filled(invalid=[5, 6], reached=[5, 6, 6, 7], delivered=[6, 7])
    assert measure("invalid-recipient-rate", windows) == (2, 4, 0.5, 2, None)
    assert measure("invalid-recipient-rate", windows, 6 * 3600 + 1) == (1, 3, 1 / 3, 1, None)
    assert measure("invalid-recipient-rate", SubjectWindows()) == (0, 0, 0.0, 0, None)


def test_a_relay_that_reports_no_deliveries_makes_nobody_fail_at_everything() -> None:
    """Five bounces in a thousand are half a percent, although nothing is known of the others."""
    windows = filled(invalid=[5] * 5, reached=[5] * 5, complained=[5] * 2, addressed=[5] * 1000)
    assert measure("invalid-recipient-rate", windows) == (5, 1000, 0.005, 5, None)
    assert measure("complaint-rate", windows) == (2, 1000, 0.002, 2, None)


def test_complaints_out_of_those_reached() -> None:
    assert measure("complaint-rate", filled(complained=[5], delivered=[5, 5, 5, 5])) == (1, 4, 0.25, 1, None)


def test_a_complaint_without_a_delivery_is_not_more_than_everybody() -> None:
    assert measure("complaint-rate", filled(complained=[5, 5])) == (2, 2, 1.0, 2, None)


@pytest.mark.parametrize(
    ("metric", "bucket_s", "window", "cap"),
    [("hourly-volume", 60, "minutes", 10), ("daily-volume", 3600, "accepted", 100)],
)
def test_volume_counts_whole_buckets_only(metric: str, bucket_s: int, window: str, cap: int) -> None:
    """A bucket that began before the window is left out; one that begins with it is not."""
    windows = filled(**{window: [9, 10, 11]})
    on_the_edge = measure(metric, windows, 10 * bucket_s)
    just_after = measure(metric, windows, 10 * bucket_s + 1)
    assert on_the_edge == (2, cap, 2 / cap, 2, None)
    assert just_after == (1, cap, 1 / cap, 1, None)


def test_spray_is_domains_per_recipient_and_weighs_recipients() -> None:
    windows = filled(addressed=[5, 5, 5, 5], recipient_domains=[5, 5, 5])
    assert measure("domain-spray", windows) == (3, 4, 0.75, 4, None)
    assert measure("domain-spray", SubjectWindows()) == (0, 0, 0.0, 0, None)


def test_the_share_of_first_contacts() -> None:
    windows = filled(addressed=[5, 5, 5, 5])
    windows.delivered.record("item 0", 4)
    windows.first_delivered["item 0"] = 4
    view = View(windows, 5 * 3600, CAPS)
    assert with_first_contact(Measurement(4, 4, 1.0, 4), view).first_contact == 0.75
    assert with_first_contact(Measurement(0, 0, 0.0, 0), view).first_contact == 0.0


@pytest.mark.parametrize(
    ("metric", "windows", "min_events", "exit_below", "possible"),
    [
        ("invalid-recipient-rate", filled(invalid=[1] * 3), 3, 0.5, True),
        ("invalid-recipient-rate", filled(invalid=[1] * 2), 3, 0.5, False),
        ("complaint-rate", filled(complained=[1] * 3), 3, 0.5, True),
        ("complaint-rate", filled(complained=[1] * 2), 3, 0.5, False),
        ("hourly-volume", filled(minutes=[1] * 5), 3, 0.5, True),
        ("hourly-volume", filled(minutes=[1] * 4), 3, 0.5, False),
        ("hourly-volume", filled(minutes=[1] * 5), 6, 0.5, False),
        ("daily-volume", filled(accepted=[1] * 50), 3, 0.5, True),
        ("daily-volume", filled(accepted=[1] * 49), 3, 0.5, False),
        ("daily-volume", filled(accepted=[1] * 50), 51, 0.5, False),
        ("domain-spray", filled(recipient_domains=[1] * 5), 10, 0.5, True),
        ("domain-spray", filled(recipient_domains=[1] * 4), 10, 0.5, False),
    ],
)
def test_whether_a_rule_could_fire_or_hold_at_all(
    metric: str, windows: SubjectWindows, min_events: int, exit_below: float, possible: bool
) -> None:
    assert METRICS[metric].possible(rule(metric, min_events, exit_below), windows, CAPS) is possible


@given(st.integers(1, 200), st.integers(1, 10_000), st.integers(1, 3_000))
def test_rounding_never_makes_a_rule_that_holds_impossible(k: int, cap: int, thousandths: int) -> None:
    exit_below = thousandths / 1000
    windows, caps = filled(minutes=[1] * k, accepted=[1] * k), Caps(hourly=cap, daily=cap)
    for metric in ("hourly-volume", "daily-volume"):
        holds = METRICS[metric].measure(View(windows, 0, caps)).estimate >= exit_below
        assert METRICS[metric].possible(rule(metric, 1, exit_below), windows, caps) is holds


def test_estimates_are_finite() -> None:
    assert all(math.isfinite(measure(metric, SubjectWindows()).estimate) for metric in METRICS)
