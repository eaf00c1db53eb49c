"""Whether a rule could say anything at all, and how much more mail it takes: bounds, asked after every batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.reputation import counters
from labeler.reputation.auth_mail import AuthMailWindows
from labeler.reputation.counters import DistinctWindow
from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.metrics import METRICS, View
from labeler.reputation.policy import Caps
from labeler.reputation.windows import SubjectWindows
from tests.filled_windows import HOUR, NOW_S, fill, filled, rule, setting


def with_dead(sends: int) -> SubjectWindows:
    windows = SubjectWindows()
    windows.dead = DeadAddresses()
    fill(windows.dead.sends, [HOUR] * sends)
    return windows


def with_auth_mail(strangers: int = 0, repeats: int = 0) -> SubjectWindows:
    windows = SubjectWindows()
    windows.auth_mail = AuthMailWindows()
    fill(windows.auth_mail.strangers, [HOUR] * strangers)
    fill(windows.auth_mail.repeats, [HOUR] * repeats)
    return windows


def with_evasions(number: int) -> SubjectWindows:
    windows = SubjectWindows()
    fill(windows.suppressing().evaded, [HOUR] * number)
    return windows


def with_reports(number: int) -> SubjectWindows:
    windows = SubjectWindows()
    for index in range(number):
        windows.reported().report(f"r{index}", 0, None, None)
    return windows


def with_traps(number: int) -> SubjectWindows:
    windows = SubjectWindows()
    windows.traps = DistinctWindow()
    fill(windows.traps, [HOUR] * number)
    return windows


NOTHING = SubjectWindows()
MINUTE = NOW_S // 60


@pytest.mark.parametrize(
    ("metric", "windows", "min_events", "least", "possible"),
    [
        ("invalid-recipient-rate", filled(invalid=[1] * 3), 3, 0.5, True),
        ("invalid-recipient-rate", filled(invalid=[1] * 2), 3, 0.5, False),
        ("complaint-rate", filled(complained=[1] * 3), 3, 0.5, True),
        ("complaint-rate", filled(complained=[1] * 2), 3, 0.5, False),
        ("policy-block-excess", filled(blocked=[1] * 3), 3, 0.5, True),
        ("policy-block-excess", filled(blocked=[1] * 2), 3, 0.5, False),
        ("hourly-volume", filled(minutes=[MINUTE] * 5), 3, 0.5, True),
        ("hourly-volume", filled(minutes=[MINUTE] * 4), 3, 0.5, False),
        ("hourly-volume", filled(minutes=[MINUTE] * 5), 6, 0.5, False),
        ("hourly-volume", filled(minutes=[MINUTE - 61] * 5), 3, 0.5, False),
        ("daily-volume", filled(accepted=[HOUR] * 50), 3, 0.5, True),
        ("daily-volume", filled(accepted=[HOUR] * 49), 3, 0.5, False),
        ("daily-volume", filled(accepted=[HOUR] * 50), 51, 0.5, False),
        ("daily-volume", filled(accepted=[HOUR - 2] * 50), 3, 0.5, False),
        ("sustained-volume", filled(accepted=[HOUR] * 3, refused=[MINUTE] * 2), 3, 0.5, True),
        ("sustained-volume", filled(accepted=[HOUR] * 3, refused=[MINUTE] * 1), 3, 0.5, False),
        ("sustained-volume", filled(accepted=[HOUR] * 3, refused=[MINUTE] * 2), 6, 0.5, False),
        ("velocity", filled(minutes=[MINUTE] * 3), 3, 0.5, True),
        ("velocity", filled(minutes=[MINUTE] * 2), 3, 0.5, False),
        ("domain-spray", filled(accepted=[HOUR] * 10, addressed=[HOUR] * 10, recipient_domains=[1] * 5), 10, 0.5, True),
        ("domain-spray", filled(accepted=[HOUR] * 9, addressed=[HOUR] * 9, recipient_domains=[1] * 9), 10, 0.5, False),
        (
            "domain-spray",
            filled(accepted=[HOUR] * 10, addressed=[HOUR] * 10, recipient_domains=[1] * 4),
            10,
            0.5,
            False,
        ),
        ("domain-spray", filled(accepted=[1] * 10, addressed=[HOUR] * 10, recipient_domains=[1] * 5), 10, 0.5, False),
        ("domain-spray", filled(accepted=[HOUR] * 20, addressed=[1] * 10, recipient_domains=[1] * 9), 10, 0.5, False),
        (
            "domain-spray",
            filled(accepted=[HOUR] * 20, addressed=[HOUR] * 20, recipient_domains=[1] * 9),
            10,
            0.5,
            False,
        ),
        ("dead-address-sends", with_dead(3), 1, 3, True),
        ("dead-address-sends", with_dead(2), 1, 3, False),
        ("dead-address-sends", NOTHING, 1, 0.5, False),
        ("auth-mail-first-contact", with_auth_mail(strangers=3), 3, 0.5, True),
        ("auth-mail-first-contact", with_auth_mail(strangers=2), 3, 0.5, False),
        ("auth-mail-first-contact", NOTHING, 3, 0.5, False),
        ("auth-mail-repeats", with_auth_mail(repeats=3), 1, 3, True),
        ("auth-mail-repeats", with_auth_mail(repeats=2), 1, 3, False),
        ("auth-mail-repeats", NOTHING, 1, 0.5, False),
        ("suppression-evasion", with_evasions(3), 1, 3, True),
        ("suppression-evasion", with_evasions(2), 1, 3, False),
        ("suppression-evasion", NOTHING, 1, 0.5, False),
        ("unanswered-asks", with_reports(1), 1, 1, True),
        ("unanswered-reports", with_reports(1), 1, 2, False),
        ("unanswered-reports", NOTHING, 1, 0.5, False),
        ("trap-rate", with_traps(2), 2, 0.5, True),
        ("trap-rate", with_traps(1), 2, 0.5, False),
        ("trap-rate", NOTHING, 2, 0.5, False),
        ("foreign-from", filled(from_domains=[1] * 3), 1, 3, True),
        ("foreign-from", filled(from_domains=[1] * 2), 1, 3, False),
        ("submitting-networks", filled(clients=[HOUR] * 3), 1, 3, True),
        ("submitting-networks", filled(clients=[HOUR] * 2), 1, 3, False),
        ("submitting-networks", filled(clients=[HOUR, HOUR, HOUR - 5]), 1, 3, False),
    ],
)
def test_whether_a_rule_could_say_anything_at_all(
    metric: str, windows: SubjectWindows, min_events: int, least: float, possible: bool
) -> None:
    asked = METRICS[metric].possible(rule(metric, min_events), windows, setting(), NOW_S, least)
    assert asked is possible


@given(st.integers(1, 200), st.integers(1, 10_000), st.integers(1, 3_000))
def test_rounding_never_makes_a_rule_that_holds_impossible(k: int, cap: int, thousandths: int) -> None:
    exit_below = thousandths / 1000
    windows = filled(minutes=[MINUTE] * k, accepted=[HOUR] * k)
    measured_in = setting(Caps(hourly=cap, daily=cap))
    for metric in ("hourly-volume", "daily-volume", "sustained-volume"):
        holds = METRICS[metric].measure(View(windows, NOW_S - 3600, NOW_S, measured_in)).estimate >= exit_below
        possible = METRICS[metric].possible(rule(metric, 1, exit_below), windows, measured_in, NOW_S, exit_below)
        assert possible or not holds
        assert metric == "sustained-volume" or possible is holds


class TestRoom:
    """How many more messages it takes until a rule could fire."""

    @staticmethod
    def left(
        metric: str, windows: SubjectWindows, least: float, min_events: int = 3, window: str = "1h", hours: int = 0
    ) -> int:
        room = METRICS[metric].room
        assert room is not None
        return room(rule(metric, min_events, window=window), windows, setting(), NOW_S, least, hours)

    def test_up_to_so_many_a_day_as_the_cap_and_the_bar_allow(self) -> None:
        windows = filled(accepted=[HOUR - 30] * 50 + [HOUR] * 40)
        assert self.left("daily-volume", windows, 1.5, window="24h") == 150 - 40
        assert self.left("daily-volume", windows, 1.5, min_events=200, window="24h") == 200 - 40

    def test_up_to_the_recipients_a_spray_needs_and_then_the_domains(self) -> None:
        few = filled(addressed=[HOUR] * 8, recipient_domains=[HOUR] * 8)
        assert self.left("domain-spray", few, 0.85, min_events=50) == 42
        many = filled(addressed=[HOUR] * 100, recipient_domains=[HOUR] * 40)
        assert self.left("domain-spray", many, 0.85, min_events=50) == 85 - 40

    def test_hours_on_the_domains_are_out_of_those_who_stay(self) -> None:
        leaving = filled(addressed=[HOUR - 22] * 60 + [HOUR] * 100, recipient_domains=[HOUR] * 40)
        assert self.left("domain-spray", leaving, 0.85, min_events=50, window="24h") == 136 - 40
        assert self.left("domain-spray", leaving, 0.85, min_events=50, window="24h", hours=6) == 85 - 40
        assert self.left("domain-spray", leaving, 0.85, min_events=50, window="1h", hours=6) == 42 - 40

    def test_hours_on_nobody_can_say_where_recipients_are_not_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 10)
        crowd = filled(addressed=[HOUR] * 20)
        assert self.left("domain-spray", crowd, 0.85, min_events=50) > 0
        assert self.left("domain-spray", crowd, 0.85, min_events=50, hours=6) == 0

    @pytest.mark.parametrize(
        ("invalid", "reached", "stays"),
        [
            ([HOUR] * 3, [HOUR] * 100, True),
            ([HOUR] * 3, [HOUR - 100] * 100, False),
            ([HOUR] * 3, [HOUR] * 60, False),
            ([HOUR], [], False),
            ([HOUR] * 3, [HOUR] * 300, False),
        ],
    )
    def test_a_rate_stays_low_if_it_is_out_of_those_who_stay(
        self, monkeypatch: pytest.MonkeyPatch, invalid: list[int], reached: list[int], stays: bool
    ) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 200)
        asked = METRICS["invalid-recipient-rate"].stays
        assert asked is not None
        windows = filled(invalid=invalid, reached=reached)
        assert asked(rule("invalid-recipient-rate", 3, window="100h"), windows, NOW_S, 0.05, 6) is stays

    @pytest.mark.parametrize(
        ("metric", "window"), [("foreign-from", "from_domains"), ("submitting-networks", "clients")]
    )
    def test_what_was_seen_long_ago_may_be_seen_again(self, metric: str, window: str) -> None:
        """What was never seen stirs the windows by itself."""
        assert self.left(metric, filled(**{window: [HOUR, HOUR]}), 3) > 100
        assert self.left(metric, filled(**{window: [1, 1, HOUR]}), 3) == 2
        assert self.left(metric, filled(**{window: [HOUR] * 4}), 3) < 0
