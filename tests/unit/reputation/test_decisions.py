"""From findings to label changes: the lightest intervention, a human's word first, nothing said twice."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.reputation.decisions import (
    ActiveLabel,
    Change,
    Member,
    Situation,
    Verb,
    decide,
    expire,
    renewal,
    settle,
    throttle_term,
)
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED, RELAY_MEMBER
from labeler.reputation.findings import Finding, Met, Severity
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Policy

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY: Mapping[str, ActiveLabel] = {}


def found(policy: Policy, name: str, severity: Severity = Severity.NONE, holds: bool | None = None) -> Finding:
    """What a rule has to say; a rule that fired holds."""
    rule = next(item for item in policy.rules if item.id == name)
    return Finding(rule, Measurement(5, 20, 0.25, 5), severity, rule.throttle, severity > 0 if holds is None else holds)


def past_the_suspend_bar(policy: Policy) -> Finding:
    strong = found(policy, "invalid-recipients", Severity.SUSPEND)
    return strong._replace(bar=strong.rule.bars[-1])


def situation(*findings: Finding, **fields: Any) -> Situation:
    usual = {"clean": False, "fresh": 0, "may_suspend": True, "silent": False}
    return Situation(findings=list(findings), **(usual | fields))


def label(
    age: timedelta = timedelta(0),
    term: timedelta | None = DAY,
    by_operator: bool = False,
    actor: str = "invalid-recipients",
) -> ActiveLabel:
    """A label issued so long ago for so long."""
    issued, exp = NOW - age, NOW - age + term if term is not None else None
    return ActiveLabel(issued, issued, exp, actor, by_operator, (actor,))


def words(changes: list[Change]) -> list[str]:
    return [f"{change.verb} {change.val}" for change in changes]


def decided(
    member: Member, policy: Policy, happens: Situation, lapsed: Mapping[str, ActiveLabel] = NOBODY
) -> list[str]:
    """What is decided; and that deciding again on the same facts changes nothing."""
    changes = decide(member, happens, policy, NOW, lapsed)
    for change in changes:
        settle(member, change, NOW, by_operator=False)
    again = happens._replace(may_suspend=happens.may_suspend and "apply mail-suspended" not in words(changes))
    assert decide(member, again, policy, NOW, NOBODY) == []
    return words(changes)


class TestTheLadder:
    @pytest.mark.row(71)
    def test_nothing_found_changes_nothing(self, policy: Policy) -> None:
        assert decided(Member(), policy, situation(found(policy, "invalid-recipients"))) == []

    def test_one_finding_throttles_for_the_first_term(self, policy: Policy) -> None:
        member = Member()
        assert decided(member, policy, situation(found(policy, "complaints", Severity.THROTTLE))) == [
            "apply mail-throttled"
        ]
        assert member.active[MAIL_THROTTLED] == ActiveLabel(
            NOW, NOW, NOW + DAY, "complaints", False, ("complaints",), {"complaints": 5}
        )

    def test_a_strong_finding_suspends(self, policy: Policy) -> None:
        member = Member()
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(member, policy, situation(strong)) == ["apply mail-suspended"]
        assert member.active[MAIL_SUSPENDED].exp == NOW + 14 * DAY

    def test_two_independent_findings_suspend(self, policy: Policy) -> None:
        both = [found(policy, name, Severity.THROTTLE) for name in ("invalid-recipients", "complaints")]
        (change,) = decide(Member(), situation(*both), policy, NOW, NOBODY)
        assert (change.verb, change.val, change.actor) == (Verb.APPLY, MAIL_SUSPENDED, "invalid-recipients")
        assert change.reason == "too many recipients do not exist; too many recipients reported this mail as unwanted"
        assert change.findings == tuple(both)

    def test_two_findings_of_one_family_are_one(self, policy: Policy) -> None:
        both = [found(policy, name, Severity.THROTTLE) for name in ("hourly-volume", "daily-volume")]
        assert decided(Member(), policy, situation(*both)) == ["apply mail-throttled"]

    def test_the_strongest_finding_gives_a_suspension_its_name(self, policy: Policy) -> None:
        findings = [
            found(policy, "invalid-recipients", Severity.THROTTLE),
            found(policy, "complaints", Severity.SUSPEND),
        ]
        assert decide(Member(), situation(*findings), policy, NOW, NOBODY)[0].actor == "complaints"

    def test_a_suspension_replaces_the_throttle_and_comes_before_its_end(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(), CLEAN_SENDER: label(by_operator=False)})
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(member, policy, situation(strong)) == [
            "apply mail-suspended",
            "negate mail-throttled",
            "negate clean-sender",
        ]

    def test_while_suspended_nothing_more_is_decided(self, policy: Policy) -> None:
        member = Member(active={MAIL_SUSPENDED: label(term=14 * DAY)})
        assert (
            decided(member, policy, situation(found(policy, "invalid-recipients", Severity.SUSPEND), clean=True)) == []
        )

    def test_without_room_in_the_breaker_it_is_a_throttle(self, policy: Policy) -> None:
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(Member(), policy, situation(strong, may_suspend=False)) == ["apply mail-throttled"]

    def test_without_room_in_the_breaker_a_throttle_stays(self, policy: Policy) -> None:
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        member = Member(active={MAIL_THROTTLED: label(age=HOUR)})
        assert decided(member, policy, situation(strong, may_suspend=False)) == []

    def test_in_silence_nobody_is_newly_suspended(self, policy: Policy) -> None:
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(Member(), policy, situation(strong, silent=True)) == ["apply mail-throttled"]

    def test_a_suspension_nobody_reviewed_falls_to_a_throttle(self, policy: Policy) -> None:
        member = Member()
        assert decided(member, policy, situation(), {MAIL_SUSPENDED: label()}) == ["apply mail-throttled"]
        assert member.active[MAIL_THROTTLED].actor == "unreviewed"

    def test_a_suspension_a_human_set_or_confirmed_simply_ends(self, policy: Policy) -> None:
        assert decided(Member(), policy, situation(), {MAIL_SUSPENDED: label(by_operator=True)}) == []

    def test_a_throttle_that_lapsed_simply_ends(self, policy: Policy) -> None:
        assert decided(Member(), policy, situation(), {MAIL_THROTTLED: label()}) == []

    def test_nothing_is_decided_about_the_removed(self, policy: Policy) -> None:
        member = Member(active={MAIL_REMOVED: label(term=None), CLEAN_SENDER: label()})
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(member, policy, situation(strong, clean=True), {MAIL_SUSPENDED: label()}) == []

    @pytest.mark.parametrize("val", [MAIL_THROTTLED, MAIL_SUSPENDED])
    def test_what_an_operator_set_rules_do_not_touch(self, policy: Policy, val: str) -> None:
        member = Member(active={val: label(age=3 * DAY, by_operator=True)})
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(member, policy, situation(strong)) == []
        assert decided(member, policy, situation(fresh=100)) == []

    def test_what_an_operator_lifted_rules_do_not_apply_again(self, policy: Policy) -> None:
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        blocked = {MAIL_THROTTLED: NOW + DAY, MAIL_SUSPENDED: NOW + DAY}
        assert decided(Member(blocked=dict(blocked)), policy, situation(strong)) == []
        del blocked[MAIL_THROTTLED]
        assert decided(Member(blocked=blocked), policy, situation(strong)) == ["apply mail-throttled"]


class TestAThrottle:
    @pytest.mark.parametrize(
        ("age", "change"),
        [(timedelta(0), []), (12 * HOUR - timedelta(milliseconds=1), []), (12 * HOUR, ["renew mail-throttled"])],
    )
    @pytest.mark.row(76)
    def test_is_renewed_at_half_life_while_the_cause_holds(
        self, policy: Policy, age: timedelta, change: list[str]
    ) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=age)})
        holds = found(policy, "invalid-recipients", holds=True)
        assert decided(member, policy, situation(holds, fresh=100)) == change

    def test_a_renewal_keeps_its_beginning_its_term_and_its_strikes(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=40 * HOUR, term=72 * HOUR, actor="complaints")})
        assert decided(member, policy, situation(found(policy, "complaints", holds=True))) == ["renew mail-throttled"]
        assert member.active[MAIL_THROTTLED] == ActiveLabel(
            NOW - 40 * HOUR, NOW, NOW + 72 * HOUR, "complaints", False, ("complaints",), {"complaints": 5}
        )
        assert member.strikes == []

    @pytest.mark.parametrize(
        ("age", "fresh", "change"),
        [
            (24 * HOUR, 20, ["negate mail-throttled"]),
            (24 * HOUR, 19, []),
            (24 * HOUR - timedelta(milliseconds=1), 20, []),
        ],
    )
    def test_is_lifted_after_its_hold_and_fresh_evidence(
        self, policy: Policy, age: timedelta, fresh: int, change: list[str]
    ) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=age, term=72 * HOUR)})
        assert decided(member, policy, situation(fresh=fresh)) == change

    def test_lifted_and_clean_are_said_together(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=2 * DAY, term=3 * DAY)})
        assert decided(member, policy, situation(fresh=100, clean=True)) == [
            "negate mail-throttled",
            "apply clean-sender",
        ]

    def test_without_an_end_is_never_renewed(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=9 * DAY, term=None)})
        assert decided(member, policy, situation(found(policy, "invalid-recipients", holds=True), fresh=100)) == []

    def test_is_not_kept_by_a_rule_that_never_fired(self, policy: Policy) -> None:
        """Sending all that was agreed is no reason to stay throttled for bounces that are over."""
        member = Member(active={MAIL_THROTTLED: label(age=2 * DAY, term=3 * DAY)})
        busy = found(policy, "daily-volume", holds=True)
        assert decided(member, policy, situation(busy, fresh=100)) == ["negate mail-throttled"]

    def test_is_kept_by_another_rule_that_fires_now(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=2 * DAY, term=3 * DAY)})
        other = found(policy, "daily-volume", Severity.THROTTLE)
        assert decided(member, policy, situation(other, fresh=100)) == ["renew mail-throttled"]
        assert member.active[MAIL_THROTTLED].causes == ("daily-volume",)

    def test_lasts_longer_on_repeats_until_strikes_decay(self, policy: Policy) -> None:
        member = Member()
        terms = []
        for days in (0, 10, 20, 30):
            now = NOW + days * DAY
            terms.append(throttle_term(member, policy, now) // HOUR)
            settle(member, Change(Verb.APPLY, MAIL_THROTTLED, now + DAY, "r", ""), now, by_operator=False)
        assert terms == [24, 72, 168, 168]
        assert throttle_term(member, policy, NOW + 110 * DAY) == 72 * HOUR, "only the strike of day 30 is left"
        assert throttle_term(member, policy, NOW + 120 * DAY) == 24 * HOUR

    def test_strikes_are_bounded(self) -> None:
        member = Member()
        for _ in range(100):
            settle(member, Change(Verb.APPLY, MAIL_THROTTLED, NOW + DAY, "r", ""), NOW, by_operator=False)
        assert len(member.strikes) < 20


class TestAPardon:
    """Failures that were a provider's doing turned out to be behind a label."""

    def test_lifts_a_throttle_at_once_and_leaves_no_strike(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=HOUR)}, strikes=[NOW - 30 * DAY, NOW - HOUR])
        (change,) = decide(member, situation(pardoned=True), policy, NOW, NOBODY)
        assert (change.verb, change.val, change.actor) == (Verb.NEGATE, MAIL_THROTTLED, "incident")
        assert change.reason == "the provider was to blame"
        settle(member, change, NOW, by_operator=False)
        assert (member.active, member.strikes) == ({}, [NOW - 30 * DAY])

    def test_lifts_a_suspension_and_takes_the_strike_of_the_throttle_before_it(self, policy: Policy) -> None:
        member = Member()
        throttle = Change(Verb.APPLY, MAIL_THROTTLED, NOW + DAY, "invalid-recipients", "")
        settle(member, throttle, NOW - HOUR, by_operator=False)
        strong = found(policy, "invalid-recipients", Severity.SUSPEND)
        assert decided(member, policy, situation(strong)) == ["apply mail-suspended", "negate mail-throttled"]
        assert member.active[MAIL_SUSPENDED].since == NOW - HOUR
        assert decided(member, policy, situation(pardoned=True)) == ["negate mail-suspended"]
        assert member.strikes == []

    def test_lifts_nothing_whose_cause_is_still_there(self, policy: Policy) -> None:
        holds = found(policy, "invalid-recipients", holds=True)
        member = Member(active={MAIL_THROTTLED: label(age=HOUR)})
        assert decided(member, policy, situation(holds, pardoned=True)) == []
        member = Member(active={MAIL_SUSPENDED: label(age=HOUR)})
        other = found(policy, "complaints", Severity.THROTTLE)
        assert decided(member, policy, situation(other, pardoned=True)) == []

    @pytest.mark.parametrize("val", [MAIL_THROTTLED, MAIL_SUSPENDED])
    @pytest.mark.parametrize("cause", ["complaints", "unreviewed", "removed-domain", "hourly-volume"])
    def test_lifts_nothing_that_failures_never_led_to(self, policy: Policy, val: str, cause: str) -> None:
        """A spammer suspended last week must not come free because a provider breaks today."""
        member = Member(active={val: label(age=2 * HOUR, term=14 * DAY, actor=cause)})
        assert decided(member, policy, situation(pardoned=True, fresh=100)) == []

    def test_lifts_nothing_an_operator_set(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(by_operator=True)})
        assert decided(member, policy, situation(pardoned=True)) == []

    def test_says_clean_at_once_where_that_is_proven(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(age=HOUR)})
        assert decided(member, policy, situation(pardoned=True, clean=True)) == [
            "negate mail-throttled",
            "apply clean-sender",
        ]

    def test_leaves_alone_who_has_nothing_to_be_pardoned(self, policy: Policy) -> None:
        assert decided(Member(), policy, situation(pardoned=True)) == []


class TestCleanSender:
    def test_is_said_when_proven_with_an_end(self, policy: Policy) -> None:
        member = Member()
        assert decided(member, policy, situation(clean=True)) == ["apply clean-sender"]
        assert member.active[CLEAN_SENDER].exp == NOW + 3 * DAY

    def test_is_renewed_at_half_life(self, policy: Policy) -> None:
        for age, change in [(36 * HOUR, ["renew clean-sender"]), (36 * HOUR - timedelta(milliseconds=1), [])]:
            member = Member(active={CLEAN_SENDER: label(age=age, term=72 * HOUR)})
            assert decided(member, policy, situation(clean=True)) == change

    @pytest.mark.parametrize("active", [{}, {CLEAN_SENDER: label(age=50 * HOUR, term=72 * HOUR)}])
    def test_silence_says_nothing_good(self, policy: Policy, active: dict[str, ActiveLabel]) -> None:
        assert decided(Member(active=dict(active)), policy, situation(clean=True, silent=True)) == []

    def test_is_taken_back_the_moment_a_rule_is_crossed(self, policy: Policy) -> None:
        member = Member(active={CLEAN_SENDER: label()}, blocked={MAIL_THROTTLED: NOW + DAY})
        (change,) = decide(member, situation(found(policy, "complaints", Severity.THROTTLE)), policy, NOW, NOBODY)
        assert (change.verb, change.val, change.actor) == (Verb.NEGATE, CLEAN_SENDER, "complaints")

    def test_is_not_said_while_a_rule_is_crossed(self, policy: Policy) -> None:
        member = Member(blocked={MAIL_THROTTLED: NOW + DAY})
        assert decided(member, policy, situation(found(policy, "complaints", Severity.THROTTLE), clean=True)) == []

    def test_is_taken_back_where_mail_is_restricted(self, policy: Policy) -> None:
        member = Member(active={CLEAN_SENDER: label(), MAIL_SUSPENDED: label()})
        (change,) = decide(member, situation(clean=True), policy, NOW, NOBODY)
        assert (change.verb, change.val, change.actor) == (Verb.NEGATE, CLEAN_SENDER, "restricted")

    def test_is_not_said_where_an_operator_took_it_back(self, policy: Policy) -> None:
        assert decided(Member(blocked={CLEAN_SENDER: NOW + DAY}), policy, situation(clean=True)) == []

    @pytest.mark.parametrize("term", [None, 72 * HOUR])
    def test_said_by_an_operator_rules_neither_renew_nor_take_it_back(
        self, policy: Policy, term: timedelta | None
    ) -> None:
        member = Member(active={CLEAN_SENDER: label(age=50 * HOUR, term=term, by_operator=True)})
        assert decided(member, policy, situation(clean=True)) == []
        fired = situation(found(policy, "complaints", Severity.THROTTLE))
        assert decided(member, policy, fired) == ["apply mail-throttled"]
        assert CLEAN_SENDER in member.active

    def test_without_an_end_needs_no_renewal(self, policy: Policy) -> None:
        member = Member(active={CLEAN_SENDER: label(age=9 * DAY, term=None)})
        assert decided(member, policy, situation(clean=True)) == []


@pytest.mark.row(75)
def test_what_has_run_out_is_dropped_without_a_word() -> None:
    throttled = label(age=DAY)
    member = Member(
        active={MAIL_THROTTLED: throttled, CLEAN_SENDER: label(), RELAY_MEMBER: label(term=None)},
        blocked={MAIL_SUSPENDED: NOW, MAIL_THROTTLED: NOW + HOUR},
    )
    assert expire(member, NOW) == {MAIL_THROTTLED: throttled}
    assert set(member.active) == {CLEAN_SENDER, RELAY_MEMBER}
    assert set(member.blocked) == {MAIL_THROTTLED}


def test_renewal_never_falls_between_two_milliseconds(policy: Policy) -> None:
    issued = NOW + timedelta(milliseconds=1)
    due = renewal(MAIL_THROTTLED, ActiveLabel(issued, issued, NOW + timedelta(milliseconds=4), "r", False), policy)
    assert due == NOW + timedelta(milliseconds=3), "half of three milliseconds, rounded up"
    assert renewal(MAIL_THROTTLED, label(), policy) == NOW + 12 * HOUR
    assert renewal(MAIL_THROTTLED, label(term=None), policy) is None
    assert renewal(MAIL_THROTTLED, label(by_operator=True), policy) is None
    assert renewal(MAIL_SUSPENDED, label(), policy) is None
    assert renewal(RELAY_MEMBER, label(), policy) is None


class TestWhatCountsTowardsASuspension:
    def test_a_cause_that_fires_no_more_but_holds_counts_beside_another_family(self, policy: Policy) -> None:
        member = Member(active={MAIL_THROTTLED: label(actor="velocity")})
        held = found(policy, "velocity", holds=True)
        spray = found(policy, "domain-spray", Severity.THROTTLE)
        assert decided(member, policy, situation(held, spray)) == ["apply mail-suspended", "negate mail-throttled"]

    @pytest.mark.parametrize(
        ("actor", "holds", "second"),
        [
            ("velocity", False, "domain-spray"),
            ("complaints", True, "domain-spray"),
            ("velocity", True, "daily-volume"),
        ],
        ids=["a cause that is gone", "no cause of this throttle", "one family"],
    )
    def test_nothing_else_does(self, policy: Policy, actor: str, holds: bool, second: str) -> None:
        member = Member(active={MAIL_THROTTLED: label(actor=actor)})
        held, fires = found(policy, "velocity", holds=holds), found(policy, second, Severity.THROTTLE)
        assert decided(member, policy, situation(held, fires)) == []

    def test_causes_that_hold_suspend_nobody_while_nothing_fires(self, policy: Policy) -> None:
        causes = ("velocity", "domain-spray")
        throttle = ActiveLabel(NOW, NOW, NOW + DAY, "velocity", False, causes)
        held = [found(policy, cause, holds=True) for cause in causes]
        assert decided(Member(active={MAIL_THROTTLED: throttle}), policy, situation(*held)) == []

    def test_what_a_condition_keeps_from_suspending_counts_for_no_second_one(self, policy: Policy) -> None:
        weak = found(policy, "invalid-recipients", Severity.THROTTLE)
        weak = weak._replace(conditions=(Met("elsewhere", 2.0, 0.01, enough=False),))
        other = found(policy, "daily-volume", Severity.THROTTLE)
        assert decided(Member(), policy, situation(weak, other)) == ["apply mail-throttled"]

    @pytest.mark.parametrize(
        ("known", "then"),
        [
            ({"invalid-recipients": 5}, []),
            ({"invalid-recipients": 4}, ["apply mail-suspended", "negate mail-throttled"]),
            ({}, ["apply mail-suspended", "negate mail-throttled"]),
        ],
        ids=["nothing more", "one more", "strong from the first"],
    )
    def test_a_rate_that_only_time_raised_makes_no_suspension(
        self, policy: Policy, known: dict[str, int], then: list[str]
    ) -> None:
        throttle = label()
        throttle.failures = known
        strong = past_the_suspend_bar(policy)
        assert decided(Member(active={MAIL_THROTTLED: throttle}), policy, situation(strong)) == then

    def test_nor_once_the_throttle_was_renewed_meanwhile(self, policy: Policy) -> None:
        throttle = label(age=13 * HOUR)
        throttle.failures = {"invalid-recipients": 5}
        member = Member(active={MAIL_THROTTLED: throttle})
        strong = past_the_suspend_bar(policy)
        assert decided(member, policy, situation(strong)) == ["renew mail-throttled"]
        assert decided(member, policy, situation(strong)) == []

    def test_what_the_breaker_held_back_follows_when_there_is_room(self, policy: Policy) -> None:
        member = Member()
        strong = past_the_suspend_bar(policy)
        assert decided(member, policy, situation(strong, may_suspend=False)) == ["apply mail-throttled"]
        assert decided(member, policy, situation(strong)) == ["apply mail-suspended", "negate mail-throttled"]
