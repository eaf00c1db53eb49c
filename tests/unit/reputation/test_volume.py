"""How much is sent, by the minute and by the hour, and what is usual: against sums over a plain list."""

from random import Random
from statistics import fmean, pvariance

import pytest

from labeler.reputation.volume import BASELINE_HOURS, HOUR_S, WEEK_HOURS, Baseline, VolumeWindows

HOUR = 490_000
NOTHING = Baseline(0.0, 0.0, 0)


def hourly(counts: dict[int, int]) -> VolumeWindows:
    """So many messages in the hours before `HOUR`, by how long before."""
    volume = VolumeWindows()
    for ago, number in counts.items():
        for n in range(number):
            volume.accept((HOUR - ago) * HOUR_S + n)
    return volume


class TestMinutes:
    def test_two_hours_are_kept_and_not_much_longer(self) -> None:
        volume = VolumeWindows()
        for minute in range(600):
            volume.accept(minute * 60)
            volume.refuse(minute * 60 + 59)
            for window in (volume.minutes, volume.refused):
                assert window.count(minute - 125) == min(minute + 1, 126), "two hours, from a clock five minutes slow"
                assert len(window.buckets) <= 252
        assert volume.accepted.total == 600

    def test_an_hour_begins_with_the_minute(self) -> None:
        volume = VolumeWindows()
        for second in (59, 60, 119, 120):
            volume.accept(second)
        assert [volume.minutes.count(minute) for minute in range(4)] == [4, 3, 1, 0]

    def test_late_reports_of_long_ago_take_no_room(self) -> None:
        volume = VolumeWindows()
        for minute in range(2_000):
            volume.accept(HOUR * HOUR_S)
            volume.refuse((HOUR - 100) * HOUR_S + minute * 60)
            volume.accept((HOUR - 100) * HOUR_S + minute * 60)
        assert len(volume.refused.buckets) <= 252
        assert len(volume.minutes.buckets) <= 252
        assert volume.minutes.count(HOUR * 60 - 125) == 2_000


class TestAttempts:
    def test_what_was_refused_counts_too(self) -> None:
        volume = VolumeWindows()
        for ago in (0, 60, 119):
            volume.accept(HOUR * HOUR_S - ago * 60)
            volume.refuse(HOUR * HOUR_S - ago * 60)
        assert volume.attempts(HOUR) == 6
        assert volume.attempts(HOUR + 100) == 3, "refusals until they are swept, mail of two hours"

    def test_it_bounds_what_any_moment_of_the_hour_sees(self) -> None:
        random, volume = Random(6), VolumeWindows()
        moments = [(HOUR - 6) * HOUR_S + random.randrange(7 * HOUR_S) for _ in range(500)]
        for moment in moments:
            (volume.accept if random.random() < 0.7 else volume.refuse)(moment)
        for now in range(HOUR * HOUR_S, (HOUR + 1) * HOUR_S, 137):
            told = sum(now - 2 * HOUR_S <= moment <= now + 300 for moment in moments)
            assert volume.attempts(HOUR) >= told


class TestBaseline:
    def test_whoever_never_sent_has_none(self) -> None:
        assert VolumeWindows().baseline(HOUR) == NOTHING

    def test_the_present_hour_is_not_usual_yet(self) -> None:
        assert hourly({0: 50}).baseline(HOUR) == NOTHING

    def test_what_is_older_than_four_weeks_says_nothing(self) -> None:
        assert hourly({BASELINE_HOURS + 1: 50, 0: 9}).baseline(HOUR) == NOTHING
        assert hourly({BASELINE_HOURS: 50}).baseline(HOUR).hours == BASELINE_HOURS

    def test_the_hours_before_the_first_message_do_not_count(self) -> None:
        assert hourly({1: 12}).baseline(HOUR) == (12.0, 12.0, 1)
        usual = hourly({2: 12, 1: 6}).baseline(HOUR)
        assert (usual.mean, usual.variance, usual.hours) == (9.0, 9.0, 2)

    def test_steady_mail_is_usual_with_the_variance_of_chance(self) -> None:
        assert hourly(dict.fromkeys(range(1, 673), 10)).baseline(HOUR) == pytest.approx((10.0, 10.0, 672))

    def test_the_hour_of_the_week_is_drawn_towards_the_whole(self) -> None:
        """Once a week 100 messages, always at this hour: four sights of 100 and two votes of the mean."""
        usual = hourly({WEEK_HOURS * week: 100 for week in (1, 2, 3, 4)}).baseline(HOUR)
        mean = 400 / 672
        assert usual.mean == pytest.approx((400 + 2 * mean) / 6)
        assert usual.hours == 672
        quiet = hourly({WEEK_HOURS * week - 1: 100 for week in (1, 2, 3, 4)}).baseline(HOUR)
        assert quiet.mean < mean, "an hour in which nothing ever came is quieter than most"

    def test_the_variance_grows_with_the_square_of_the_hour(self) -> None:
        random = Random(7)
        counts = {ago: random.randrange(40) for ago in range(1, 673)} | {672: 1}
        usual = hourly(counts).baseline(HOUR)
        numbers = list(counts.values())
        mean, variance = fmean(numbers), pvariance(numbers)
        alike = [counts[WEEK_HOURS * week] for week in (1, 2, 3, 4)]
        expected = (sum(alike) + 2 * mean) / 6
        assert usual.mean == pytest.approx(expected)
        assert usual.variance == pytest.approx(expected + (variance - mean) * (expected / mean) ** 2)

    def test_late_mail_changes_what_is_usual_and_present_mail_does_not(self) -> None:
        volume = hourly({2: 12, 1: 12})
        before = volume.baseline(HOUR)
        volume.accept(HOUR * HOUR_S)
        assert volume.baseline(HOUR) is before, "measured once an hour"
        volume.accept((HOUR - 1) * HOUR_S)
        assert volume.baseline(HOUR).mean == 12.5
        assert volume.baseline(HOUR + 1).hours == 3

    @pytest.mark.parametrize("old", [{}, {721: 9}, {700: 9}, {900: 9, 700: 9, 673: 1}])
    def test_a_sweep_changes_no_baseline(self, old: dict[int, int]) -> None:
        counts = old | {300: 5, 20: 7, 3: 1}
        volume, swept = hourly(counts), hourly(counts)
        swept.baseline(HOUR)
        swept.expire(HOUR, HOUR - 720)
        assert swept.baseline(HOUR) == volume.baseline(HOUR)
        assert swept.baseline(HOUR).hours == 300


def test_a_sweep_forgets_minutes_after_hours_and_hours_after_a_month() -> None:
    volume = hourly({1_000: 1, 720: 1, 4: 1, 3: 1, 0: 1})
    volume.refuse((HOUR - 4) * HOUR_S)
    volume.refuse(HOUR * HOUR_S)
    volume.expire(HOUR, HOUR - 720)
    assert (volume.minutes.total, volume.refused.total, volume.accepted.total) == (2, 1, 4)
