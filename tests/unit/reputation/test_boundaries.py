"""Where a bar lies: against brute force, and against the judge's own comparison."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labeler.reputation.boundaries import ANY, Gap, at_least, at_most, fewest, gap, unreachable
from labeler.reputation.catalogue import CATALOGUE, Scale
from labeler.reputation.findings import crossed
from labeler.reputation.intervals import excess, wilson
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Bar, Rule, Span

RATE, EXCESS, SHARE, MULTIPLE, COUNT, SURPRISE = (
    *("complaint-rate", "policy-block-excess", "domain-spray"),
    *("hourly-volume", "dead-address-sends", "velocity"),
)
shares = st.floats(0.0005, 0.9)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
rate_bars = st.builds(Bar, above=shares, confidence=confidences, min_events=st.integers(1, 8))


def rule(metric: str, bar: Bar) -> Rule:
    """A rule with one bar."""
    return Rule(id="r", family="f", metric=metric, window=Span("1h"), summary="", throttle=bar, exit_below=0.1)


def crosses(metric: str, bar: Bar, k: int, n: int) -> bool:
    """What the judge says of k of n."""
    weight = n if CATALOGUE[metric].scale is Scale.SHARE else k
    estimate = float(k) if CATALOGUE[metric].scale is Scale.COUNT else k / n
    against = (0, 10**12) if metric == EXCESS else None
    return crossed(rule(metric, bar), bar, Measurement(k, n, estimate, weight, against))


def test_of_the_shipped_rule_on_missing_recipients_the_boundary_is_where_the_literature_puts_it() -> None:
    """Checked by hand from the score test: 3 − 0.05 n > z √(0.0475 n) with z = 2.5758."""
    bar = Bar(above=0.05, confidence=0.99, min_events=3)
    assert [at_most(RATE, bar, k) for k in (2, 3, 4, 5, 10, 20)] == [0, 15, 24, 34, 92, 229]
    assert [at_least(RATE, bar, n) for n in (2, 3, 15, 16, 24, 25, 229, 230)] == [0, 3, 3, 4, 4, 5, 20, 21]


class TestUnreachable:
    @pytest.mark.parametrize("metric", [RATE, EXCESS, SHARE])
    def test_nothing_is_more_than_all(self, metric: str) -> None:
        assert unreachable(metric, Bar(above=1.0, min_events=1)) == "above"
        assert unreachable(metric, Bar(above=0.999999, min_events=1)) == ""

    @pytest.mark.parametrize("metric", [MULTIPLE, COUNT, SURPRISE])
    def test_numbers_end_where_floats_stop_counting(self, metric: str) -> None:
        assert unreachable(metric, Bar(above=1e300, min_events=1)) == "above"
        assert unreachable(metric, Bar(above=1e9, min_events=1)) == ""

    @pytest.mark.parametrize(
        ("key", "value", "fine"),
        [
            ("confidence", 0.9999999999999999, 0.999999),
            ("min_baseline", Span("29d"), Span("28d")),
            ("min_events", 2**60, 2**30),
            ("min_distinct", 2**60, 2**30),
            ("elsewhere", 2**60, 2**30),
            ("min_excess", math.inf, 1e6),
        ],
    )
    def test_every_key_has_its_end(self, key: str, value: object, fine: object) -> None:
        plain = {"above": 0.5, "min_events": 2}
        assert unreachable(RATE, Bar(**plain | {key: value})) == key  # type: ignore[arg-type]
        assert unreachable(RATE, Bar(**plain | {key: fine})) == ""  # type: ignore[arg-type]

    def test_what_is_out_of_reach_takes_any_number_of_events(self) -> None:
        assert fewest(RATE, Bar(above=1.0, confidence=0.9, min_events=1)) == ANY
        assert at_most(RATE, Bar(above=1.0, confidence=0.9, min_events=1), 10) == 0
        assert at_most(SHARE, Bar(above=1.0, min_events=1), 10) == 0
        assert at_least(RATE, Bar(above=1.0, confidence=0.9, min_events=1), 10) == 0


class TestFewest:
    @given(rate_bars)
    def test_of_a_rate_where_everything_fails_and_no_fewer(self, bar: Bar) -> None:
        least = fewest(RATE, bar)
        assert crosses(RATE, bar, least, least)
        assert not any(crosses(RATE, bar, k, n) for k in range(max(1, least - 3), least) for n in range(k, 3 * k + 3))

    def test_of_a_rate_a_confidence_can_ask_for_more_than_min_events(self) -> None:
        assert fewest(RATE, Bar(above=0.8, confidence=0.95, min_events=1)) == 16
        assert fewest(RATE, Bar(above=0.8, confidence=0.95, min_events=20)) == 20
        assert fewest(RATE, Bar(above=0.8, confidence=0.95, min_events=2, min_distinct=30)) == 30

    def test_of_a_rate_almost_never(self) -> None:
        """The boundary is found where it lies, not walked to."""
        assert 10**9 < fewest(RATE, Bar(above=0.99999999, confidence=0.999, min_events=1)) < 10**10

    @given(
        st.integers(1, 60),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 60),
        confidences,
        st.integers(0, 10**6),
    )
    def test_no_pool_makes_an_excess_surer_than_the_rate_itself(
        self, k: int, more: int, pool_k: int, pool_more: int, confidence: float, scale: int
    ) -> None:
        n, pool_n = k + more, (pool_k + pool_more) * (1 + scale)
        assert excess(k, n, pool_k, pool_n, confidence) <= wilson(k, n, confidence)[0] + 1e-12

    @given(st.floats(0, 50), st.integers(1, 300), st.integers(1, 10**9))
    def test_of_a_multiple_no_cap_needs_fewer_than_a_cap_of_one(self, above: float, events: int, cap: int) -> None:
        bar = Bar(above=above, min_events=events)
        least = fewest(MULTIPLE, bar, cap)
        assert least / cap > above
        assert least >= events
        assert least == events or not (least - 1) / cap > above
        assert fewest(MULTIPLE, bar) <= least

    @given(st.floats(0, 10**6), st.integers(1, 300))
    def test_of_a_count_the_first_whole_number_above(self, above: float, events: int) -> None:
        least = fewest(COUNT, Bar(above=above, min_events=events))
        assert least > above
        assert least >= events
        assert least == events or least - 1 <= above

    @pytest.mark.parametrize("metric", [SHARE, SURPRISE])
    def test_of_anything_else_as_many_as_the_bar_says(self, metric: str) -> None:
        assert fewest(metric, Bar(above=0.5, min_events=7)) == 7


class TestAtMost:
    @settings(max_examples=300)
    @given(rate_bars, st.integers(1, 200))
    def test_it_is_the_last_that_crosses(self, bar: Bar, k: int) -> None:
        most = at_most(RATE, bar, k)
        if most == 0:
            assert not crosses(RATE, bar, k, k)
        else:
            assert crosses(RATE, bar, k, most)
            assert not crosses(RATE, bar, k, most + 1)

    @given(shares, st.integers(1, 20), st.integers(1, 200))
    def test_of_a_share_it_is_the_last_that_crosses(self, above: float, events: int, k: int) -> None:
        bar = Bar(above=above, min_events=events)
        most = at_most(SHARE, bar, k)
        if most == 0:
            assert not any(crosses(SHARE, bar, k, n) for n in range(events, events + 50))
        else:
            assert crosses(SHARE, bar, k, most)
            assert not crosses(SHARE, bar, k, most + 1)

    def test_of_an_excess_it_is_that_of_a_pool_nobody_refuses(self) -> None:
        bar = Bar(above=0.03, confidence=0.99, min_events=5)
        assert at_most(EXCESS, bar, 5) == 56
        assert crosses(EXCESS, bar, 5, 56)
        assert not crosses(EXCESS, bar, 5, 57)

    @pytest.mark.parametrize("above", [0.0, 5e-324, 1e-30])
    @pytest.mark.parametrize("metric", [RATE, SHARE])
    def test_a_bar_on_the_ground_is_crossed_in_any_company(self, metric: str, above: float) -> None:
        assert at_most(metric, Bar(above=above, confidence=0.9, min_events=2), 3) == ANY


class TestAtLeast:
    @given(rate_bars, st.integers(1, 400))
    def test_of_a_rate_it_is_the_first_that_crosses(self, bar: Bar, n: int) -> None:
        first = next((k for k in range(1, n + 1) if crosses(RATE, bar, k, n)), 0)
        assert at_least(RATE, bar, n) == first

    @given(shares, st.integers(1, 20), st.integers(1, 400))
    def test_of_a_share_it_is_the_first_that_crosses(self, above: float, events: int, n: int) -> None:
        bar = Bar(above=above, min_events=events)
        first = next((k for k in range(1, n + 1) if crosses(SHARE, bar, k, n)), 0)
        assert at_least(SHARE, bar, n) == first


class TestGap:
    @settings(max_examples=300, deadline=None)
    @given(rate_bars, rate_bars)
    def test_between_two_bars_on_a_rate_it_is_what_trying_everything_finds(self, strict: Bar, loose: Bar) -> None:
        found = gap(RATE, strict, loose)
        between = [k for k in range(1, 60) if at_most(RATE, strict, k) > at_most(RATE, loose, k)]
        if found is None:
            assert not between
        else:
            assert found.key in {"above", "confidence", "min_events"}
            assert between or strict.above < loose.above or int(found.case.split()[0]) >= 60

    @pytest.mark.parametrize("metric", [RATE, EXCESS, SHARE, MULTIPLE, COUNT, SURPRISE])
    @given(st.data())
    def test_between_a_bar_and_one_no_lower_anywhere_there_is_none(self, metric: str, data: st.DataObject) -> None:
        above, events = data.draw(shares), data.draw(st.integers(1, 20))
        sure = data.draw(confidences) if metric in (RATE, EXCESS) else None
        loose = Bar(above=above, min_events=events, confidence=sure)
        more_sure = None if sure is None else max(sure, data.draw(confidences))
        strict = Bar(
            above=above + data.draw(st.floats(0, 0.09)),
            min_events=events + data.draw(st.integers(0, 9)),
            confidence=more_sure,
        )
        assert gap(metric, strict, loose) is None

    def test_a_lower_confidence_can_be_made_up_for_by_a_higher_bar(self) -> None:
        """Mixed bars are compared exactly: 10 % at 95 % confidence lies inside 5 % at 99 % from five events on."""
        loose = Bar(above=0.05, confidence=0.99, min_events=3)
        assert gap(RATE, Bar(above=0.10, confidence=0.95, min_events=5), loose) is None
        assert gap(RATE, Bar(above=0.06, confidence=0.95, min_events=5), loose) == Gap(
            "confidence", "5 of 36 cross the one, and 5 of at most 34 the other"
        )
        assert crosses(RATE, Bar(above=0.06, confidence=0.95, min_events=5), 5, 36)
        assert not crosses(RATE, loose, 5, 36)

    def test_what_differs_by_less_than_an_event_is_looked_for_where_the_events_are(self) -> None:
        """Up to five events the boundaries are apart by less than one recipient; at six they are not."""
        strict, loose = Bar(above=0.05, confidence=0.989, min_events=3), Bar(above=0.05, confidence=0.99, min_events=3)
        found = gap(RATE, strict, loose)
        assert found is not None
        assert found.case.startswith("6 of")

    def test_what_cannot_be_shown_is_no_proof(self) -> None:
        loose = Bar(above=0.05, confidence=0.99, min_events=3)
        found = gap(RATE, Bar(above=0.05, confidence=0.99 - 1e-15, min_events=3), loose)
        assert found == Gap("confidence", "that what crosses the one crosses the other cannot be shown")
        assert gap(EXCESS, Bar(above=0.10, confidence=0.95, min_events=5), loose) == found

    def test_counts_are_whole_numbers(self) -> None:
        loose = Bar(above=9, min_events=10)
        assert gap(COUNT, Bar(above=0, min_events=10), loose) is None
        assert gap(COUNT, Bar(above=9.5, min_events=2), loose) is None
        assert gap(COUNT, Bar(above=8.5, min_events=2), loose) == Gap(
            "above", "9 are enough for the one and 10 for the other"
        )
        assert gap(COUNT, Bar(above=9, min_events=10), Bar(above=9, min_events=20)) == Gap(
            "min_events", "10 are enough for the one and 20 for the other"
        )

    def test_of_a_multiple_a_higher_number_of_events_makes_up_for_no_lower_bar(self) -> None:
        """At a large enough cap the number of events no longer matters."""
        found = gap(MULTIPLE, Bar(above=2, min_events=10_000), Bar(above=3, min_events=50))
        assert found == Gap("above", "what lies between 2 and 3 crosses the one and not the other")
        assert gap(MULTIPLE, Bar(above=99, min_events=2), Bar(above=3, min_events=100)) is None
        assert gap(MULTIPLE, Bar(above=98, min_events=2), Bar(above=3, min_events=100)) is not None

    @pytest.mark.parametrize(
        ("asked", "there", "key"),
        [
            ({"min_distinct": 3}, {}, "min_distinct"),
            ({"min_distinct": 3}, {"min_distinct": 2}, "min_distinct"),
            ({"min_distinct": 3}, {"min_distinct": 4}, None),
            ({"elsewhere": 1}, {"elsewhere": 1}, None),
            ({"elsewhere": 1}, {"elsewhere": 2}, "elsewhere"),
            ({}, {"elsewhere": 2}, None),
            ({"min_baseline": Span("7d")}, {"min_baseline": Span("6d")}, "min_baseline"),
            ({"min_baseline": Span("24h")}, {"min_baseline": Span("1d")}, None),
        ],
    )
    def test_conditions_are_asked_for_at_least_as_much(
        self, asked: dict[str, int], there: dict[str, int], key: str | None
    ) -> None:
        loose = Bar(above=0.05, confidence=0.99, min_events=3, **asked)  # type: ignore[arg-type]
        strict = Bar(above=0.05, confidence=0.99, min_events=3, **there)  # type: ignore[arg-type]
        found = gap(RATE, strict, loose)
        assert (found.key if found is not None else None) == key

    def test_nothing_crosses_a_bar_out_of_reach(self) -> None:
        never, loose = Bar(above=1.5, confidence=0.9, min_events=1), Bar(above=0.05, confidence=0.99, min_events=3)
        assert gap(RATE, never, loose) is None
        assert gap(RATE, loose, never) == Gap("above", "nothing ever crosses the other")

    @settings(max_examples=100, deadline=None)
    @given(rate_bars, rate_bars, st.integers(1, 500), st.integers(0, 10_000))
    def test_no_measurement_slips_through_what_was_proved(self, strict: Bar, loose: Bar, k: int, more: int) -> None:
        assume(gap(RATE, strict, loose) is None)
        assert not crosses(RATE, strict, k, k + more) or crosses(RATE, loose, k, k + more)
