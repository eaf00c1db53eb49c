"""The label values, from one place."""

import re

import pytest

from labeler.reputation.definitions import ADVERSE, DEFINITIONS, MAIL_REMOVED, VALUES


def test_the_values_are_the_five_of_the_design() -> None:
    assert {"relay-member", "clean-sender", "mail-throttled", "mail-suspended", "mail-removed"} == VALUES


@pytest.mark.row(19, 20, 21, 22, 23, 77, 278)
def test_every_value_is_recommended_syntax_and_none_is_a_system_value() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", val) for val in VALUES)


def test_what_restricts_sending_is_adverse_and_shown_as_an_alert() -> None:
    assert {"mail-throttled", "mail-suspended", "mail-removed"} == ADVERSE
    assert {item.val for item in DEFINITIONS if item.severity == "alert"} == ADVERSE


def test_only_removal_is_beyond_the_rules() -> None:
    assert [item.val for item in DEFINITIONS if not item.by_rules] == [MAIL_REMOVED]


def test_each_is_named_and_described_once() -> None:
    assert len({item.name for item in DEFINITIONS}) == len({item.description for item in DEFINITIONS}) == 5
