"""The list of members: who is in it, in which order, and what each row says."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from labeler.atproto.syntax import format_datetime
from labeler.moderation import roster
from labeler.moderation.roster import RATES, STANDINGS, Place, Roster, Totals, Wanted
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


def listed(office: "Office", wanted: Wanted, after: Place | None = None) -> list[str]:
    everybody = Roster(office.judge, office.book)
    search = everybody.search(wanted, after, 10, office.now)
    search.look(everybody.dids())
    found, behind = search.page()
    assert behind is None
    return found


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [A, B, C, D]),
        (Wanted(sort="accepted"), [A, B, C, D]),
        (Wanted(sort="recent"), [A, B, C, D]),
        (Wanted(sort="invalid"), [B, A, C, D]),
        (Wanted(sort="complaints"), [A, B, C, D]),
        (Wanted(sort="standing"), [C, B, A, D]),
        (Wanted(sort="cases"), [B, D, A, C]),
        (Wanted(part="did:plc:b"), [B]),
        (Wanted(part="o"), [A, B, C, D]),
        (Wanted(part="or"), [D]),
        (Wanted(part="zzz"), []),
        (Wanted(standing="suspended"), [B]),
        (Wanted(standing="good"), []),
        (Wanted(part="ANN"), [A]),
        (Wanted(part="shop."), [A, B]),
        (Wanted(part="ann.EXAMPLE"), [A]),
    ],
)
def test_orders_and_filters(busy: "Office", wanted: Wanted, expected: list[str]) -> None:
    assert listed(busy, wanted) == expected


def test_a_page_goes_on_behind_a_place_and_says_where_it_ends(busy: "Office") -> None:
    assert listed(busy, Wanted(), (0, B)) == [C, D]
    assert listed(busy, Wanted(sort="standing"), (1, B)) == [A, D]
    search = Roster(busy.judge, busy.book).search(Wanted(standing="suspended"), None, 2, busy.now)
    search.look([D, B, "did:plc:gone", C])
    assert search.page() == ([B], None)
    assert search.totals == {"suspended": 1, "removed": 1, "unknown": 1}
    search.look([A])
    assert sum(search.totals.values()) == 4


def test_of_very_many_only_the_first_are_kept(busy: "Office", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "SPARE", 0)
    search = Roster(busy.judge, busy.book).search(Wanted(), None, 2, busy.now)
    for did in (D, C, B, A):
        search.look([did])
    assert search.page() == ([A, B], (0, B))


def test_totals_are_of_everybody_by_standing_and_by_label_in_force(busy: "Office") -> None:
    everybody, totals = Roster(busy.judge, busy.book), Totals()
    everybody.count([*everybody.dids(), "did:plc:gone"], totals, busy.now)
    assert totals.members == sum(totals.standings.values()) == 4
    assert totals.standings["suspended"] == totals.standings["removed"] == 1
    assert totals.labels["mail-suspended"] == totals.labels["mail-removed"] == 1


def test_a_row_says_what_the_standing_says(busy: "Office") -> None:
    everybody = Roster(busy.judge, busy.book)
    for did in everybody.dids():
        row, full = everybody.row(did, busy.now), standing(busy.judge, did, busy.now)
        assert row["standing"] == full.state
        assert row["standing"] in STANDINGS
        assert row["labels"] == [label["val"] for label in full.public["labels"]]
    row = everybody.row(B, busy.now)
    assert (row["accepted"], row["openCases"], row["enrolled"]) == (14, 1, False)
    assert next(rate for rate in row["rates"] if rate["rule"] == "invalid-recipients") == {
        "rule": "invalid-recipients",
        "k": 10,
        "n": 14,
    }
    row = everybody.row(A, busy.now)
    assert (row["enrolled"], row["domains"]) == (True, ["ann.example"])
    assert row["newestHour"] <= format_datetime(busy.now)
    assert "newestHour" not in everybody.row(C, busy.now)
    assert everybody.row("did:plc:gone", busy.now)["standing"] == "unknown"


def test_before_a_policy_nothing_is_measured(open_office: Callable[..., "Office"]) -> None:
    office = open_office(policy=None)
    office.mail(good=2)
    everybody = Roster(office.judge, office.book)
    (did,) = everybody.dids()
    assert everybody.row(did, office.now)["rates"] == []
    assert set(everybody.orders) >= {"did", "accepted"}


def test_the_policy_we_ship_has_rules_on_every_rate(policy: Policy) -> None:
    assert {rule.metric for rule in policy.rules} >= RATES
