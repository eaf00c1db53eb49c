"""What operators decide, ask and grant, and what they are told to look at."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from labeler.reputation.events import Kind
from labeler.reputation.policy import Caps
from labeler.reputation.subject import epoch
from tests.unit.reputation.conftest import POLICY, Story, evidence

MEMBER, OTHER = "did:plc:member", "did:plc:other"
DAY = timedelta(days=1)
BAD = "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"


class TestOperators:
    @pytest.mark.row(65, 66)
    def test_a_lift_negates_blocks_and_gives_a_clean_slate(self, story: Story) -> None:
        story.mail(good=5, bad=10)
        assert story.decide(negate=["mail-suspended", "mail-throttled"]) == ["-mail-suspended"]
        assert story.mail(bad=10) == [], "mail of the lifted hour is forgiven"
        story.wait(hours=1)
        assert story.mail(bad=10) == [], "the rules may not say it again for seven days"
        story.wait(days=7)
        assert story.mail(bad=10) == [SUSPENDED]

    def test_bounces_of_mail_before_the_lift_do_not_count_though_they_come_after(self, story: Story) -> None:
        old = [event for _ in range(10) for event in story.message(BAD)]
        story.batch(*old[::2])
        story.decide(negate=["mail-suspended", "mail-throttled"], hours=1)
        story.wait(hours=2)
        assert story.batch(*old[1::2]) == []
        assert story.judge.subjects[MEMBER].windows.invalid.count(0) == 10

    def test_a_decision_does_not_need_to_have_met_its_subject(self, story: Story) -> None:
        assert story.decide(apply=["mail-throttled"], did="did:web:stranger.example") == [THROTTLED]

    def test_what_an_operator_set_is_not_touched_by_rules_until_it_ends(self, story: Story) -> None:
        story.decide(apply=["mail-throttled"], hours=48)
        assert story.mail(bad=10) == []
        assert story.wait(hours=47) == []
        assert story.wait(hours=1) == [THROTTLED], "in silence nobody is suspended, but the findings stand"

    def test_a_suspension_an_operator_dated_ends_there(self, story: Story) -> None:
        story.decide(apply=["mail-suspended"], hours=24)
        assert story.wait(days=30) == []
        assert story.active() == set()

    def test_a_suspension_an_operator_confirmed_was_reviewed(self, story: Story) -> None:
        story.mail(bad=5)
        assert story.decide(apply=["mail-suspended"]) == []
        assert story.wait(days=20) == []
        assert story.active() == set()

    def test_removal_negates_everything_good_and_the_rules_stop(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED))
        story.mail(good=80)
        assert story.active() == {"relay-member", "clean-sender"}
        assert story.decide(apply=["mail-removed"]) == ["+mail-removed", "-clean-sender", "-relay-member"]
        assert story.mail(bad=50) == []
        assert story.batch(story.event(Kind.ENROLLED)) == []
        assert story.wait(days=60) == []
        assert story.active() == {"mail-removed"}

    def test_a_lighter_label_does_not_take_a_removal_back(self, story: Story) -> None:
        story.decide(apply=["mail-removed"])
        assert story.decide(apply=["mail-throttled"]) == ["+mail-throttled"]
        assert story.decide(negate=["mail-removed"]) == ["-mail-removed"]

    def test_what_came_due_before_a_decision_happens_before_it(self, story: Story) -> None:
        """The suspension ran out while nobody wrote a tick; a decision about another matter must not swallow it."""
        story.mail(bad=5)
        story.now += 15 * DAY
        assert story.decide(negate=["clean-sender"]) == [THROTTLED]

    def test_a_decision_without_labels_emits_nothing(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        assert story.decide() == []


class TestQuestions:
    def test_no_answer_in_two_days_suspends(self, story: Story) -> None:
        story.batch(*story.message())
        assert story.ask() == []
        assert story.judge.due() == story.now + 2 * DAY
        story.wait(hours=47)
        story.batch(*story.message())
        story.wait(minutes=59)
        assert story.active() == set()
        assert story.wait(minutes=1) == [SUSPENDED]
        assert story.last().rule == "unanswered-question"

    def test_an_answer_in_time_ends_it(self, story: Story) -> None:
        story.ask()
        story.wait(hours=47)
        assert story.batch(story.event(Kind.ABUSE_ANSWERED)) == []
        assert story.wait(days=30) == []

    def test_asked_twice_it_has_one_clock(self, story: Story) -> None:
        """Also where the second question comes from somebody who did not know of the first."""
        story.batch(*story.message())
        asked = story.now
        story.ask()
        story.wait(hours=47)
        story.batch(*story.message())
        assert story.ask() == []
        assert story.judge.due() == asked + 2 * DAY
        assert [report.asked_s for report in story.judge.asked(MEMBER, story.now)] == [epoch(asked)]
        assert story.wait(hours=1) == [SUSPENDED]

    def test_after_a_lift_it_can_be_asked_anew(self, story: Story) -> None:
        story.batch(*story.message())
        story.ask()
        story.wait(days=2)
        story.decide(negate=["mail-suspended"], hours=1)
        story.wait(days=1)
        assert story.judge.asked(MEMBER, story.now) == [], "nothing from before the lift counts"
        story.ask()
        story.wait(hours=47)
        story.batch(*story.message())
        assert story.wait(hours=1) == [SUSPENDED]

    def test_what_no_rule_looks_back_to_can_be_asked_anew(self, begin: Callable[..., Story]) -> None:
        story = begin()
        story.ask()
        story.wait(days=31)
        assert story.judge.asked(MEMBER, story.now) == []
        story.ask()
        assert len(story.judge.asked(MEMBER, story.now)) == 1

    def test_of_somebody_unknown_nothing_is_asked(self, story: Story) -> None:
        assert story.judge.asked(OTHER, story.now) == []
        story.batch(*story.message(did=OTHER))
        assert story.judge.asked(OTHER, story.now) == []

    def test_without_a_policy_nothing_looks_back(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        story.ask()
        assert len(story.judge.asked(MEMBER, story.now)) == 1
        story.wait(minutes=1)
        assert story.judge.asked(MEMBER, story.now) == []

    def test_a_question_right_after_a_lift_counts_too(self, story: Story) -> None:
        story.decide(negate=["mail-throttled"])
        story.ask()
        assert story.judge.due() == story.now + 2 * DAY + timedelta(hours=1)
        story.wait(hours=48)
        story.batch(*story.message())
        assert story.wait(hours=1) == [SUSPENDED]

    def test_what_came_due_before_it_happens_before_it(self, story: Story) -> None:
        story.mail(bad=5)
        story.now += 15 * DAY
        assert story.ask() == [THROTTLED]


class TestOverrides:
    def test_an_exempt_member_is_judged_by_the_other_rules_only(self, story: Story) -> None:
        assert story.override(exempt=["invalid-recipients"]) == []
        assert story.mail(bad=10) == []
        member = story.judge.subjects[MEMBER].member
        ids = {rule.id for rule in story.judge.rules_for(member, story.now)}
        assert "invalid-recipients" not in ids
        assert "complaints" in ids

    def test_it_ends_with_its_term(self, story: Story) -> None:
        story.override(exempt=["invalid-recipients"], duration_h=24)
        assert story.mail(bad=10) == []
        member = story.judge.subjects[MEMBER].member
        story.wait(days=1)
        assert len(story.judge.rules_for(member, story.now)) == len(story.judge.rules_for(member, story.now - DAY)) + 1
        assert story.mail(good=1) == [SUSPENDED]
        assert member.grant is None

    def test_caps_replace_the_agreed_ones_each_by_itself(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=20, daily_cap=200))
        story.override(hourly_cap=50, duration_h=1)
        member = story.judge.subjects[MEMBER].member
        assert story.judge.caps(member, story.now) == Caps(hourly=50, daily=200)
        assert story.judge.caps(member, story.now + timedelta(hours=1)) == Caps(hourly=20, daily=200)

    def test_granting_nothing_takes_it_back_and_judges_at_once(self, story: Story) -> None:
        story.override(exempt=["invalid-recipients"])
        story.mail(bad=10)
        assert story.override() == [SUSPENDED]
        assert story.judge.subjects[MEMBER].member.grant is None

    def test_without_a_policy_it_is_kept_and_no_rule_is_there(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        assert story.override(daily_cap=7) == []
        member = story.judge.subjects[MEMBER].member
        assert story.judge.caps(member, story.now).daily == 7
        assert story.judge.rules_for(member, story.now) == ()

    def test_what_came_due_before_it_happens_before_it(self, story: Story) -> None:
        story.mail(bad=5)
        story.now += 15 * DAY
        assert story.override(hourly_cap=5) == [THROTTLED]


class TestAbuseReports:
    @pytest.mark.parametrize(
        ("category", "text"),
        [
            ("phishing", "immediate: abuse report 8b5cc4df7eec7d32, category phishing"),
            ("scam", "urgent: abuse report 8b5cc4df7eec7d32, category scam"),
            ("new-kind", "routine: abuse report 8b5cc4df7eec7d32, category new-kind"),
            (None, "routine: abuse report 8b5cc4df7eec7d32, category none"),
        ],
    )
    def test_people_are_told_how_soon_to_look_and_nobody_is_judged(
        self, story: Story, category: str | None, text: str
    ) -> None:
        assert story.batch(story.event(Kind.ABUSE_REPORTED, category=category)) == []
        assert [notice.text for notice in story.judge.notices] == [text]
        assert story.notices() == [f"abuse-report {MEMBER}"]
        assert story.wait(days=40) == []

    def test_an_address_in_the_relay_s_id_is_not_told(self, story: Story) -> None:
        reported = story.event(Kind.ABUSE_REPORTED, category="scam")
        story.batch(msgspec.structs.replace(reported, id="complaint of eve@victim.example"))
        (notice,) = story.judge.notices
        assert "@" not in notice.text
        assert hashlib.sha256(b"complaint of eve@victim.example").hexdigest()[:16] in notice.text

    def test_without_a_policy_they_are_routine(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        story.batch(story.event(Kind.ABUSE_REPORTED, category="phishing"))
        assert story.judge.notices[0].text.startswith("routine: ")

    def test_asked_by_itself_silence_throttles_and_never_suspends(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=POLICY.replace("auto_ask = false", "auto_ask = true"))
        old = story.now - 5 * DAY
        assert story.batch(*(story.event(Kind.ABUSE_REPORTED, at=old) for _ in range(5))) == []
        story.wait(hours=47)
        story.batch(*story.message())
        assert story.wait(minutes=59) == []
        assert story.wait(minutes=1) == [THROTTLED]
        assert story.last().rule == "unanswered-reports"
        story.batch(*story.message())
        assert SUSPENDED not in story.wait(days=20)


class TestRemovedDomains:
    @staticmethod
    def removed(story: Story, domain: str = "shop.example") -> None:
        """A member that enrolled a domain and was removed."""
        story.batch(story.event(Kind.ENROLLED, domain=domain))
        story.decide(apply=["mail-removed"])

    def test_one_coming_back_under_another_name_is_suspended_and_told(self, story: Story) -> None:
        self.removed(story)
        changes = story.batch(story.event(Kind.ENROLLED, OTHER, domain="mail.shop.example"))
        assert changes == ["+relay-member", SUSPENDED]
        assert story.last().rule == "removed-domain"
        assert story.notices() == [f"removed-domain {OTHER}"]
        assert evidence(story.last())["reason"] == story.last().reason

    def test_a_domain_only_sent_from_went_too(self, story: Story) -> None:
        story.mail(good=1)
        story.batch(*story.message(domain=None))
        story.decide(apply=["mail-removed"])
        assert SUSPENDED in story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example"))

    def test_an_account_without_a_domain_brings_none_back(self, story: Story) -> None:
        self.removed(story)
        assert story.batch(story.event(Kind.ENROLLED, OTHER)) == ["+relay-member"]

    def test_it_does_not_suspend_the_removed_account_itself(self, story: Story) -> None:
        self.removed(story)
        assert story.batch(story.event(Kind.ENROLLED, domain="www.shop.example")) == []
        assert story.notices() == []

    def test_a_removal_taken_back_gives_its_domains_back(self, story: Story) -> None:
        self.removed(story)
        story.decide(negate=["mail-removed"])
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]

    def test_with_the_removal_taken_back_an_enrolled_account_is_a_member_again(self, story: Story) -> None:
        self.removed(story)
        assert story.decide(negate=["mail-removed"]) == ["-mail-removed", "+relay-member"]
        assert story.last().rule == "enrolled"
        assert evidence(story.last())["actor"] == "enrolled", "it is the enrolment's word, not the operator's"
        assert story.decide(negate=["mail-removed"]) == [], "and it is said once"

    def test_nor_is_it_said_of_one_that_left_meanwhile_or_that_an_operator_does_not_want(self, story: Story) -> None:
        self.removed(story)
        story.batch(story.event(Kind.UNENROLLED, domain="shop.example"))
        assert story.decide(negate=["mail-removed"]) == ["-mail-removed"]
        story.batch(story.event(Kind.ENROLLED, OTHER, domain="other.example"))
        story.decide(apply=["mail-removed"], did=OTHER)
        assert story.decide(negate=["mail-removed", "relay-member"], did=OTHER) == ["-mail-removed"]

    @pytest.mark.parametrize("mode", ["enforce", "shadow"])
    def test_a_removal_that_runs_out_makes_a_member_of_it_at_that_moment(
        self, begin: Callable[..., Story], mode: str
    ) -> None:
        story = begin(policy=POLICY.replace('mode = "enforce"', f'mode = "{mode}"'))
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.decide(apply=["mail-removed"], hours=24)
        assert story.wait(hours=23) == []
        assert story.wait(hours=1) == ["+relay-member"]
        assert story.last().label.cts.startswith("2026-03-07T12:00:00")

    def test_a_removal_that_ended_by_itself_no_longer_counts(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.decide(apply=["mail-removed"], hours=24)
        story.now += DAY
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]

    def test_who_an_operator_let_have_it_may_leave_and_come_back(self, story: Story) -> None:
        self.removed(story)
        story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example"))
        assert story.decide(negate=["mail-suspended"], did=OTHER, hours=1) == ["-mail-suspended"]
        story.wait(days=1)
        assert story.batch(story.event(Kind.UNENROLLED, OTHER, domain="shop.example")) == ["-relay-member"]
        story.wait(days=1)
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]

    def test_nor_is_it_held_against_them_when_the_relay_tells_of_the_enrolment_again(self, story: Story) -> None:
        self.removed(story)
        story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example"))
        story.notices()
        story.decide(negate=["mail-suspended"], did=OTHER)
        story.wait(days=8)
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example", hourly_cap=50)) == []
        assert story.notices() == []

    def test_a_human_s_throttle_stands_and_people_are_told_all_the_same(self, story: Story) -> None:
        self.removed(story)
        story.decide(apply=["mail-throttled"], did=OTHER)
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]
        assert story.notices() == [f"removed-domain {OTHER}"]

    def test_before_a_policy_nobody_is_suspended_for_it(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        self.removed(story)
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]


class TestSharedDomains:
    def test_who_left_one_member_is_not_written_to_by_the_next_with_its_domain(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example"))
        mail = [story.message(recipient=n) for n in range(3)]
        story.batch(*(event for message in mail for event in message))
        story.batch(*(story.about(message[0], Kind.UNSUBSCRIBED) for message in mail))
        story.wait(hours=2)
        again = [event for n in range(3) for event in story.message(None, did=OTHER, recipient=n)]
        assert story.batch(*again) == [SUSPENDED]
        assert story.last().rule == "suppression-evasion"

    def test_after_one_gave_the_domain_up_they_share_nothing(self, story: Story) -> None:
        for did in (MEMBER, OTHER):
            story.batch(story.event(Kind.ENROLLED, did, domain="shop.example"))
        assert set(story.judge._domains.sharers) == {"shop.example"}
        story.batch(story.event(Kind.UNENROLLED, domain="shop.example"))
        assert story.judge._domains.sharers == {}
