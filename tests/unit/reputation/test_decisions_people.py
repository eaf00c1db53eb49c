"""What is no rule's decision: an operator's word, membership, a removed domain that comes back, a grant."""

from datetime import UTC, datetime, timedelta

import pytest

from labeler.reputation.decisions import (
    ActiveLabel,
    Change,
    Grant,
    Member,
    Verb,
    apply_decision,
    membership,
    removed_domain,
    settle,
)
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED, RELAY_MEMBER
from labeler.reputation.inputs import Decision
from labeler.reputation.policy import Policy

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BLOCK_S = 7 * 86_400


def label(age: timedelta = timedelta(0), term: timedelta | None = DAY, by_operator: bool = False) -> ActiveLabel:
    """A label issued so long ago for so long."""
    issued, exp = NOW - age, NOW - age + term if term is not None else None
    return ActiveLabel(issued, issued, exp, "invalid-recipients", by_operator, ("invalid-recipients",))


def words(changes: list[Change]) -> list[str]:
    return [f"{change.verb} {change.val}" for change in changes]


class TestMembership:
    @pytest.mark.parametrize(
        ("member", "enrolled", "changes"),
        [
            (Member(), True, ["apply relay-member"]),
            (Member(), False, []),
            (Member(active={RELAY_MEMBER: label(term=None)}), True, []),
            (Member(active={RELAY_MEMBER: label(term=None)}), False, ["negate relay-member"]),
            (Member(active={MAIL_REMOVED: label(term=None)}), True, []),
            (Member(blocked={RELAY_MEMBER: NOW + HOUR}), True, []),
            (Member(blocked={RELAY_MEMBER: NOW}), True, ["apply relay-member"]),
            (Member(active={RELAY_MEMBER: label(age=DAY)}), True, ["apply relay-member"]),
            (Member(active={RELAY_MEMBER: label(age=DAY)}), False, []),
            (Member(active={MAIL_REMOVED: label(age=DAY)}), True, ["apply relay-member"]),
        ],
    )
    def test_says_who_is_a_member_now(self, member: Member, enrolled: bool, changes: list[str]) -> None:
        member.domains = {"shop.example": None} if enrolled else {}
        assert words(membership(member, NOW)) == changes


class TestARemovedDomain:
    """What the rules say of a member that enrols a domain which went with somebody else."""

    @staticmethod
    def comes_back(member: Member, policy: Policy) -> list[str]:
        changes = removed_domain(member, "shop.example", policy, NOW)
        for change in changes:
            settle(member, change, NOW, by_operator=False)
        assert all(
            c.reason.endswith("shop.example, which was removed together with another account") for c in changes[:1]
        )
        assert not any("did:" in c.reason for c in changes), "the member reads it, and whose it was is not the member's"
        return words(changes)

    def test_suspends_until_a_human_has_looked(self, policy: Policy) -> None:
        member = Member()
        assert self.comes_back(member, policy) == ["apply mail-suspended"]
        assert member.active[MAIL_SUSPENDED] == ActiveLabel(NOW, NOW, NOW + 14 * DAY, "removed-domain", False, ())

    def test_replaces_what_rules_said(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(), CLEAN_SENDER: label(), RELAY_MEMBER: label(term=None)})
        assert self.comes_back(member, policy) == [
            "apply mail-suspended",
            "negate mail-throttled",
            "negate clean-sender",
        ]
        assert set(member.active) == {MAIL_SUSPENDED, RELAY_MEMBER}

    @pytest.mark.parametrize(
        "member",
        [
            Member(active={MAIL_SUSPENDED: label()}),
            Member(active={MAIL_REMOVED: label(term=None)}),
            Member(blocked={MAIL_SUSPENDED: NOW + HOUR}),
            Member(active={MAIL_THROTTLED: label(by_operator=True)}),
        ],
    )
    def test_changes_nothing_where_more_is_said_or_a_human_spoke(self, member: Member, policy: Policy) -> None:
        assert self.comes_back(member, policy) == []


def test_a_grant_stands_until_its_end() -> None:
    assert Grant("did:plc:op", None, (), 5, None).stands(NOW)
    assert Grant("did:plc:op", NOW + timedelta(milliseconds=1), (), 5, None).stands(NOW)
    assert not Grant("did:plc:op", NOW, (), 5, None).stands(NOW)


class TestAnOperator:
    @staticmethod
    def decides(
        member: Member, apply: tuple[str, ...] = (), negate: tuple[str, ...] = (), hours: int | None = None
    ) -> list[Change]:
        decision = Decision(NOW, "did:plc:op", "did:plc:m", apply=apply, negate=negate, duration_h=hours)
        changes = apply_decision(member, decision, NOW, BLOCK_S)
        for change in changes:
            settle(member, change, NOW, by_operator=True)
        return changes

    @pytest.mark.row(74)
    def test_applies_with_or_without_an_end(self) -> None:
        member = Member()
        (change,) = self.decides(member, (MAIL_THROTTLED,), hours=48)
        assert change == Change(Verb.APPLY, MAIL_THROTTLED, NOW + 48 * HOUR, "did:plc:op", "decided by an operator")
        (change,) = self.decides(member, (MAIL_SUSPENDED,))[:1]
        assert change.exp is None
        assert member.active[MAIL_SUSPENDED].by_operator

    @pytest.mark.row(71)
    def test_re_applying_without_a_new_duration_emits_nothing_and_makes_it_a_human_s(self) -> None:
        member = Member(active={MAIL_THROTTLED: label()})
        assert self.decides(member, (MAIL_THROTTLED,)) == []
        assert member.active[MAIL_THROTTLED] == label(by_operator=True)

    def test_re_applying_with_a_duration_says_so(self) -> None:
        member = Member(active={MAIL_THROTTLED: label()})
        assert words(self.decides(member, (MAIL_THROTTLED,), hours=5)) == ["apply mail-throttled"]
        assert member.active[MAIL_THROTTLED].exp == NOW + 5 * HOUR

    def test_a_lift_negates_blocks_and_gives_a_clean_slate(self) -> None:
        member = Member(active={MAIL_THROTTLED: label()})
        assert words(self.decides(member, negate=(MAIL_THROTTLED,))) == ["negate mail-throttled"]
        assert member.blocked == {MAIL_THROTTLED: NOW + 7 * DAY}
        assert member.clean_slate == NOW

    def test_a_lift_may_name_its_own_term(self) -> None:
        member = Member()
        assert self.decides(member, negate=(MAIL_SUSPENDED,), hours=2) == []
        assert member.blocked == {MAIL_SUSPENDED: NOW + 2 * HOUR}

    def test_taking_back_something_good_is_no_clean_slate(self) -> None:
        member = Member(active={CLEAN_SENDER: label()})
        assert words(self.decides(member, negate=(CLEAN_SENDER,))) == ["negate clean-sender"]
        assert member.clean_slate is None

    def test_applying_ends_a_block(self) -> None:
        member = Member(blocked={MAIL_THROTTLED: NOW + DAY})
        self.decides(member, (MAIL_THROTTLED,))
        assert member.blocked == {}

    @pytest.mark.parametrize(
        ("applied", "changes"),
        [
            (MAIL_THROTTLED, ["apply mail-throttled", "negate clean-sender", "negate mail-suspended"]),
            (
                MAIL_REMOVED,
                ["apply mail-removed", "negate clean-sender", "negate mail-suspended", "negate relay-member"],
            ),
        ],
    )
    def test_a_restriction_replaces_others_and_everything_good_beside_it(
        self, applied: str, changes: list[str]
    ) -> None:
        member = Member(active={RELAY_MEMBER: label(), CLEAN_SENDER: label(), MAIL_SUSPENDED: label()})
        assert words(self.decides(member, (applied,))) == changes

    def test_what_is_taken_back_by_name_is_taken_back_once(self) -> None:
        member = Member(active={CLEAN_SENDER: label()})
        assert words(self.decides(member, (MAIL_THROTTLED,), (CLEAN_SENDER,))) == [
            "negate clean-sender",
            "apply mail-throttled",
        ]

    def test_a_suspension_by_an_operator_begins_when_it_is_set(self) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=3 * HOUR)})
        assert words(self.decides(member, (MAIL_SUSPENDED,))) == ["apply mail-suspended", "negate mail-throttled"]
        assert member.active[MAIL_SUSPENDED].since == NOW

    def test_taking_back_what_is_not_there_changes_nothing(self) -> None:
        member = Member()
        settle(member, Change(Verb.NEGATE, MAIL_THROTTLED, None, "incident", ""), NOW, by_operator=False)
        assert member == Member()
