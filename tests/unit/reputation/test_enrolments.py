"""Who is enrolled with what: the newest word about each domain holds, in whatever order the words come."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from labeler.reputation import enrolments as module
from labeler.reputation.decisions import Member
from labeler.reputation.enrolments import Domains, enrol
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.intake import Intake

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)
ANNE, BERT, CARL = "did:plc:anne", "did:plc:bert", "did:plc:carl"


def joins(hours: float, domain: str | None = "a.example", **fields: Any) -> SendEvent:
    """An enrolment so many hours after noon."""
    return SendEvent(id=f"e{hours}", kind=Kind.ENROLLED, did=ANNE, at=NOON + hours * HOURS, domain=domain, **fields)


def leaves(hours: float, domain: str | None = "a.example") -> SendEvent:
    return SendEvent(id=f"u{hours}", kind=Kind.UNENROLLED, did=ANNE, at=NOON + hours * HOURS, domain=domain)


def told(*events: SendEvent) -> Member:
    member = Member()
    for event in events:
        enrol(member, event)
    return member


def since(member: Member) -> float | None:
    """Since how many hours after noon a member is enrolled."""
    return (member.since - NOON) / HOURS if member.since is not None else None


class TestOneDomain:
    def test_joining_and_leaving(self) -> None:
        member = told(joins(1))
        assert (member.enrolled, list(member.domains), since(member)) == (True, ["a.example"], 1)
        assert enrol(member, leaves(2))
        assert (member.enrolled, since(member)) == (False, None)
        enrol(member, joins(3))
        assert (member.enrolled, since(member)) == (True, 3)

    def test_capitals_make_no_other_domain(self) -> None:
        assert list(told(joins(1, "A.Example"), joins(2, "a.example")).domains) == ["a.example"]
        assert not told(joins(1, "A.Example"), leaves(2, "a.EXAMPLE")).enrolled

    def test_joining_again_keeps_the_beginning(self) -> None:
        assert since(told(joins(1), joins(5))) == 1

    def test_an_enrolment_may_name_no_domain(self) -> None:
        member = told(joins(1, None))
        assert (list(member.domains), member.enrolled) == ([""], True)
        assert not told(joins(1, None), leaves(2, None)).enrolled

    def test_leaving_what_was_never_joined_changes_nothing(self) -> None:
        member = told(joins(1), leaves(2, "b.example"))
        assert (list(member.domains), since(member)) == (["a.example"], 1)

    @pytest.mark.parametrize(
        ("events", "news"),
        [
            ([joins(1), joins(2)], [True, True]),
            ([joins(2), joins(1)], [True, False]),
            ([leaves(2), joins(1)], [True, True]),
            ([joins(3, "b.example"), leaves(2), joins(1)], [True, True, False]),
            ([leaves(2, None), leaves(1, None)], [True, False]),
            ([leaves(2, None), leaves(1)], [True, False]),
            ([joins(2), leaves(1)], [True, False]),
        ],
        ids=["newer", "late", "late, but on caps the newest", "late", "left twice", "left as a whole", "late leave"],
    )
    def test_it_tells_whether_anything_is_news(self, events: Sequence[SendEvent], news: Sequence[bool]) -> None:
        member = Member()
        assert [enrol(member, event) for event in events] == news


class TestTheWholeAccount:
    def test_leaving_without_a_domain_leaves_all(self) -> None:
        member = told(joins(1), joins(2, "b.example"), joins(2, None), leaves(3, None))
        assert (member.domains, since(member)) == ({}, None)

    def test_what_is_joined_later_stays(self) -> None:
        member = told(joins(1), joins(4, "b.example"), leaves(3, None))
        assert (list(member.domains), since(member)) == (["b.example"], 4)


class TestTheAgreement:
    def test_tier_and_caps_are_those_of_the_newest_enrolment(self) -> None:
        member = told(joins(1, hourly_cap=10, daily_cap=20), joins(2, "b.example", tier="established", hourly_cap=50))
        assert (member.tier, member.hourly_cap, member.daily_cap) == ("established", 50, None)
        enrol(member, joins(1.5, "c.example", hourly_cap=1))
        assert (member.tier, member.hourly_cap, len(member.domains)) == ("established", 50, 3)

    def test_whoever_names_no_tier_is_new(self) -> None:
        assert told(joins(1, tier="established"), joins(2)).tier == "new"

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_it_outlasts_the_domain_it_came_with_in_any_order(self, order: tuple[int, ...]) -> None:
        story = [joins(1, hourly_cap=1), joins(2, "b.example", hourly_cap=2), leaves(3, "b.example")]
        member = told(*(story[index] for index in order))
        assert (member.hourly_cap, list(member.domains)) == (2, ["a.example"])


STORIES = {
    "two domains": [joins(1), joins(2, "b.example", hourly_cap=5)],
    "given up": [joins(1), leaves(2), joins(3, "b.example"), joins(4, "b.example", tier="established")],
    "and taken back": [joins(1), leaves(2), joins(3)],
    "left and back": [joins(1), joins(2, "b.example"), leaves(3, None), joins(4, "b.example")],
    "left twice": [joins(1), leaves(2, None), joins(3), leaves(4, None)],
    "moved": [joins(1), joins(2, "b.example"), leaves(3)],
    "as such": [joins(1, None), joins(2, daily_cap=7), leaves(3), joins(4, "c.example"), leaves(5, "c.example")],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_any_order_of_words_about_a_member_leaves_the_same_state(story: Sequence[SendEvent]) -> None:
    states = []
    for order in permutations(story):
        member = told(*order)
        states.append((set(member.domains), member.tier, member.hourly_cap, member.daily_cap, member.enrolled))
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize("name", ["two domains", "left and back", "left twice"])
def test_and_the_same_beginning_where_no_word_is_superseded(name: str) -> None:
    assert len({told(*order).since for order in permutations(STORIES[name])}) == 1


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_whoever_is_enrolled_has_a_beginning_and_nobody_else(story: Sequence[SendEvent]) -> None:
    for order in permutations(story):
        member, beginnings = Member(), {event.at for event in story if event.kind == Kind.ENROLLED}
        for event in order:
            enrol(member, event)
            assert (member.since in beginnings) if member.enrolled else member.since is None


class TestBounds:
    def test_a_member_has_so_many_domains_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DOMAINS_MAX", 3)
        member = told(*(joins(n, f"d{n}.example") for n in range(10)))
        assert list(member.domains) == ["d0.example", "d1.example", "d2.example"]
        assert len(member.marks) == 4
        assert enrol(member, leaves(20, "d1.example")), "those it has are still heard"
        assert not enrol(member, leaves(21, "d9.example"))

    @pytest.mark.parametrize("name", [module._ALL, module._CAPS])
    def test_no_domain_passes_for_the_account(self, name: str) -> None:
        admission = Intake().admit("did:web:relay.example", [joins(0, name)], NOON)
        assert [rejection.error for rejection in admission.rejected] == ["InvalidEvent"]


class TestHolders:
    def test_everybody_who_holds_a_domain_is_told(self) -> None:
        domains, shop = Domains(), {"shop.example": None}
        assert domains.hold(ANNE, shop, "shop.example") == [ANNE]
        assert domains.hold(BERT, shop, "shop.example") == [ANNE, BERT]
        assert domains.hold(ANNE, shop, "shop.example") == [ANNE, BERT]
        assert domains.hold(ANNE, {}, "shop.example") == [BERT]
        assert domains.hold(CARL, {}, "shop.example") == [BERT], "letting go of what one never held"
        assert domains.hold(BERT, {}, "shop.example") == []
        assert domains._holders == {}


class TestRemoved:
    def test_a_domain_and_those_below_it_went_with_the_account(self) -> None:
        domains = Domains()
        domains.remove(ANNE, frozenset({"shop.example"}))
        assert domains.removed_with("shop.example") == domains.removed_with("new.Shop.example") == [ANNE]
        assert domains.removed_with("other.example") == []
        assert domains.removed_with("") == []

    def test_taking_the_account_back_takes_its_domains_back(self) -> None:
        domains = Domains()
        domains.remove(ANNE, frozenset({"shop.example", "two.example"}))
        domains.remove(BERT, frozenset({"three.example"}))
        domains.restore(ANNE)
        assert [domains.removed_with(name) for name in ("shop.example", "two.example")] == [[], []]
        assert domains.removed_with("three.example") == [BERT]

    def test_a_domain_two_removed_accounts_had_stays_removed_with_the_other(self) -> None:
        domains = Domains()
        for did in (ANNE, BERT):
            domains.remove(did, frozenset({"shop.example"}))
        assert domains.removed_with("shop.example") == [ANNE, BERT]
        domains.restore(ANNE)
        assert domains.removed_with("shop.example") == [BERT]

    def test_a_removal_that_ended_hides_none_that_stands(self, story: Any) -> None:
        """Two accounts had the domain; the first removal ran out, the second did not."""
        for did, hours in ((ANNE, 24), (BERT, None)):
            story.batch(story.event(Kind.ENROLLED, did, domain="shop.example"))
            story.decide(apply=["mail-removed"], did=did, hours=hours)
        story.wait(hours=25)
        assert story.batch(story.event(Kind.ENROLLED, CARL, domain="mail.shop.example")) == [
            *("+relay-member", "+mail-suspended")
        ]
        assert BERT not in story.last().reason
        assert [BERT in notice.text for notice in story.judge.notices if notice.about == CARL] == [True]

    def test_whom_an_operator_let_have_a_domain_may_have_it(self) -> None:
        domains = Domains()
        domains.accept(CARL, ["shop.example"])
        domains.remove(ANNE, frozenset({"shop.example"}))
        assert not domains.accepted(CARL, "shop.example"), "nothing was removed when the operator decided"
        domains.accept(CARL, ["mail.shop.example", "", "other.example"])
        answers = [(CARL, "Shop.example"), (CARL, "x.shop.example"), (CARL, "other.example"), (BERT, "shop.example")]
        assert [domains.accepted(did, name) for did, name in answers] == [True, True, False, False]

    def test_whoever_was_taken_back_may_use_its_own_domain(self, story: Any) -> None:
        story.batch(story.event(Kind.ENROLLED, ANNE, domain="shop.example"))
        story.decide(apply=["mail-removed"], did=ANNE, hours=24)
        story.wait(hours=25)
        story.batch(story.event(Kind.ENROLLED, ANNE, domain="shop.example"))
        assert "mail-suspended" not in story.active(ANNE)
