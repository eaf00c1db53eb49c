"""Hourly buckets: full at first, evened out, never more than an hour saved up."""

from datetime import UTC, datetime, timedelta

import pytest

from relay_hooks import throttle
from relay_hooks.throttle import HourlyBuckets

NOW = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_bucket_starts_full_and_refills_evenly() -> None:
    buckets = HourlyBuckets()
    assert buckets.take("a", 12, 12, NOW)
    assert not buckets.take("a", 1, 12, NOW)
    assert not buckets.take("a", 1, 12, NOW + timedelta(minutes=4, seconds=59))
    assert buckets.take("a", 1, 12, NOW + timedelta(minutes=5))
    assert buckets.tokens("a", 12, NOW + 10 * HOUR) == 12


def test_taking_too_much_takes_nothing() -> None:
    buckets = HourlyBuckets()
    assert not buckets.take("a", 13, 12, NOW)
    assert buckets.take("a", 12, 12, NOW)


def test_names_do_not_share_tokens() -> None:
    buckets = HourlyBuckets()
    assert buckets.take("a", 5, 5, NOW)
    assert buckets.take("b", 5, 5, NOW)


def test_tokens_given_back_fill_no_bucket_over_its_cap() -> None:
    buckets = HourlyBuckets()
    buckets.take("a", 3, 5, NOW)
    buckets.give_back("a", 2, 5, NOW)
    assert buckets.tokens("a", 5, NOW) == 4
    buckets.give_back("a", 9, 5, NOW)
    assert buckets.tokens("a", 5, NOW) == 5
    buckets.give_back("never used", 1, 5, NOW)
    assert buckets.tokens("never used", 5, NOW) == 5


def test_a_clock_set_back_and_forth_gives_no_tokens_away() -> None:
    buckets = HourlyBuckets()
    buckets.take("a", 5, 5, NOW)
    assert not buckets.take("a", 1, 5, NOW - HOUR)
    buckets.give_back("a", 0, 5, NOW - HOUR)
    assert buckets.tokens("a", 5, NOW) == 0


def test_the_wait_is_told_in_seconds() -> None:
    buckets = HourlyBuckets()
    buckets.take("a", 5, 5, NOW)
    assert buckets.wait_s("a", 1, 5, NOW) == pytest.approx(720)
    assert buckets.wait_s("a", 99, 5, NOW) == pytest.approx(3600)
    assert buckets.wait_s("b", 1, 5, NOW) == 0
    assert buckets.wait_s("c", 1, 0, NOW) == 3600


def test_a_cap_lowered_in_use_holds_at_once() -> None:
    buckets = HourlyBuckets()
    buckets.take("a", 1, 100, NOW)
    assert buckets.tokens("a", 10, NOW) == 10


def test_buckets_that_are_full_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_SWEEP_AT", 10)
    buckets = HourlyBuckets()
    for number in range(10):
        buckets.take(f"old {number}", 1, 5, NOW)
    for number in range(30):
        buckets.take(f"new {number}", 1, 5, NOW + HOUR)
    assert not buckets.take("new 0", 5, 5, NOW + HOUR)
    assert len(buckets._buckets) < 40
