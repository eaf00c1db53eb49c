"""How many, how many distinct, what is new: against a plain list, exactly; and about right where there are too many."""

from random import Random

import pytest

from labeler.reputation import counters
from labeler.reputation.counters import EXACT_MAX, QUIET, CountWindow, DistinctWindow, FirstSeen, halve


class TestCountWindow:
    def test_everything_is_counted_in_its_bucket(self) -> None:
        window = CountWindow()
        for bucket in (3, 3, 1):
            window.add(bucket)
        assert [window.count(since) for since in range(5)] == [3, 3, 2, 2, 0]
        window.add(2)
        assert (window.count(4), window.count(2), window.total) == (0, 3, 4)

    def test_several_at_once(self) -> None:
        window = CountWindow()
        window.add(5, 40)
        assert (window.count(5), window.total) == (40, 40)

    def test_one_moves_to_another_bucket(self) -> None:
        window = CountWindow()
        window.move(3, None)
        assert [window.count(since) for since in (3, 4)] == [1, 0]
        window.move(7, 3)
        assert [window.count(since) for since in (3, 4, 7, 8)] == [1, 1, 1, 0]
        assert window.total == 1

    def test_expiry_forgets_old_buckets_and_says_so_in_the_total(self) -> None:
        window = CountWindow()
        for bucket in (3, 3, 1):
            window.add(bucket)
        window.count(1)
        window.expire(1)
        assert window.total == 3
        window.expire(2)
        assert (window.buckets, window.total, window.count(0)) == ({3: 2}, 2, 2)

    def test_a_window_asked_for_before_the_expiry_moves_on_rightly(self) -> None:
        window = CountWindow()
        for bucket in (3, 5, 7):
            window.add(bucket)
        assert window.count(3) == 3
        window.expire(5)
        assert (window.count(6), window.count(8)) == (1, 0)

    @pytest.mark.parametrize("step", [1, 5, 12, 13, 100])
    def test_windows_that_move_on_stay_right(self, step: int) -> None:
        """Three of different length, moving by a little or a lot, while late events still come in."""
        random, window, told = Random(step), CountWindow(), list[int]()
        for now in range(0, 40 * step, step):
            for bucket in (now, now, now - random.randrange(40), now - random.randrange(400)):
                window.add(bucket)
                told.append(bucket)
            for length in random.sample([1, 24, 168, 720], 3):
                assert window.count(now - length) == sum(bucket >= now - length for bucket in told)

    def test_more_windows_than_are_remembered_stay_right(self) -> None:
        random, window, told = Random(9), CountWindow(), list[int]()
        for _ in range(200):
            told.append(random.randrange(100))
            window.add(told[-1])
            since = random.randrange(100)
            assert window.count(since) == sum(bucket >= since for bucket in told)
        assert window._marks is not None
        assert len(window._marks) == 4

    def test_a_window_may_go_back_in_time(self) -> None:
        window = CountWindow()
        for bucket in range(30):
            window.add(bucket)
        assert [window.count(since) for since in (10, 15, 3, 10, 15, 16)] == [20, 15, 27, 20, 15, 14]


class TestDistinctWindow:
    def test_an_item_is_counted_once_however_often_it_is_seen(self) -> None:
        window = DistinctWindow()
        for item, bucket in [("a", 3), ("a", 3), ("a", 1), ("b", 2)]:
            window.record(item, bucket)
        assert [window.count(since) for since in range(5)] == [2, 2, 2, 1, 0]
        assert list(window.items(3)) == ["a"]
        assert list(window.items(0)) == ["a", "b"]
        assert (window.exact, window.size) == (True, 2)

    def test_it_tells_what_was_unknown(self) -> None:
        window = DistinctWindow()
        sights = [("a", 3), ("a", 3), ("a", 1), ("a", 9), ("b", 0)]
        assert [window.record(*sight) for sight in sights] == [True, False, False, False, True]

    @pytest.mark.parametrize(("quiet", "news"), [(1, False), (QUIET, False), (QUIET + 1, True)])
    def test_what_was_not_seen_for_so_long_is_news_again(self, quiet: int, news: bool) -> None:
        window = DistinctWindow()
        window.record("a", 5)
        assert window.record("a", 5 + quiet) is news
        assert not window.record("a", 5 + quiet)
        assert (window.count(6), window.size) == (1, 1)

    def test_a_later_sight_moves_an_item_into_narrower_windows(self) -> None:
        window = DistinctWindow()
        window.record("a", 1)
        assert window.count(5) == 0
        window.record("a", 4)
        assert window.count(5) == 0
        window.record("a", 5)
        assert window.count(5) == 1
        window.record("a", 9)
        assert (window.count(5), window.count(9)) == (1, 1)

    def test_windows_asked_for_before_hear_of_new_items(self) -> None:
        window = DistinctWindow()
        assert (window.count(5), window.count(2)) == (0, 0)
        window.record("a", 3)
        assert (window.count(5), window.count(2)) == (0, 1)

    def test_between_counts_by_the_latest_sight(self) -> None:
        window = DistinctWindow()
        for item, bucket in [("a", 1), ("b", 2), ("c", 2), ("d", 4), ("a", 4)]:
            window.record(item, bucket)
        assert [window.between(first, last) for first, last in [(1, 1), (2, 2), (2, 4), (3, 3), (5, 9)]] == [
            *(0, 2, 4, 0, 0)
        ]

    def test_expiry_forgets_only_what_was_last_seen_before(self) -> None:
        window = DistinctWindow()
        for item, bucket in [("a", 1), ("b", 2), ("a", 3)]:
            window.record(item, bucket)
        window.count(3)
        window.expire(1)
        assert (window.last, window.count(3)) == ({"a": 3, "b": 2}, 1)
        window.expire(3)
        assert (window.last, window.alive, window.count(0)) == ({"a": 3}, {3: 1}, 1)
        assert window.record("b", 4), "what was forgotten is unknown again"


class TestTooMany:
    """Beyond `EXACT_MAX` items nothing is known of them but about how many there are."""

    @pytest.fixture(autouse=True)
    def few_are_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 50)

    @staticmethod
    def window_of(number: int) -> DistinctWindow:
        window = DistinctWindow()
        for n in range(number):
            window.record(f"item {n}", n)
        return window

    def test_as_many_as_allowed_are_known(self) -> None:
        window = self.window_of(50)
        assert window.exact
        assert (window.count(10), window.size, len(list(window.items(10)))) == (40, 50, 40)

    def test_one_more_is_about_right_in_every_window(self) -> None:
        window = self.window_of(50)
        assert window.count(40) == 10
        assert window.record("item 50", 50), "this one was unknown"
        assert not window.exact
        assert not list(window.items(0))
        assert window.size == pytest.approx(51, abs=2)
        assert [window.count(since) for since in (40, 50, 51)] == [11, 1, 0]
        assert window.between(20, 29) == pytest.approx(10, abs=2)

    def test_nothing_is_news_any_more(self) -> None:
        window = self.window_of(60)
        assert not window.record("item 0", 60)
        assert not window.record("never seen", 60)
        assert window.count(60) == 2

    def test_memory_stays_bounded(self) -> None:
        window = self.window_of(20_000)
        assert (window.last, window.alive) == ({}, {})
        assert window.size == pytest.approx(20_000, rel=0.06)

    def test_once_all_are_forgotten_the_count_is_exact_again(self) -> None:
        window = self.window_of(60)
        window.expire(59)
        assert (window.exact, window.count(0)) == (False, 1)
        window.expire(60)
        assert (window.exact, window.size) == (True, 0)
        assert window.record("item 0", 70)
        assert list(window.items(0)) == ["item 0"]


def test_the_real_bound_is_a_flood_away() -> None:
    """Exact for two months at the default daily cap, then within three standard errors, at the memory of a sketch."""
    window = DistinctWindow()
    for n in range(EXACT_MAX):
        window.record(f"{n:032x}", n // 100)
    assert (window.exact, window.count(100), len(window.last)) == (True, EXACT_MAX - 10_000, EXACT_MAX)
    for n in range(EXACT_MAX, 400_000):
        window.record(f"{n:032x}", n // 100)
    assert (window.exact, window.last, window.alive) == (False, {}, {})
    for since in (0, 500, 2_000, 3_000):
        assert window.count(since) == pytest.approx(400_000 - since * 100, rel=0.05)


class TestFirstSeen:
    def test_an_item_is_new_once_where_it_was_seen_first(self) -> None:
        seen = FirstSeen()
        for item, bucket in [("a", 5), ("a", 7), ("b", 6), ("a", 2), ("b", 6)]:
            seen.record(item, bucket)
        assert [seen.count(bucket, bucket + 1) for bucket in range(8)] == [0, 0, 1, 0, 0, 0, 1, 0]
        assert (seen.count(0, 8), seen.count(2, 6), seen.count(3, 6)) == (2, 1, 0)

    def test_the_order_of_sights_does_not_matter(self) -> None:
        random = Random(4)
        sights = [(f"item {random.randrange(30)}", random.randrange(20)) for _ in range(100)]
        straight, shuffled = FirstSeen(), FirstSeen()
        for item, bucket in sights:
            straight.record(item, bucket)
        for item, bucket in random.sample(sights, len(sights)):
            shuffled.record(item, bucket)
        assert straight.first == shuffled.first == {item: min(b for i, b in sights if i == item) for item, _ in sights}
        assert [straight.count(b, b + 1) for b in range(20)] == [shuffled.count(b, b + 1) for b in range(20)]

    def test_what_comes_back_after_long_is_new_where_it_came_back(self) -> None:
        seen = FirstSeen()
        seen.renew("a", 5)
        assert seen.first == {"a": 5}
        seen.renew("a", 900)
        assert (seen.first, seen.count(0, 10), seen.count(900, 901)) == ({"a": 900}, 0, 1)
        seen.record("a", 895)
        assert (seen.count(895, 896), seen.count(900, 901)) == (1, 0)

    def test_too_many_are_not_new(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 3)
        seen = FirstSeen()
        for n in range(10):
            seen.record(f"item {n}", n)
        assert (seen.count(0, 10), len(seen.first)) == (3, 3)
        seen.record("item 2", 0)
        assert seen.count(0, 1) == 2, "what is known may still turn out older"

    @pytest.mark.parametrize(
        ("news", "since", "until", "width", "usual"),
        [
            ([], 0, 100, 1, 0.0),
            ([50], 0, 100, 1, 1.0),
            ([50, 50, 50, 60], 0, 100, 1, 2.0),
            ([50, 50, 50, 60], 0, 100, 24, 2.0),
            ([99, 76, 75], 0, 100, 24, 1.5),
            ([99, 76, 52], 0, 100, 24, 1.5),
            ([99, 76, 0], 0, 100, 24, 1.5),
            ([0, 100, 101], 0, 100, 24, 1.0),
            ([4, 5], 5, 100, 24, 1.0),
        ],
        ids=[
            "never",
            "one hour",
            "quiet hours do not count",
            "all in two days",
            "the last day ends with the window",
            "two in the last day and one in the day before",
            "a day with none between",
            "what is new now is not usual",
            "nor what is older",
        ],
    )
    def test_what_is_usual(self, news: list[int], since: int, until: int, width: int, usual: float) -> None:
        seen = FirstSeen()
        for number, bucket in enumerate(news):
            seen.record(f"item {number}", bucket)
        assert seen.usual(since, until, width) == usual

    def test_an_hour_whose_news_turned_out_older_is_not_busy(self) -> None:
        seen = FirstSeen()
        for bucket in (50, 40):
            seen.record("a", bucket)
        seen.record("b", 41)
        assert seen.usual(0, 100, 1) == 1.0

    def test_what_the_window_forgot_is_new_again(self) -> None:
        seen, window = FirstSeen(), DistinctWindow()
        for item, bucket in [("a", 1), ("b", 2), ("a", 9)]:
            window.record(item, bucket)
            seen.record(item, bucket)
        window.expire(1)
        seen.keep(window, 1)
        assert seen.first == {"a": 1, "b": 2}
        window.expire(5)
        seen.keep(window, 5)
        assert (seen.first, seen.new) == ({"a": 1}, {1: 1}), "what was seen since is as old as it was"
        seen.record("b", 9)
        assert seen.count(9, 10) == 1

    def test_where_the_window_knows_no_items_old_news_is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 3)
        seen, window = FirstSeen(), DistinctWindow()
        for n in range(5):
            window.record(f"item {n}", n)
            seen.record(f"item {n}", n)
        seen.keep(window, 0)
        assert seen.count(0, 9) == 3
        seen.keep(window, 2)
        assert (seen.first, seen.new) == ({"item 2": 2}, {2: 1})


def test_the_newer_half_is_kept() -> None:
    known = {f"item {n}": n for n in range(7)}
    assert list(halve(known).values()) == [3, 4, 5, 6]
    assert halve({"one": 1}) == {"one": 1}
    assert halve({}) == {}
