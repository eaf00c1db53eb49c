"""Cases: what opens them, what joins them, what closes them, and when people are reminded."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from labeler.moderation import cases
from labeler.moderation.case_entries import CaseEntry
from labeler.moderation.cases import Case, CaseKind
from labeler.reputation.events import Kind
from labeler.reputation.inputs import CaseAction, Override, Tick
from labeler.reputation.subject import Notice
from tests.unit.reputation.conftest import FRIDAY, MEMBER, OPERATOR, POLICY
from tests.unit.reputation.test_incidents import BIG, CLEAN, send, settle_down

if TYPE_CHECKING:
    from tests.unit.moderation.conftest import Office

OTHER = "did:plc:other"
SUSPENDED, THROTTLED = "+mail-suspended", "+mail-throttled"
DAY = timedelta(days=1)


def whats(case: Case) -> list[str]:
    return [entry.what for entry in case.entries]


class TestSuspensions:
    def test_one_opens_a_case_with_its_evidence(self, office: "Office") -> None:
        assert office.mail(bad=10) == [SUSPENDED]
        case = office.case(CaseKind.SUSPENSION)
        assert (case.number, case.about, case.opened, case.revision) == (1, MEMBER, office.now, 0)
        assert case.evidence == [office.last().evidence_cid]
        assert case.text == office.last().reason
        assert whats(case) == ["label mail-suspended"]

    def test_a_throttle_opens_none(self, office: "Office") -> None:
        assert office.mail(good=5, bad=3) == [THROTTLED]
        assert office.book.cases == {}

    def test_an_operator_s_own_opens_one_too(self, office: "Office") -> None:
        office.decide(apply=["mail-suspended"])
        assert office.case(CaseKind.SUSPENSION).entries[0].actor == OPERATOR

    def test_one_that_is_only_pretended_opens_none(self, open_office: Callable[..., "Office"]) -> None:
        office = open_office(policy=POLICY.replace('mode = "enforce"', 'mode = "shadow"'))
        assert office.mail(bad=10) == ["(+mail-suspended)"]
        assert office.book.cases == {}

    def test_lifted_by_hand_it_closes_by_itself(self, office: "Office") -> None:
        office.mail(bad=10)
        case = office.case(CaseKind.SUSPENSION)
        office.decide(negate=["mail-suspended"])
        assert (case.closed, case.closed_by, case.resolution) == (office.now, OPERATOR, "lifted")
        assert office.book.open_about(MEMBER) == []

    def test_issued_anew_it_joins_the_open_case(self, office: "Office") -> None:
        office.mail(bad=10)
        office.decide(apply=["mail-suspended"], hours=3)
        case = office.case(CaseKind.SUSPENSION)
        assert len(case.evidence) == len(set(case.evidence)) == 2
        assert case.number == 1

    def test_unreviewed_it_falls_to_a_throttle_and_its_case_escalates(self, office: "Office") -> None:
        office.mail(bad=10)
        assert THROTTLED in office.wait(days=14)
        case = office.case(CaseKind.SUSPENSION)
        assert (case.escalated, case.urgency) == (True, "urgent")
        assert whats(case)[-1] == "label mail-throttled"
        assert len(case.evidence) == 2

    def test_unreviewed_where_nobody_has_a_case_nothing_escalates(self, office: "Office") -> None:
        office.mail(bad=10)
        office.resolve(office.case(CaseKind.SUSPENSION), "dismiss")
        assert THROTTLED in office.wait(days=14)
        assert list(office.book.open()) == []

    def test_removed_its_case_is_over_and_its_evidence_is_kept(self, office: "Office") -> None:
        office.mail(bad=10)
        case = office.case(CaseKind.SUSPENSION)
        office.decide(apply=["mail-removed"])
        assert case.resolution == "removed"
        office.decide(apply=["mail-suspended"])
        office.decide(negate=["mail-removed"])
        assert office.case(CaseKind.SUSPENSION).closed is None, "the removal went, not the suspension"

    def test_a_removed_domain_has_one_case_and_no_second_for_its_suspension(self, office: "Office") -> None:
        office.batch(office.event(Kind.ENROLLED, domain="shop.example"))
        office.decide(apply=["mail-removed"])
        office.batch(office.event(Kind.ENROLLED, OTHER, domain="shop.example"))
        (case,) = office.book.open_about(OTHER)
        assert case.kind is CaseKind.REMOVED_DOMAIN
        assert case.evidence == [office.last().evidence_cid]
        office.decide(negate=["mail-suspended"], did=OTHER)
        assert case.resolution == "lifted"


class TestDecisions:
    def test_a_lift_closes_its_own_case_by_its_own_name(self, office: "Office") -> None:
        office.mail(bad=10)
        case = office.case(CaseKind.SUSPENSION)
        office.now += timedelta(minutes=1)
        assert office.resolve(case, "lift", negate=("mail-suspended",), duration_h=48, comment="heard") == [
            "-mail-suspended"
        ]
        assert (case.resolution, case.closed_by, case.closed, case.revision) == ("lift", OPERATOR, office.now, 1)
        assert whats(case)[-1] == "resolve: lift"
        assert case.entries[-1].text == "heard"

    def test_a_lift_restarts_the_window_and_blocks_for_the_term_chosen(self, office: "Office") -> None:
        office.mail(bad=10)
        office.resolve(office.case(CaseKind.SUSPENSION), "lift", negate=("mail-suspended",), duration_h=48)
        office.wait(hours=2)
        assert SUSPENDED not in office.mail(bad=10), "blocked"
        office.wait(hours=50)
        assert SUSPENDED in office.mail(bad=10), "and after the term judged anew, on what came since"

    def test_in_another_case_it_closes_the_suspension_s(self, office: "Office") -> None:
        office.mail(bad=10)
        suspension = office.case(CaseKind.SUSPENSION)
        office.report(appeal=True)
        appeal = office.case(CaseKind.APPEAL)
        assert appeal.evidence == [office.last().evidence_cid], "what it appeals against"
        office.resolve(appeal, "lift", negate=("mail-suspended",))
        assert (appeal.resolution, suspension.resolution) == ("lift", "lifted")

    def test_upheld_for_a_time_it_opens_no_new_case(self, office: "Office") -> None:
        office.mail(bad=10)
        case = office.case(CaseKind.SUSPENSION)
        assert office.resolve(case, "uphold", apply=("mail-suspended",), duration_h=72) == [SUSPENDED]
        assert case.resolution == "uphold"
        office.report(appeal=True)
        appeal = office.case(CaseKind.APPEAL)
        assert office.resolve(appeal, "shorten", apply=("mail-suspended",), duration_h=5) == [SUSPENDED]
        assert list(office.book.open()) == []

    def test_what_came_due_before_it_is_its_own_matter(self, office: "Office") -> None:
        """A timer of somebody else fires with the same record: that suspension opens its case."""
        office.mail(bad=10)
        office.ask(did=OTHER)
        office.batch(*office.message(did=OTHER))
        office.now += timedelta(hours=47)
        office.batch(*office.message(did=OTHER))
        office.now += timedelta(hours=2)
        office.resolve(office.case(CaseKind.SUSPENSION), "lift", negate=("mail-suspended",))
        assert office.case(CaseKind.SUSPENSION, OTHER).number == 3
        assert office.case(CaseKind.ABUSE_REPORT, OTHER).escalated

    def test_a_decision_on_a_closed_case_is_noted_and_changes_nothing_about_it(self, office: "Office") -> None:
        office.mail(bad=10)
        case = office.case(CaseKind.SUSPENSION)
        office.decide(negate=["mail-suspended"])
        office.resolve(case, "lift")
        assert (case.resolution, case.revision, whats(case)[-1]) == ("lifted", 1, "resolve")

    def test_without_a_name_it_is_resolved(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.act(case, "resolve")
        assert case.resolution == "resolved"

    def test_claimed_released_and_commented_on(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.act(case, "claim")
        assert case.assignee == OPERATOR
        office.act(case, "comment", comment="hm")
        office.act(case, "release")
        released = office.case(CaseKind.ABUSE_REPORT)
        assert (released.assignee, released.revision, released.closed) == (None, 3, None)
        assert [entry.text for entry in case.entries][-2] == "hm"

    def test_an_action_on_a_case_nobody_knows_does_nothing(self, office: "Office") -> None:
        assert office.tell(CaseAction(office.now, OPERATOR, 7, "claim", "suspension", MEMBER)) == []
        assert office.book.cases == {}

    def test_an_override_of_a_breaker_case_excuses_from_then_on(self, office: "Office") -> None:
        for number in range(3):
            office.mail(bad=10, did=f"did:plc:m{number}")
        case = office.case(CaseKind.BREAKER, "did:plc:m2")
        assert case.urgency == "urgent"
        office.resolve(case, "override", exempt=("invalid-recipients",))
        assert office.judge.subjects["did:plc:m2"].member.grant is not None
        assert case.resolution == "override"


class TestReopening:
    def test_it_waits_again_and_its_reminders_begin_anew(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.wait(hours=50)
        assert case.reminded == 2
        office.resolve(case, "dismiss")
        office.wait(days=9)
        office.reminded()
        office.act(case, "reopen")
        assert (case.closed, case.closed_by, case.resolution, case.reminded) == (None, None, None, 0)
        assert office.book.find_open(CaseKind.ABUSE_REPORT, MEMBER) is case
        office.wait(hours=24)
        assert office.reminded() == ["case 1 (abuse-report) has been open for 24 hours"]

    def test_not_while_another_about_the_same_is_open(self, office: "Office") -> None:
        office.report()
        first = office.case(CaseKind.ABUSE_REPORT)
        office.resolve(first, "dismiss")
        office.report()
        office.act(first, "reopen")
        assert first.closed is not None
        assert office.case(CaseKind.ABUSE_REPORT).number == 2
        assert whats(first)[-1] == "reopen"

    def test_an_open_one_stays_open(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.act(case, "reopen")
        assert (case.closed, case.since) == (None, office.now)


class TestReports:
    def test_one_opens_a_case_as_urgent_as_its_category_and_further_ones_join(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        assert (case.urgency, whats(case)) == ("routine", ["abuse-report", "reasonOther"])
        office.batch(office.event(Kind.ABUSE_REPORTED, category="phishing"))
        assert case.urgency == "immediate"
        office.batch(office.event(Kind.ABUSE_REPORTED, category="scam"))
        assert (case.urgency, case.number, len(office.book.cases)) == ("immediate", 1, 1)
        assert case.entries[1].actor == "did:plc:reporter"

    @pytest.mark.parametrize("auto_ask", ["true", "false"])
    def test_an_answer_is_noted_and_a_new_report_wants_another_where_it_asks(
        self, auto_ask: str, open_office: Callable[..., "Office"]
    ) -> None:
        office = open_office(policy=POLICY.replace("auto_ask = false", f"auto_ask = {auto_ask}"))
        office.report()
        office.mail(bad=10)
        case = office.case(CaseKind.ABUSE_REPORT)
        office.answer()
        assert case.answered == office.case(CaseKind.SUSPENSION).answered == office.now
        assert whats(case)[-1] == "answer"
        office.report()
        assert (case.answered is None) is (auto_ask == "true")
        office.answer()
        office.ask()
        assert case.answered is None

    def test_an_answer_through_the_relay_is_one_too(self, office: "Office") -> None:
        office.report()
        office.batch(*office.message(), office.event(Kind.ABUSE_ANSWERED))
        assert office.case(CaseKind.ABUSE_REPORT).answered == office.now

    def test_an_answer_nobody_asked_for_opens_nothing(self, office: "Office") -> None:
        office.answer()
        office.batch(office.event(Kind.ABUSE_ANSWERED))
        assert office.book.cases == {}

    def test_a_question_opens_one_and_silence_escalates_it(self, office: "Office") -> None:
        office.ask()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.wait(hours=47)
        office.batch(*office.message())
        assert office.wait(hours=1) == [SUSPENDED]
        assert case.escalated
        assert case.evidence == office.case(CaseKind.SUSPENSION).evidence == [office.last().evidence_cid]

    def test_decided_by_a_person_silence_is_held_against_nobody(self, office: "Office") -> None:
        office.ask()
        office.resolve(office.case(CaseKind.ABUSE_REPORT), "dismiss")
        office.batch(*office.message())
        assert office.wait(days=3) == []
        assert office.judge.asked(MEMBER, office.now) == []

    def test_of_somebody_the_fold_never_heard_of_nothing_is_answered(self, office: "Office") -> None:
        action = CaseAction(office.now, OPERATOR, 1, "resolve", "abuse-report", "did:plc:nobody", resolution="dismiss")
        assert office.tell(action) == []
        assert "did:plc:nobody" not in office.judge.subjects


class TestOthers:
    def test_an_appeal_is_decided_by_a_word_too(self, office: "Office") -> None:
        office.report(appeal=True, text=None)
        case = office.case(CaseKind.APPEAL)
        assert (case.evidence, case.text) == ([], "the account appeals")
        office.word("resolve-appeal", comment="no")
        assert (case.resolution, case.closed_by) == ("resolved", OPERATOR)
        office.word("resolve-appeal")
        office.word("acknowledge")
        assert list(office.book.open()) == []

    def test_what_is_no_longer_in_force_is_not_appealed_against(self, office: "Office") -> None:
        office.mail(bad=10)
        office.decide(negate=["mail-suspended"])
        office.report(appeal=True)
        assert office.case(CaseKind.APPEAL).evidence == []

    def test_a_removal_is_proposed_told_in_other_cases_and_confirmed(self, office: "Office") -> None:
        office.mail(bad=10)
        suspension = office.case(CaseKind.SUSPENSION)
        office.word("propose-removal", comment="again")
        office.word("propose-removal")
        case = office.case(CaseKind.REMOVAL)
        assert whats(suspension)[-1] == whats(case)[0] == "propose-removal"
        assert case.number == 2
        assert office.active() == {"mail-suspended"}
        office.word("confirm-removal", apply=("mail-removed",))
        assert (case.resolution, suspension.resolution) == ("removed", "removed")
        assert office.active() == {"mail-removed"}

    def test_a_provider_s_failure_is_a_case_about_the_provider(self, office: "Office") -> None:
        settle_down(office)
        office.batch(*(event for did in CLEAN for event in send(office, did, bad=2)))
        case = office.case(CaseKind.INCIDENT, BIG)
        assert "clean elsewhere" in case.text
        office.resolve(case, "dismiss")
        assert case.resolution == "dismiss"

    def test_a_notice_that_is_no_case_opens_none(self, office: "Office") -> None:
        notice = Notice("case-reminder", MEMBER, office.now, "routine: x")
        assert office.book.take(9, Tick(office.now), [], [notice]) == []
        assert office.book.cases == {}

    def test_what_is_nobody_s_case_opens_none(self, office: "Office") -> None:
        office.tell(Override(office.now, OPERATOR, MEMBER, hourly_cap=5))
        office.automate("shadow")
        assert office.book.cases == {}


class TestReminders:
    def test_after_one_two_and_three_days(self, office: "Office") -> None:
        office.mail(bad=10)
        office.wait(hours=23)
        assert office.reminded() == []
        office.wait(hours=1)
        assert office.reminded() == ["case 1 (suspension) has been open for 24 hours"]
        office.wait(days=10)
        assert [told[-8:] for told in office.reminded()] == ["48 hours", "72 hours"]
        case = office.case(CaseKind.SUSPENSION)
        assert (case.reminded, office.book.next_reminder(case), office.book.due()) == (3, None, None)

    def test_after_a_long_silence_all_at_once(self, office: "Office") -> None:
        office.report()
        office.now += 5 * DAY
        office.tick()
        assert len(office.reminded()) == 3

    def test_never_of_a_closed_one(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        assert office.book.next_reminder(case) == office.now + DAY
        office.resolve(case, "dismiss")
        assert office.book.due() is None
        assert office.book.next_reminder(case) is None
        office.wait(days=9)
        assert office.reminded() == []

    def test_reopened_only_the_new_ones_count(self, office: "Office") -> None:
        office.report()
        case = office.case(CaseKind.ABUSE_REPORT)
        office.now += timedelta(hours=5)
        office.resolve(case, "dismiss")
        office.act(case, "reopen")
        assert office.book.due() == office.now + DAY

    def test_without_terms_there_are_none(self, open_office: Callable[..., "Office"]) -> None:
        office = open_office(reminders=())
        office.mail(bad=10)
        assert office.book.due() is None

    def test_they_go_on_while_the_rules_rest(self, office: "Office") -> None:
        office.mail(bad=10)
        office.automate("pause")
        assert office.wait(days=2) == []
        assert len(office.reminded()) == 2


class TestBounds:
    def test_of_many_entries_the_first_and_the_newest_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cases, "ENTRIES_KEPT", 3)
        monkeypatch.setattr(cases, "EVIDENCE_KEPT", 3)
        case = Case(1, CaseKind.BREAKER, MEMBER, FRIDAY, FRIDAY, "")
        for number in range(6):
            case.add(CaseEntry(FRIDAY, number, "labeler", "x"))
            case.prove([f"cid{number}", f"cid{number}"])
        assert [entry.position for entry in case.entries] == [0, 4, 5]
        assert case.evidence == ["cid0", "cid4", "cid5"]

    def test_a_flood_of_reports_pushes_out_no_answer_and_no_word_of_an_operator(self) -> None:
        case = Case(1, CaseKind.ABUSE_REPORT, MEMBER, FRIDAY, FRIDAY, "")
        kept = [("labeler", "abuse-report"), (OPERATOR, "claim"), (MEMBER, "answer"), ("rule", "label mail-throttled")]
        for position, (actor, what) in enumerate([*kept, (MEMBER, "answer"), (OPERATOR, "comment")]):
            case.add(CaseEntry(FRIDAY, position, actor, what))
        for position in range(6, 500, 2):
            case.add(CaseEntry(FRIDAY, position, "labeler", "abuse-report"))
            case.add(CaseEntry(FRIDAY, position + 1, "did:plc:junk", "x.y#reasonSpam"))
        assert [entry.position for entry in case.entries[:6]] == [0, 1, 2, 3, 4, 5]
        assert len(case.entries) == cases.ENTRIES_KEPT
        for position in range(500, 900):
            case.add(CaseEntry(FRIDAY, position, OPERATOR, "comment"))
        assert [entry.position for entry in case.entries if entry.position < 500] == [0, 4], "the newest answer"

    def test_urgency_only_rises_and_only_by_its_words(self) -> None:
        case = Case(1, CaseKind.BREAKER, MEMBER, FRIDAY, FRIDAY, "")
        for word, urgency in (("urgent", "urgent"), ("routine", "urgent"), ("a list", "urgent"), ("immediate",) * 2):
            case.press(word)
            assert case.urgency == urgency

    def test_of_whom_every_case_is_forgotten_nothing_is_kept(
        self, office: "Office", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cases, "CLOSED_KEPT", 1)
        for did in (OTHER, MEMBER):
            office.book.take(1, Tick(FRIDAY), [], [Notice("abuse-report", did, FRIDAY, "routine: x")])
            case = office.book.find_open(CaseKind.ABUSE_REPORT, did)
            assert case is not None
            assert office.book.about(did) == [case]
            office.resolve(case, "dismiss")
        assert office.book.about(OTHER) == []
        assert {did: set(numbers) for did, numbers in office.book._about.items()} == {MEMBER: {2}}

    def test_old_closed_cases_are_forgotten(self, office: "Office", monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cases, "CLOSED_KEPT", 2)
        for _ in range(4):
            office.report()
            office.resolve(office.case(CaseKind.ABUSE_REPORT), "dismiss")
        assert list(office.book.cases) == [3, 4]
        assert [case.number for case in office.book.about(MEMBER)] == [4, 3]
        office.act(Case(1, CaseKind.ABUSE_REPORT, MEMBER, FRIDAY, FRIDAY, ""), "reopen")
        assert list(office.book.cases) == [3, 4]
        assert office.book.due() is None, "nor is anybody reminded of them"
