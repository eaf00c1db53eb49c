"""Whose fault a bounce is: the classes of the policy, an exact code before a star, and nobody's where none is named."""

import pytest

from labeler.reputation.outcomes import Classifier, Fault
from labeler.reputation.policy import Outcomes, Policy


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("5.1.1", Fault.INVALID_RECIPIENT),
        ("5.1.10", Fault.INVALID_RECIPIENT),
        ("5.2.1", Fault.INVALID_RECIPIENT),
        ("5.7.13", Fault.INVALID_RECIPIENT),
        ("5.7.17", Fault.INVALID_RECIPIENT),
        ("5.7.1", Fault.POLICY_BLOCK),
        ("5.7.0", Fault.POLICY_BLOCK),
        ("5.7.130", Fault.POLICY_BLOCK),
        ("5.7.26", Fault.CONFIGURATION),
        ("5.1.8", Fault.CONFIGURATION),
        ("5.1.5", Fault.NOBODYS),
        ("5.2.2", Fault.NOBODYS),
        ("5.4.4", Fault.NOBODYS),
        ("4.1.1", Fault.NOBODYS),
        ("4.7.1", Fault.NOBODYS),
        ("2.1.5", Fault.NOBODYS),
        (None, Fault.NOBODYS),
    ],
)
def test_the_policy_we_ship(policy: Policy, status: str | None, fault: Fault) -> None:
    assert Classifier(policy.outcomes).fault(status) is fault


def test_before_a_policy_nothing_is_anybody_s_fault() -> None:
    assert {Classifier(None).fault(status) for status in ("5.1.1", "5.7.1", "2.0.0", None)} == {Fault.NOBODYS}


@pytest.mark.parametrize("exact", ["invalid_recipient", "policy_block", "configuration"])
@pytest.mark.parametrize("starred", ["invalid_recipient", "policy_block", "configuration"])
def test_an_exact_code_beats_a_star_whatever_the_classes(exact: str, starred: str) -> None:
    none: dict[str, frozenset[str]] = dict.fromkeys(("invalid_recipient", "policy_block", "configuration"), frozenset())
    codes = none | {starred: frozenset({"5.7.*"})}
    outcomes = Outcomes(**(codes | {exact: codes[exact] | {"5.7.9"}}))
    classifier = Classifier(outcomes)
    assert (classifier.fault("5.7.9").name.lower(), classifier.fault("5.7.8").name.lower()) == (exact, starred)
