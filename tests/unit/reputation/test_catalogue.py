"""The closed set of metrics: one list, for the policy, the measuring and the words."""

import typing

import pytest

from labeler.reputation.catalogue import CATALOGUE, INTERVALS, Scale, Terms
from labeler.reputation.metrics import METRICS
from labeler.reputation.plain_words import WORDS
from labeler.reputation.policy import CONDITIONS, Bar

EACH = pytest.mark.parametrize("terms", CATALOGUE.values(), ids=list(CATALOGUE))


def test_what_is_listed_can_be_measured_and_put_in_words() -> None:
    assert set(CATALOGUE) == set(METRICS) == set(WORDS)


def test_rates_and_differences_of_rates_have_intervals() -> None:
    assert {Scale.RATE, Scale.EXCESS} == INTERVALS


@EACH
def test_everything_is_said_in_words(terms: Terms) -> None:
    assert all(words == words.strip() and words for words in (terms.k, terms.n, terms.counts, terms.unit))


@EACH
def test_conditions_are_keys_of_a_bar(terms: Terms) -> None:
    assert terms.conditions <= set(CONDITIONS) <= set(typing.get_type_hints(Bar))


@EACH
def test_windows_last_from_a_minute_to_ninety_days(terms: Terms) -> None:
    assert 60 <= terms.shortest_s <= terms.longest_s <= 90 * 86_400


def test_what_may_be_a_habit_or_chance_never_suspends_by_itself() -> None:
    gentle = {name for name, terms in CATALOGUE.items() if not terms.may_suspend}
    assert {"velocity", "domain-spray", "policy-block-excess", "unanswered-reports"} <= gentle


def test_a_person_stands_behind_unanswered_questions_only() -> None:
    assert {name for name, terms in CATALOGUE.items() if terms.asked} == {"unanswered-asks", "unanswered-reports"}
