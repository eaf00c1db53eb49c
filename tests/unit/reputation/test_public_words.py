"""What the public is told about a label."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.definitions import ADVERSE, VALUES
from labeler.reputation.policy import Policy, parse_policy
from labeler.reputation.public_words import BY_OPERATOR, BY_RULES, CLEARED_BY, FAMILIES, OTHERS, UNTIL, reason_class

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHIPPED = parse_policy(Path("labeler/policy.toml").read_text(encoding="utf-8"))
SAID = [BY_OPERATOR, BY_RULES, *FAMILIES.values(), *OTHERS.values(), *CLEARED_BY.values(), *UNTIL.values()]


def reason(actor: str, *causes: str, by_operator: bool = False, policy: Policy | None = SHIPPED) -> str:
    return reason_class(ActiveLabel(NOON, NOON, None, actor, by_operator, causes), policy)


@pytest.mark.parametrize("family", sorted({rule.family for rule in SHIPPED.rules}))
def test_every_family_of_the_shipped_policy_has_words(family: str) -> None:
    assert family in FAMILIES


def test_no_word_holds_a_number_an_address_or_a_name() -> None:
    assert [words for words in SAID if re.search(r"[0-9%@]|did:|\.example", words)] == []


def test_every_value_says_what_becomes_of_it() -> None:
    assert CLEARED_BY.keys() == ADVERSE
    assert UNTIL.keys() == VALUES - ADVERSE


def test_a_rule_is_told_by_its_family_and_each_family_once() -> None:
    assert reason("complaints") == FAMILIES["complaints"]
    assert reason("complaints", "complaints", "complaints-month", "spam-traps") == (
        f"{FAMILIES['complaints']}; {FAMILIES['traps']}"
    )


@pytest.mark.parametrize("actor", sorted(OTHERS))
def test_what_is_no_rule_has_words_of_its_own(actor: str) -> None:
    assert reason(actor) == OTHERS[actor]


def test_a_rule_that_left_the_policy_is_told_in_general() -> None:
    assert reason("a-rule-of-last-year") == reason("complaints", policy=None) == BY_RULES


def test_whatever_an_operator_confirmed_is_an_operators() -> None:
    assert reason("did:plc:moderator", by_operator=True) == BY_OPERATOR
    assert reason("complaints", "complaints", by_operator=True) == BY_OPERATOR
