"""Measurements against bars: opinions, not decisions."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.reputation import counters
from labeler.reputation.catalogue import Scale
from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.findings import (
    Finding,
    Met,
    Severity,
    bound,
    checks_of,
    crossed,
    find,
    find_all,
    find_possible,
    fresh,
    is_clean,
    room,
    until_clean,
)
from labeler.reputation.intervals import excess, wilson
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Bar, Policy, Rule, parse_policy
from labeler.reputation.windows import SubjectWindows
from tests.filled_windows import filled, setting

HOUR = 490_000
NOW_S = HOUR * 3600 + 1_800
SETTING = setting()  # 10 an hour, 100 a day


def mail(good: int = 0, bad: int = 0, complaints: int = 0, hour: int = HOUR) -> SubjectWindows:
    """Windows after so many recipients were reached, did not exist, and complained."""
    windows = SubjectWindows()
    for number in range(good + bad):
        window = windows.delivered if number < good else windows.invalid
        window.record(f"r{number}", hour)
        windows.addressed.record(f"r{number}", hour)
        windows.reached.record(f"r{number}", hour)
    for number in range(complaints):
        windows.complained.record(f"r{number}", hour)
    return windows


def spray(recipients: int, domains: int, known: int = 0, usual: int = 0) -> SubjectWindows:
    """Recipients of the hour at so many domains, some of them reached before; so many new domains on a usual day."""
    windows = SubjectWindows()
    for number in range(recipients):
        windows.volume.accept(NOW_S)
        windows.addressed.record(f"r{number}", HOUR)
        windows.domain_of[f"r{number}"] = f"d{number % domains}"
        windows.recipient_domains.record(f"d{number % domains}", HOUR)
        windows.new_domains.record(f"d{number % domains}", HOUR)
    for number in range(known):
        windows.delivered.record(f"r{number}", HOUR - 100)
        windows.first_delivered[f"r{number}"] = HOUR - 100
    for number in range(usual):
        windows.new_domains.record(f"u{number}", HOUR - 100)
    return windows


def rule(policy: Policy, name: str) -> Rule:
    return next(item for item in policy.rules if item.id == name)


def look(policy: Policy, name: str, windows: SubjectWindows, floor_s: int = 0) -> Finding:
    return find(rule(policy, name), windows, SETTING, NOW_S, floor_s)


@pytest.mark.parametrize(
    ("good", "bad", "severity", "holds"),
    [
        (0, 0, Severity.NONE, False),
        (12, 1, Severity.NONE, False),
        (24, 2, Severity.NONE, False),
        (0, 2, Severity.NONE, False),
        (0, 3, Severity.THROTTLE, True),
        (11, 3, Severity.THROTTLE, True),
        (12, 3, Severity.NONE, True),
        (97, 3, Severity.NONE, True),
        (98, 3, Severity.NONE, False),
        (18, 4, Severity.THROTTLE, True),
        (19, 4, Severity.NONE, True),
        (0, 5, Severity.SUSPEND, True),
        (12, 5, Severity.SUSPEND, True),
        (13, 5, Severity.SUSPEND, True),
        (14, 5, Severity.THROTTLE, True),
    ],
)
def test_invalid_recipients_at_the_bars(policy: Policy, good: int, bad: int, severity: Severity, holds: bool) -> None:
    finding = look(policy, "invalid-recipients", mail(good, bad))
    assert (finding.severity, finding.holds) == (severity, holds)
    assert finding.bar is (finding.rule.suspend if severity is Severity.SUSPEND else finding.rule.throttle)


@pytest.mark.parametrize(
    ("name", "good", "complaints", "severity"),
    [
        ("complaints", 1_000, 1, Severity.NONE),
        ("complaints", 300, 2, Severity.NONE),
        ("complaints", 300, 3, Severity.THROTTLE),
        ("complaints", 1_000, 3, Severity.NONE),
        ("complaints", 295, 4, Severity.SUSPEND),
        ("complaints", 300, 4, Severity.THROTTLE),
        ("complaints-month", 100, 1, Severity.NONE),
        ("complaints-month", 100, 2, Severity.THROTTLE),
        ("complaints-month", 1_000, 2, Severity.NONE),
        ("complaints-month", 100, 3, Severity.SUSPEND),
    ],
)
def test_complaints_at_the_bars(policy: Policy, name: str, good: int, complaints: int, severity: Severity) -> None:
    assert look(policy, name, mail(good, complaints=complaints)).severity is severity


@pytest.mark.parametrize(
    ("messages", "severity", "holds"),
    [
        (49, Severity.NONE, False),
        (50, Severity.THROTTLE, True),
        (199, Severity.THROTTLE, True),
        (200, Severity.SUSPEND, True),
    ],
)
def test_hourly_volume_at_the_bars(policy: Policy, messages: int, severity: Severity, holds: bool) -> None:
    finding = look(policy, "hourly-volume", filled(minutes=[NOW_S // 60] * messages))
    assert (finding.severity, finding.holds) == (severity, holds)
    assert finding.compared == messages / 10


@pytest.mark.parametrize(
    ("sends", "addresses", "severity", "holds"),
    [
        (4, 4, Severity.NONE, False),
        (5, 5, Severity.NONE, True),
        (9, 3, Severity.NONE, True),
        (10, 2, Severity.NONE, True),
        (10, 3, Severity.THROTTLE, True),
        (50, 9, Severity.THROTTLE, True),
        (50, 10, Severity.SUSPEND, True),
    ],
)
def test_mail_to_the_dead_at_the_bars(
    policy: Policy, sends: int, addresses: int, severity: Severity, holds: bool
) -> None:
    windows = SubjectWindows()
    windows.dead = DeadAddresses()
    for number in range(addresses):
        windows.dead.die(f"r{number}", NOW_S - 90_000)
    for number in range(sends):
        windows.dead.sent(f"r{number % addresses}", NOW_S)
    finding = look(policy, "dead-addresses", windows)
    assert (finding.severity, finding.holds) == (severity, holds)


class TestBounds:
    def test_a_bar_must_be_exceeded_not_met(self, policy: Policy) -> None:
        asked = rule(policy, "domain-spray")
        bar = Bar(above=0.5, min_events=2)
        assert not crossed(asked, bar, Measurement(1, 2, 0.5, 2))
        assert crossed(asked, bar, Measurement(2, 3, 2 / 3, 3))
        assert not crossed(asked, bar, Measurement(1, 1, 1.0, 1)), "too few"

    def test_a_rate_by_the_lower_end_of_its_interval(self) -> None:
        bar = Bar(above=0.05, min_events=3, confidence=0.99)
        assert bound(Scale.RATE, bar, Measurement(3, 14, 3 / 14, 3)) == wilson(3, 14, 0.99)[0]
        assert bound(Scale.COUNT, Bar(above=1, min_events=1), Measurement(3, 14, 3.0, 3)) == 3.0

    def test_an_excess_by_the_lower_end_of_its_own(self) -> None:
        bar = Bar(above=0.03, min_events=3, confidence=0.99)
        measured = Measurement(10, 50, 0.18, 10, (4, 200), "mx")
        assert bound(Scale.EXCESS, bar, measured) == excess(10, 50, 4, 200, 0.99)
        assert bound(Scale.EXCESS, bar, Measurement(0, 0, 0.0, 0)) == -1.0

    @given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
    def test_no_lower_end_lies_above_its_estimate(self, k: int, more: int, pool_k: int, pool_more: int) -> None:
        n, pool_n = k + more, pool_k + pool_more
        if n:
            assert wilson(k, n, 0.95)[0] <= k / n
            if pool_n:
                assert excess(k, n, pool_k, pool_n, 0.95) <= k / n - pool_k / pool_n


class TestConditions:
    @pytest.mark.parametrize(
        ("windows", "severity", "unmet"),
        [
            (spray(49, 49), Severity.NONE, None),
            (spray(50, 42), Severity.NONE, None),
            (spray(50, 43), Severity.THROTTLE, None),
            (spray(50, 43, known=10), Severity.THROTTLE, None),
            (spray(50, 43, known=11), Severity.NONE, "min_first_contact"),
            (spray(50, 43, usual=14), Severity.THROTTLE, None),
            (spray(50, 43, usual=15), Severity.NONE, "min_excess"),
        ],
    )
    def test_a_spray_needs_domains_strangers_and_an_excess(
        self, policy: Policy, windows: SubjectWindows, severity: Severity, unmet: str | None
    ) -> None:
        finding = look(policy, "domain-spray", windows)
        assert finding.severity is severity
        assert [met.name for met in finding.conditions if not met.enough] == ([unmet] if unmet else [])

    def test_they_are_measured_in_order_up_to_the_first_that_is_not_met(self, policy: Policy) -> None:
        assert [met.name for met in look(policy, "domain-spray", spray(50, 50)).conditions] == [
            "min_excess",
            "min_first_contact",
            "min_entropy",
        ]
        (only,) = look(policy, "domain-spray", spray(50, 50, usual=100)).conditions
        assert only == Met("min_excess", 3.0, 0.5, False)

    def test_none_is_measured_before_the_line_is_crossed(self, policy: Policy) -> None:
        assert look(policy, "domain-spray", spray(49, 49)).conditions == ()

    def test_the_suspend_bar_may_ask_what_the_throttle_bar_does_not(self, policy: Policy) -> None:
        """Five that do not exist, all at two domains: strong, but two domains are cheap."""
        windows = mail(0, 5)
        for number in range(5):
            windows.domain_of[f"r{number}"] = f"d{number % 2}"
        for number in range(5):
            windows.delivered.record(f"g{number}", HOUR)
            windows.reached.record(f"g{number}", HOUR)
        finding = look(policy, "invalid-recipients", windows)
        assert (finding.severity, finding.bar) == (Severity.THROTTLE, finding.rule.throttle)
        assert finding.conditions == (Met("elsewhere", 2.0, 0.0, False),)

    def test_what_the_throttle_bar_asked_stands_where_the_suspend_bar_asks_in_vain(self, shipped: str) -> None:
        policy = parse_policy(
            shipped.replace(
                "throttle = { above = 0.05, confidence = 0.995, min_events = 3 }",
                "throttle = { above = 0.05, confidence = 0.995, min_events = 3, min_distinct = 2 }",
            ).replace(
                "suspend = { above = 0.10, confidence = 0.985, min_events = 5, elsewhere = 2 }",
                "suspend = { above = 0.10, confidence = 0.985, min_events = 5, min_distinct = 9 }",
            )
        )
        finding = look(policy, "invalid-recipients", mail(0, 6))
        assert finding.severity is Severity.THROTTLE
        assert finding.conditions == (Met("min_distinct", 2.0, 6, True),)


def test_nothing_before_the_clean_slate_counts(policy: Policy) -> None:
    windows = mail(0, 10)
    assert look(policy, "invalid-recipients", windows, floor_s=HOUR * 3600).severity is Severity.SUSPEND
    lifted = look(policy, "invalid-recipients", windows, floor_s=(HOUR + 1) * 3600)
    throttle = rule(policy, "invalid-recipients").throttle
    assert lifted == Finding(
        rule(policy, "invalid-recipients"),
        Measurement(0, 0, 0.0, 0),
        Severity.NONE,
        throttle,
        False,
        (HOUR + 1) * 3600,
    )


def test_the_window_ends_where_the_policy_says(policy: Policy) -> None:
    assert look(policy, "invalid-recipients", mail(0, 5, hour=HOUR - 168)).severity is Severity.SUSPEND
    assert look(policy, "invalid-recipients", mail(0, 5, hour=HOUR - 169)).severity is Severity.NONE


class TestWhatIsAsked:
    @staticmethod
    def possible(policy: Policy, windows: SubjectWindows, *, holding: bool = False, floor_s: int = 0) -> list[str]:
        found = find_possible(checks_of(policy.rules), windows, SETTING, NOW_S, floor_s, holding=holding)
        return [finding.rule.id for finding in found]

    def test_what_cannot_weigh_anything_is_not_even_measured(self, policy: Policy) -> None:
        windows = mail(100, 3)
        assert [finding.rule.id for finding in find_all(policy.rules, windows, SETTING, NOW_S, 0)] == [
            item.id for item in policy.rules
        ]
        assert self.possible(policy, windows) == ["invalid-recipients"]
        assert self.possible(policy, SubjectWindows()) == []

    def test_busy_rules_are_asked_of_the_busy(self, policy: Policy) -> None:
        idle = filled(minutes=[NOW_S // 60] * 50)  # which nobody could be without messages by the hour
        assert self.possible(policy, idle) == []
        busy = filled(minutes=[NOW_S // 60] * 50, accepted=[HOUR] * 50)
        assert self.possible(policy, busy) == ["hourly-volume", "sustained-volume", "velocity"]

    def test_rare_rules_are_asked_of_those_concerned(self, policy: Policy) -> None:
        windows = filled(blocked=[HOUR] * 5)
        assert self.possible(policy, windows) == []
        windows.rare = True
        assert self.possible(policy, windows) == ["policy-blocks"]

    def test_while_a_label_stands_what_holds_is_found_too(self, policy: Policy) -> None:
        windows = filled(accepted=[HOUR - 5] * 120)
        assert self.possible(policy, windows) == []
        assert self.possible(policy, windows, holding=True) == ["daily-volume"]

    def test_a_clean_slate_may_uncover_what_the_whole_window_hides(self, policy: Policy) -> None:
        """Ordinary mail before a lift must not hide a spray after it."""
        windows = spray(60, 60)
        for number in range(500):
            windows.addressed.record(f"subscriber {number}", HOUR - 10)
        spraying = ["domain-spray-hour"], ["domain-spray-hour", "domain-spray"]
        assert [name for name in self.possible(policy, windows) if "spray" in name] == spraying[0]
        found = find_possible(checks_of(policy.rules), windows, SETTING, NOW_S, HOUR * 3600, holding=False)
        assert [item.rule.id for item in found if item.severity and "spray" in item.rule.id] == spraying[1]

    def test_a_rule_that_could_end_where_it_has_not_begun_is_found_where_it_begins(self, shipped: str) -> None:
        """The proofs refuse such a policy; the fold must not judge by it otherwise than it says."""
        policy = parse_policy(
            shipped.replace('exit_below = 1.0\n\n[[rules]]\nid = "vel', 'exit_below = 9.0\n\n[[rules]]\nid = "vel')
        )
        assert rule(policy, "daily-volume").exit_below == 9.0
        windows = filled(accepted=[HOUR] * 160)
        for holding in (False, True):
            assert "daily-volume" in self.possible(policy, windows, holding=holding)


class TestRoom:
    """How many more messages may come before a rule could fire."""

    @staticmethod
    def left(policy: Policy, windows: SubjectWindows, floor_s: int = 0) -> int:
        return room(checks_of(policy.rules), windows, SETTING, NOW_S, floor_s)

    def test_until_the_busy_rules_are_asked(self, policy: Policy) -> None:
        assert self.left(policy, SubjectWindows()) == 20
        assert self.left(policy, filled(accepted=[HOUR] * 7 + [HOUR - 9] * 3)) == 13
        assert self.left(policy, filled(accepted=[HOUR] * 25)) <= 0

    def test_or_until_the_day_or_a_spray_could_be_too_much(self, policy: Policy) -> None:
        assert self.left(policy, filled(accepted=[HOUR - 9] * 145)) == 5
        assert self.left(policy, filled(addressed=[HOUR - 9] * 47, recipient_domains=[HOUR - 9] * 47)) == 3

    def test_without_busy_rules_only_the_others_limit_it(self, policy: Policy) -> None:
        only = [item for item in policy.rules if item.id == "invalid-recipients"]
        assert room(checks_of(only), SubjectWindows(), SETTING, NOW_S, 0) > 1_000

    def test_none_where_a_window_may_lose_good_mail_within_the_hour(self, shipped: str) -> None:
        uneven = parse_policy(
            shipped.replace(
                'metric = "invalid-recipient-rate"\nwindow = "7d"\nsum',
                'metric = "invalid-recipient-rate"\nwindow = "9090m"\nsum',
            )
        )
        assert rule(uneven, "invalid-recipients").window.seconds % 3600
        assert self.left(uneven, SubjectWindows()) == 0

    def test_none_where_a_clean_slate_cuts_a_window_short(self, policy: Policy) -> None:
        assert self.left(policy, SubjectWindows(), floor_s=(HOUR - 100) * 3600) == 0
        assert self.left(policy, SubjectWindows(), floor_s=(HOUR - 900) * 3600) == 20

    def test_none_once_something_rare_may_say_something(self, policy: Policy) -> None:
        for blocks, left in [(4, 20), (5, 0)]:
            windows = filled(blocked=[HOUR] * blocks)
            windows.rare = True
            assert self.left(policy, windows) == left

    @pytest.mark.parametrize(("bad", "complained", "left"), [(2, 0, 20), (3, 0, 20), (20, 0, 0), (0, 1, 20), (0, 3, 0)])
    def test_none_for_hours_where_a_rate_may_rise(self, policy: Policy, bad: int, complained: int, left: int) -> None:
        windows = mail(200, bad)
        for number in range(complained):
            windows.complained.record(f"c{number}", HOUR)
        assert room(checks_of(policy.rules), windows, SETTING, NOW_S, 0, hours=6) == left
        assert self.left(policy, windows) == 20


class TestUntilClean:
    """How many more recipients it takes at best until a sender could be called clean."""

    @pytest.mark.parametrize(
        ("good", "bad", "more"),
        [(10, 0, 0), (52, 0, 8), (60, 0, 8), (66, 0, 2), (72, 0, 0), (74, 1, 32), (400, 40, 32)],
    )
    def test_a_few_at_a_time(self, policy: Policy, good: int, bad: int, more: int) -> None:
        assert until_clean(policy, mail(good, bad), SETTING, NOW_S, 0, 6) == more

    def test_what_failed_long_ago_may_be_gone_by_then(self, policy: Policy) -> None:
        windows = mail(66)
        for number in range(3):
            windows.invalid.record(f"old {number}", HOUR - 164)
            windows.reached.record(f"old {number}", HOUR - 164)
        assert [until_clean(policy, windows, SETTING, NOW_S, 0, hours) for hours in (0, 6)] == [32, 2]

    def test_nobody_can_say_by_other_measures_or_where_recipients_are_not_known(
        self, shipped: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        policy = parse_policy(shipped)
        other = msgspec.structs.replace(policy, clean=msgspec.structs.replace(policy.clean, metric="complaint-rate"))
        assert until_clean(other, mail(60), SETTING, NOW_S, 0, 6) == 0
        monkeypatch.setattr(counters, "EXACT_MAX", 50)
        assert until_clean(policy, mail(60), SETTING, NOW_S, 0, 6) == 0


@pytest.mark.parametrize(
    ("good", "bad", "clean"),
    [(49, 0, False), (72, 0, False), (73, 0, True), (108, 1, False), (109, 1, True), (5_000, 300, False)],
)
def test_clean_is_enough_evidence_all_of_it_good(policy: Policy, good: int, bad: int, clean: bool) -> None:
    assert is_clean(policy, mail(good, bad), SETTING, NOW_S, 0) is clean


def test_a_clean_slate_is_no_evidence_of_goodness(policy: Policy) -> None:
    assert not is_clean(policy, mail(1_000), SETTING, NOW_S, (HOUR + 1) * 3600)


def test_so_many_good_recipients_it_must_be_whatever_the_interval_says(shipped: str) -> None:
    policy = parse_policy(shipped.replace("min_recipients = 50", "min_recipients = 500"))
    assert not is_clean(policy, mail(499, 1), SETTING, NOW_S, 0)
    assert is_clean(policy, mail(500, 1), SETTING, NOW_S, 0)


def test_fresh_evidence_is_counted_in_whole_hours_as_far_back_as_any_rule_looks(policy: Policy) -> None:
    windows = SubjectWindows()
    for number, age in enumerate([0, 1, 24, 30 * 24, 30 * 24 + 1]):
        windows.reached.record(f"r{number}", HOUR - age)
    since = datetime.fromtimestamp((HOUR - 24) * 3600, tz=UTC)
    assert fresh(policy, windows, since, NOW_S) == 3
    assert fresh(policy, windows, since.replace(minute=1), NOW_S) == 2, "the hour it began in proves nothing"
    long_ago = datetime.fromtimestamp((HOUR - 2_000) * 3600, tz=UTC)
    assert fresh(policy, windows, long_ago, HOUR * 3600) == 4
