"""Measurements against bars: opinions, not decisions."""

import pytest

from labeler.reputation.findings import Finding, Severity, crossed, find, find_all, find_possible, is_clean
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Bar, Caps, Policy, Rule, parse_policy
from labeler.reputation.windows import SubjectWindows

CAPS = Caps(hourly=10, daily=100)
HOUR = 490_000
NOW_S = HOUR * 3600 + 1_800


def mail(good: int = 0, bad: int = 0, complaints: int = 0, hour: int = HOUR) -> SubjectWindows:
    """Windows after so many recipients were reached, did not exist, and complained."""
    windows = SubjectWindows()
    for number in range(good + bad):
        window = windows.delivered if number < good else windows.invalid
        window.record(f"r{number}", hour)
        windows.reached.record(f"r{number}", hour)
    for number in range(complaints):
        windows.complained.record(f"r{number}", hour)
    return windows


def spray(recipients: int, domains: int, known: int = 0) -> SubjectWindows:
    windows = SubjectWindows()
    for number in range(recipients):
        windows.addressed.record(f"r{number}", HOUR)
    for number in range(domains):
        windows.recipient_domains.record(f"d{number}", HOUR)
    for number in range(known):
        windows.delivered.record(f"r{number}", HOUR - 100)
        windows.first_delivered[f"r{number}"] = HOUR - 100
    return windows


def rule(policy: Policy, name: str) -> Rule:
    return next(item for item in policy.rules if item.id == name)


def look(policy: Policy, name: str, windows: SubjectWindows, floor_s: int = 0) -> Finding:
    return find(rule(policy, name), windows, CAPS, NOW_S, floor_s)


@pytest.mark.parametrize(
    ("good", "bad", "severity", "holds"),
    [
        (0, 0, Severity.NONE, False),
        (12, 1, Severity.NONE, False),
        (24, 2, Severity.NONE, False),
        (0, 2, Severity.NONE, False),
        (0, 3, Severity.THROTTLE, True),
        (17, 3, Severity.THROTTLE, True),
        (18, 3, Severity.NONE, True),
        (97, 3, Severity.NONE, True),
        (98, 3, Severity.NONE, False),
        (0, 4, Severity.THROTTLE, True),
        (0, 5, Severity.SUSPEND, True),
        (12, 5, Severity.SUSPEND, True),
        (13, 5, Severity.THROTTLE, True),
    ],
)
def test_invalid_recipients_at_the_bars(policy: Policy, good: int, bad: int, severity: Severity, holds: bool) -> None:
    finding = look(policy, "invalid-recipients", mail(good, bad))
    assert (finding.severity, finding.holds) == (severity, holds)
    assert finding.bar is (finding.rule.suspend if severity is Severity.SUSPEND else finding.rule.throttle)


@pytest.mark.parametrize(
    ("good", "complaints", "severity"),
    [(1_000, 1, Severity.NONE), (500, 2, Severity.THROTTLE), (600, 2, Severity.NONE), (300, 3, Severity.SUSPEND)],
)
def test_complaints_at_the_bars(policy: Policy, good: int, complaints: int, severity: Severity) -> None:
    assert look(policy, "complaints", mail(good, complaints=complaints)).severity is severity


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
    windows = SubjectWindows()
    for _ in range(messages):
        windows.minutes.add(NOW_S // 60)
    finding = look(policy, "hourly-volume", windows)
    assert (finding.severity, finding.holds) == (severity, holds)
    assert finding.compared == messages / CAPS.hourly


def test_a_bar_must_be_exceeded_not_met() -> None:
    bar = Bar(above=0.5, min_events=2)
    assert not crossed(bar, Measurement(1, 2, 0.5, 2))
    assert crossed(bar, Measurement(2, 3, 2 / 3, 3))
    assert not crossed(bar, Measurement(1, 1, 1.0, 1))


@pytest.mark.parametrize(
    ("recipients", "domains", "known", "severity", "share"),
    [
        (49, 49, 0, Severity.NONE, None),
        (50, 42, 0, Severity.NONE, None),
        (50, 43, 0, Severity.THROTTLE, 1.0),
        (50, 43, 9, Severity.THROTTLE, 0.82),
        (50, 43, 10, Severity.NONE, 0.8),
    ],
)
def test_domain_spray_needs_domains_and_strangers(
    policy: Policy, recipients: int, domains: int, known: int, severity: Severity, share: float | None
) -> None:
    finding = look(policy, "domain-spray", spray(recipients, domains, known))
    assert (finding.severity, finding.measurement.first_contact) == (severity, share)


def test_strangers_may_be_asked_for_by_the_suspend_bar_alone(shipped: str) -> None:
    text = shipped.replace(
        ", min_first_contact = 0.8 }", " }\nsuspend = { above = 0.86, min_events = 60, min_first_contact = 0.8 }"
    )
    policy = parse_policy(text)
    assert look(policy, "domain-spray", spray(60, 60)).severity is Severity.SUSPEND
    assert look(policy, "domain-spray", spray(60, 60, known=30)).severity is Severity.THROTTLE


def test_nothing_before_the_clean_slate_counts(policy: Policy) -> None:
    windows = mail(0, 10)
    assert look(policy, "invalid-recipients", windows, floor_s=HOUR * 3600).severity is Severity.SUSPEND
    assert look(policy, "invalid-recipients", windows, floor_s=(HOUR + 1) * 3600) == Finding(
        rule(policy, "invalid-recipients"),
        Measurement(0, 0, 0.0, 0),
        Severity.NONE,
        rule(policy, "invalid-recipients").throttle,
        False,
    )


def test_the_window_ends_where_the_policy_says(policy: Policy) -> None:
    assert look(policy, "invalid-recipients", mail(0, 5, hour=HOUR - 168)).severity is Severity.SUSPEND
    assert look(policy, "invalid-recipients", mail(0, 5, hour=HOUR - 169)).severity is Severity.NONE


def test_what_cannot_weigh_anything_is_not_even_measured(policy: Policy) -> None:
    windows = mail(100, 3)
    assert [finding.rule.id for finding in find_all(policy, windows, CAPS, NOW_S, 0)] == [
        item.id for item in policy.rules
    ]
    assert [finding.rule.id for finding in find_possible(policy, windows, CAPS, NOW_S, 0)] == ["invalid-recipients"]
    assert find_possible(policy, SubjectWindows(), CAPS, NOW_S, 0) == []


@pytest.mark.parametrize(
    ("good", "bad", "clean"),
    [(49, 0, False), (72, 0, False), (73, 0, True), (108, 1, False), (109, 1, True), (5_000, 300, False)],
)
def test_clean_is_enough_evidence_all_of_it_good(policy: Policy, good: int, bad: int, clean: bool) -> None:
    assert is_clean(policy, mail(good, bad), NOW_S, 0) is clean


def test_a_clean_slate_is_no_evidence_of_goodness(policy: Policy) -> None:
    assert not is_clean(policy, mail(1_000), NOW_S, (HOUR + 1) * 3600)


def test_so_many_good_recipients_it_must_be_whatever_the_interval_says(shipped: str) -> None:
    policy = parse_policy(shipped.replace("min_recipients = 50", "min_recipients = 500"))
    assert not is_clean(policy, mail(499, 1), NOW_S, 0)
    assert is_clean(policy, mail(500, 1), NOW_S, 0)
