"""How a member stands with the moderators: what opens, escalates and closes a review, and what ends by itself."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from labeler.moderation.statuses import ReviewState, Statuses, SubjectStatus
from labeler.reputation.inputs import Answer, Automation, Input, Override, Question
from labeler.reputation.subject import Emission, Notice
from tests.unit.moderation.words import ADMIN, ALICE, MODERATOR, action, at, decision, label, notice, report, tick

SUSPENDED = "mail-suspended"


class Fold(Statuses):
    def __call__(
        self, record: Input, emissions: Sequence[Emission] = (), notices: Sequence[Notice] = ()
    ) -> SubjectStatus:
        self.take(record, emissions, notices)
        return self.by_did[ALICE]


@pytest.fixture
def fold() -> Fold:
    return Fold()


class TestOpening:
    def test_a_report_opens_the_review(self, fold: Fold) -> None:
        status = fold(report(1), notices=[notice("abuse-report", 1)])
        assert (status.state, status.reported_at, status.reports) == (ReviewState.OPEN, at(1), 1)
        assert (status.created, status.updated, status.reviewed_at) == (at(1), at(1), None)

    def test_a_rule_s_suspension_opens_the_review(self, fold: Fold) -> None:
        status = fold(tick(), [label(SUSPENDED, until=72)])
        assert (status.state, status.suspensions) == (ReviewState.OPEN, 1)

    def test_an_operator_s_suspension_was_looked_at_already(self, fold: Fold) -> None:
        word = decision("label", apply=(SUSPENDED,))
        status = fold(word, [label(SUSPENDED, by=MODERATOR)])
        assert (status.state, status.reviewed_by, status.reviewed_at) == (ReviewState.NONE, MODERATOR, at())
        assert status.stopped(at(10_000))

    def test_what_rules_do_in_shadow_opens_nothing(self, fold: Fold) -> None:
        fold.take(tick(), [label(SUSPENDED, shadow=True)], [])
        assert fold.by_did == {}

    def test_a_throttle_waits_for_nobody(self, fold: Fold) -> None:
        fold.take(tick(), [label("mail-throttled"), label("clean-sender", neg=True)], [])
        assert fold.by_did == {}

    def test_a_failing_provider_is_no_member(self, fold: Fold) -> None:
        fold.take(tick(), [], [notice("incident", about="example.net")])
        assert fold.by_did == {}

    def test_what_the_breaker_holds_back_waits(self, fold: Fold) -> None:
        assert fold(tick(), notices=[notice("breaker")]).state is ReviewState.OPEN

    def test_a_question_waits_for_its_answer_and_was_asked_by_somebody(self, fold: Fold) -> None:
        status = fold(Question(at(1), MODERATOR, ALICE))
        assert (status.state, status.reviewed_by) == (ReviewState.OPEN, MODERATOR)
        assert fold(Answer(at(2), ALICE, "it was a test")).updated == at(2)

    @pytest.mark.row(262)
    def test_an_appeal_escalates(self, fold: Fold) -> None:
        status = fold(report(2, appeal=True))
        assert (status.state, status.appealed, status.appealed_at) == (ReviewState.ESCALATED, True, at(2))
        assert (status.appeals, status.escalations, status.reports) == (1, 1, 0)

    @pytest.mark.parametrize("rule", ["unanswered-question", "unanswered-reports"])
    def test_a_deadline_that_passed_escalates(self, fold: Fold, rule: str) -> None:
        assert fold(tick(), [label("mail-throttled", rule=rule)]).state is ReviewState.ESCALATED
        assert fold(tick(1), [label("mail-throttled", neg=True, rule=rule)]).escalations == 1

    def test_silence_that_was_told_escalates(self, fold: Fold) -> None:
        status = fold(tick(48), notices=[notice("unanswered", 48)])
        assert (status.state, status.reports, status.waiting) == (ReviewState.ESCALATED, 0, {"abuse-report"})

    def test_a_suspension_that_ended_unreviewed_escalates(self, fold: Fold) -> None:
        fold(tick(), [label(SUSPENDED, until=72)])
        assert fold(tick(72), [label("mail-throttled", rule="unreviewed")]).state is ReviewState.ESCALATED


class TestClosing:
    def test_an_acknowledgement_closes(self, fold: Fold) -> None:
        fold(report(), notices=[notice("abuse-report")])
        status = fold(decision("acknowledge", 1))
        assert (status.state, status.waiting, status.reviewed_at) == (ReviewState.CLOSED, set(), at(1))

    @pytest.mark.parametrize(
        ("record", "emissions", "state"),
        [
            (report(appeal=True), [], ReviewState.ESCALATED),
            (tick(), [label(SUSPENDED, until=72)], ReviewState.OPEN),
            (decision("propose-removal", by=ADMIN), [], ReviewState.OPEN),
        ],
    )
    def test_it_closes_nothing_but_what_it_is_about(
        self, fold: Fold, record: Input, emissions: list[Emission], state: ReviewState
    ) -> None:
        fold(record, emissions)
        waiting = set(fold(report(1), notices=[notice("abuse-report", 1)]).waiting)
        status = fold(decision("acknowledge", 2))
        assert (status.state, status.waiting) == (state, waiting - {"abuse-report"})

    def test_a_report_after_it_opens_again(self, fold: Fold) -> None:
        fold(decision("acknowledge"))
        assert fold(report(1), notices=[notice("abuse-report", 1)]).state is ReviewState.OPEN

    def test_what_is_escalated_stays_so_until_it_is_closed(self, fold: Fold) -> None:
        assert fold(decision("escalate")).state is ReviewState.ESCALATED
        status = fold(report(1), notices=[notice("abuse-report", 1)])
        assert (status.state, fold(decision("escalate", 2)).escalations) == (ReviewState.ESCALATED, 1)
        assert fold(decision("acknowledge", 3)).state is ReviewState.CLOSED

    def test_a_human_s_lift_closes_and_a_rule_s_leaves_nothing(self, fold: Fold) -> None:
        fold(tick(), [label(SUSPENDED, until=72)])
        lift = decision("label", 1, negate=(SUSPENDED,))
        status = fold(lift, [label(SUSPENDED, 1, neg=True, by=MODERATOR)])
        assert (status.state, status.stopped(at(1))) == (ReviewState.CLOSED, False)
        fold(tick(2), [label(SUSPENDED, 2, until=74)])
        assert fold(tick(3), [label(SUSPENDED, 3, neg=True, by="incident")]).state is ReviewState.NONE
        assert status.suspensions == 2

    def test_what_settles_itself_leaves_a_closed_review_closed(self, fold: Fold) -> None:
        fold(decision("label", apply=(SUSPENDED,)), [label(SUSPENDED, by=MODERATOR)])
        fold(decision("acknowledge", 1))
        assert fold(tick(3), [label(SUSPENDED, 3, neg=True, by="incident")]).state is ReviewState.CLOSED

    def test_reports_still_wait_after_a_lift(self, fold: Fold) -> None:
        fold(report(), notices=[notice("abuse-report")])
        fold(tick(), [label(SUSPENDED)])
        lift = decision("label", 1, negate=(SUSPENDED,))
        assert fold(lift, [label(SUSPENDED, 1, neg=True, by=MODERATOR)]).state is ReviewState.OPEN
        assert fold(action("resolve", "abuse-report", 2, resolution="dismiss")).state is ReviewState.CLOSED

    @pytest.mark.row(262)
    @pytest.mark.parametrize("how", [decision("resolve-appeal", 3), action("resolve", "appeal", 3)])
    def test_an_appeal_that_is_decided_is_no_appeal_any_more(self, fold: Fold, how: Input) -> None:
        fold(report(2, appeal=True))
        status = fold(how)
        assert (status.appealed, status.state, status.appealed_at) == (False, ReviewState.CLOSED, at(2))

    def test_a_case_taken_up_again_waits_again(self, fold: Fold) -> None:
        fold(report(appeal=True))
        fold(action("resolve", "appeal", 1))
        status = fold(action("reopen", "appeal", 2))
        assert (status.appealed, status.state) == (True, ReviewState.OPEN)
        fold(action("resolve", "appeal", 3))
        assert fold(action("reopen", "suspension", 4)).appealed is False

    def test_who_comments_on_a_case_looked_and_who_claims_it_did_not(self, fold: Fold) -> None:
        fold(report(), notices=[notice("abuse-report")])
        assert fold(action("claim", "abuse-report", 1)).reviewed_at is None
        assert fold(action("comment", "abuse-report", 2)).reviewed_at == at(2)

    def test_a_provider_s_case_is_no_member_s(self, fold: Fold) -> None:
        fold.take(action("resolve", "incident", did=""), [], [])
        fold.take(Automation(at(), ADMIN, "pause"), [], [])
        assert fold.by_did == {}


class TestRemoval:
    def test_it_is_proposed_and_confirmed(self, fold: Fold) -> None:
        assert fold(decision("propose-removal", by=ADMIN)).state is ReviewState.OPEN
        word = decision("confirm-removal", 1, by=MODERATOR, apply=("mail-removed",))
        status = fold(word, [label("mail-removed", 1, by=MODERATOR)])
        assert (status.state, status.removed, status.removals) == (ReviewState.CLOSED, True, 1)
        assert status.stopped(at(10_000))

    def test_it_is_taken_back(self, fold: Fold) -> None:
        fold(tick(), [label("mail-removed")])
        status = fold(decision("label", 1), [label("mail-removed", 1, neg=True, by=MODERATOR)])
        assert (status.removed, status.removals) == (False, 1)


class TestNotes:
    def test_only_a_sticky_comment_stays(self, fold: Fold) -> None:
        assert fold(decision("comment", comment="seen")).comment is None
        assert fold(decision("comment", comment="a customer of ours", sticky=True)).comment == "a customer of ours"
        assert fold(decision("comment", comment="seen again")).comment == "a customer of ours"
        assert fold(decision("comment", sticky=True)).comment is None, "an empty one clears it"

    def test_tags_are_added_once_and_taken_off(self, fold: Fold) -> None:
        fold(decision("tag", add_tags=("vip", "bulk")))
        status = fold(decision("tag", 1, add_tags=("vip",), remove_tags=("bulk", "never-there")))
        assert (status.tagged(at(1)), status.reviewed_at) == (["vip"], None)

    def test_a_tag_with_a_term_ends(self, fold: Fold) -> None:
        status = fold(decision("tag", add_tags=("watch",), duration_h=2))
        assert (status.tagged(at(1.9)), status.tagged(at(2))) == (["watch"], [])

    def test_a_mute_ends_by_itself_and_by_a_word(self, fold: Fold) -> None:
        status = fold(decision("mute", duration_h=2))
        assert (status.muted(at(1)), status.muted(at(2)), status.reviewed_at) == (True, False, None)
        assert not fold(decision("unmute", 1)).muted(at(1))

    def test_a_suspension_ends_with_its_term(self, fold: Fold) -> None:
        status = fold(tick(), [label(SUSPENDED, until=72)])
        assert (status.stopped(at(71)), status.stopped(at(72))) == (True, False)
        fold(tick(1), [label(SUSPENDED, 1, until=80)])
        assert (status.suspensions, status.suspended_until) == (1, at(80)), "issued anew, it is the same one"

    def test_a_grant_was_looked_at(self, fold: Fold) -> None:
        status = fold(Override(at() + timedelta(hours=1), ADMIN, ALICE, hourly_cap=5))
        assert (status.state, status.reviewed_by) == (ReviewState.NONE, ADMIN)

    def test_numbers_follow_the_order_of_the_first_word(self, fold: Fold) -> None:
        fold(decision("comment"))
        fold(decision("comment", did="did:plc:bob"))
        assert [(status.number, status.did) for status in fold.by_did.values()] == [(1, ALICE), (2, "did:plc:bob")]
