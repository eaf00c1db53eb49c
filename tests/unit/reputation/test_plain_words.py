"""A rule in plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from labeler.reputation.boundaries import ANY
from labeler.reputation.plain_words import boundaries, duration, number, of_at_most, ordinal, over, percent, when
from labeler.reputation.policy import Bar, Policy, Rule, Span


def rule(policy: Policy, rule_id: str) -> Rule:
    """A rule by its id."""
    return next(rule for rule in policy.rules if rule.id == rule_id)


def sentence(rule: Rule, bar: Bar | None = None) -> str:
    """When the bar is crossed, the throttle bar unless another is given."""
    return "".join(when(rule, bar if bar is not None else rule.throttle))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3, "3"), (3.0, "3"), (1000, "1 000"), (1e6, "1 000 000"), (0.0005, "0.0005"), (1234.5, "1 234.5")],
)
def test_numbers_are_written_out(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.05, "5 %"), (0.07, "7 %"), (0.999, "99.9 %"), (0.0005, "0.05 %"), (1e-7, "0.00001 %")]
)
def test_shares_are_per_cent_to_the_last_digit(share: float, text: str) -> None:
    assert percent(share) == text


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_what_differs_reads_differently(one: float, other: float) -> None:
    assert (number(one) == number(other)) == (one == other)
    assert (percent(one) == percent(other)) == (one == other)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (604_800, "7 days"),
    ],
)
def test_durations_are_told_in_their_largest_unit(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_ordinals() -> None:
    told = [ordinal(count) for count in (1, 3, 12, 13, 20, 21, 22, 23, 101, 111, 112, 1_003)]
    assert told == [
        *("first", "third", "twelfth", "13th", "20th", "21st", "22nd", "23rd", "101st", "111th", "112th", "1 003rd"),
    ]


def test_a_rate_is_told_with_how_sure_we_are(policy: Policy) -> None:
    recipients = rule(policy, "invalid-recipients")
    assert sentence(recipients) == (
        "when at least 3 recipients in 7 days do not exist "
        "and we can be 99.5 % sure that more than 5 % of its recipients do not"
    )
    assert sentence(recipients, recipients.suspend).endswith(
        "; without the 2 domains that fail most, the rest lies above the throttle bar too, with 90 % confidence"
    )
    assert over(recipients) == "under 3 % of its recipients do not exist"


def test_a_count_is_told_by_the_number_that_crosses(policy: Policy) -> None:
    dead = rule(policy, "dead-addresses")
    assert sentence(dead) == (
        "when at least 10 messages in 1 day go to addresses that were reported not to exist; "
        "3 addresses or more are concerned"
    )
    assert sentence(dead, Bar(above=14.5, min_events=2)).startswith("when at least 15 messages")
    assert over(dead) == "fewer than 5 are left in 1 day"
    assert over(rule(policy, "unanswered-question")) == "none is left in 30 days"


@pytest.mark.parametrize(
    ("rule_id", "words", "end"),
    [
        (
            "hourly-volume",
            "at least 50 messages go out in 1 hour and that is more than 3 times its hourly cap",
            "1 times",
        ),
        ("daily-volume", "that is more than 1.5 times its daily cap", "under 1 times its daily cap"),
        ("velocity", "a surprise of more than 5 by its own history (a chance below 1 in 100 000)", "under 2"),
        (
            "velocity",
            "; it is known for 7 days or longer; it is at least 4 times what is usual for it; at least 50 % of",
            "under 2",
        ),
        ("domain-spray", "a normalised entropy of 0.92 or more", "under 50 % as many domains"),
        ("domain-spray", "what is new among them is at least 3 times what is usual for it", "under 50 %"),
        ("policy-blocks", "99 % sure that the share is more than 3 points above that of the rest", "under 2 points"),
        ("spam-traps", "; they lie at 2 domains or more", "under 0.03 % of its recipients are traps"),
    ],
)
def test_every_scale_and_condition_has_its_words(policy: Policy, rule_id: str, words: str, end: str) -> None:
    assert words in sentence(rule(policy, rule_id))
    assert end in over(rule(policy, rule_id))


def test_one_domain_is_told_in_the_singular_and_a_chance_nobody_can_imagine_not_at_all(policy: Policy) -> None:
    one = Bar(above=0.003, confidence=0.999, min_events=3, elsewhere=1)
    assert "without the domain that fails most" in sentence(rule(policy, "complaints"), one)
    assert "chance" not in sentence(rule(policy, "velocity"), Bar(above=40.0, min_events=2))


def test_boundaries_are_told_for_rates_from_the_fewest_events_on(policy: Policy) -> None:
    recipients, traps = rule(policy, "invalid-recipients"), rule(policy, "spam-traps")
    assert boundaries(recipients, recipients.throttle) == [(3, 14), (4, 22), (5, 31), (10, 86), (20, 218)]
    assert [k for k, _ in boundaries(traps, traps.throttle)] == [2, 3, 4, 5, 10, 20]
    assert boundaries(recipients, replace(recipients.throttle, above=1.0)) == []
    assert boundaries(rule(policy, "hourly-volume"), Bar(above=1, min_events=2)) == []


def test_a_boundary_that_is_none_is_said_so() -> None:
    assert of_at_most(1_515) == "of at most 1 515"
    assert of_at_most(ANY) == "of however many"


def test_a_window_written_otherwise_reads_the_same(policy: Policy) -> None:
    recipients = rule(policy, "invalid-recipients")
    assert sentence(replace(recipients, window=Span("168h"))) == sentence(recipients)
