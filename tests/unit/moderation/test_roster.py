"""The list of members: who is in it, in which order, and what each row says."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from labeler.moderation.roster import RATES, STANDINGS, Roster, Wanted
from labeler.reputation.events import Kind
from labeler.reputation.policy import Policy
from labeler.reputation.standing import standing

if TYPE_CHECKING:
    from tests.unit.moderation.conftest import Office

A, B, C, D = (f"did:plc:{name}" for name in ("ann", "bob", "cleo", "dora"))


@pytest.fixture
def busy(office: "Office") -> "Office":
    """Ann sends well and much, Bob is suspended, Cleo is removed, Dora was only asked something."""
    office.batch(office.event(Kind.ENROLLED, A, domain="ann.example"))
    office.mail(good=30, did=A)
    office.mail(good=4, bad=10, did=B)
    office.decide(apply=["mail-removed"], did=C)
    office.ask(did=D)
    return office


def listed(office: "Office", wanted: Wanted) -> list[str]:
    roster = Roster(office.judge, office.book)
    return [did for _, did in sorted(roster.places(roster.dids(), wanted, office.now))]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [A, B, C, D]),
        (Wanted(sort="accepted"), [A, B, C, D]),
        (Wanted(sort="invalid"), [B, A, C, D]),
        (Wanted(sort="complaints"), [A, B, C, D]),
        (Wanted(sort="standing"), [C, B, A, D]),
        (Wanted(sort="cases"), [B, D, A, C]),
        (Wanted(part="did:plc:b"), [B]),
        (Wanted(part="o"), [B, C, D]),
        (Wanted(part="zzz"), []),
        (Wanted(standing="suspended"), [B]),
        (Wanted(standing="good"), []),
        (Wanted(after=(0, B)), [C, D]),
        (Wanted(sort="standing", after=(1, B)), [A, D]),
    ],
)
def test_orders_and_filters(busy: "Office", wanted: Wanted, expected: list[str]) -> None:
    assert listed(busy, wanted) == expected


def test_a_row_says_what_the_standing_says(busy: "Office") -> None:
    roster = Roster(busy.judge, busy.book)
    for did in roster.dids():
        row, full = roster.row(did, busy.now), standing(busy.judge, did, busy.now)
        assert row["standing"] == full.state
        assert row["standing"] in STANDINGS
        assert row["labels"] == [label["val"] for label in full.public["labels"]]
    row = roster.row(B, busy.now)
    assert (row["accepted"], row["openCases"], row["enrolled"]) == (14, 1, False)
    assert next(rate for rate in row["rates"] if rate["rule"] == "invalid-recipients") == {
        "rule": "invalid-recipients",
        "k": 10,
        "n": 14,
    }
    assert roster.row(A, busy.now)["enrolled"] is True


def test_before_a_policy_nothing_is_measured(open_office: Callable[..., "Office"]) -> None:
    office = open_office(policy=None)
    office.mail(good=2)
    roster = Roster(office.judge, office.book)
    (did,) = roster.dids()
    assert roster.row(did, office.now)["rates"] == []
    assert set(roster.orders) >= {"did", "accepted"}


def test_the_policy_we_ship_has_rules_on_every_rate(policy: Policy) -> None:
    assert {rule.metric for rule in policy.rules} >= RATES
