"""What may enter the input log: once, on time, attributable."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.errors import BadInput
from labeler.reputation import intake as module
from labeler.reputation.events import SendEvent
from labeler.reputation.filings import Filing
from labeler.reputation.inputs import (
    Batch,
    CaseAction,
    Decision,
    Override,
    Question,
    Report,
    Tick,
    decode_input,
    encode_input,
)
from labeler.reputation.intake import Intake

RELAY, OTHER = "did:web:relay.example", "did:web:other.example"
NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
MS, DAY = timedelta(milliseconds=1), timedelta(days=1)


def event(name: str = "e1", at: datetime = NOW, **fields: Any) -> SendEvent:
    return SendEvent(**{"id": name, "kind": "accepted", "did": "did:plc:member", "at": at, **fields})


def decision(**fields: Any) -> Decision:
    return Decision(
        **{"received": NOW, "operator": "did:plc:op", "did": "did:plc:m", "apply": ("mail-throttled",), **fields}
    )


def test_new_events_make_one_batch_stamped_once() -> None:
    events = (event("a"), event("b"))
    admission = Intake().admit(RELAY, events, NOW)
    assert admission.batch == Batch(NOW, RELAY, events)
    assert (admission.duplicates, admission.rejected) == (0, [])


def test_an_event_counts_once_however_often_it_is_sent() -> None:
    intake = Intake()
    intake.admit(RELAY, [event("a")], NOW)
    again = intake.admit(RELAY, [event("a"), event("b"), event("b")], NOW + 3 * DAY)
    assert again.batch is not None
    assert [item.id for item in again.batch.events] == ["b"]
    assert again.duplicates == 2


def test_nothing_new_makes_no_batch() -> None:
    intake = Intake()
    intake.admit(RELAY, [event()], NOW)
    assert intake.admit(RELAY, [event()], NOW) == (None, 1, [])
    assert intake.admit(RELAY, [], NOW) == (None, 0, [])


def test_ids_belong_to_their_relay() -> None:
    intake = Intake()
    assert intake.admit(RELAY, [event()], NOW).batch is not None
    assert intake.admit(OTHER, [event()], NOW).batch is not None


@pytest.mark.parametrize(
    ("at", "error"),
    [
        (NOW - 7 * DAY, None),
        (NOW - 7 * DAY - MS, "TooOld"),
        (NOW + timedelta(minutes=5), None),
        (NOW + timedelta(minutes=5) + MS, "FutureEvent"),
    ],
)
def test_seven_days_late_and_five_minutes_ahead_are_welcome_and_not_more(at: datetime, error: str | None) -> None:
    admission = Intake().admit(RELAY, [event("x", at), event("good")], NOW)
    assert [(item.index, item.id, item.error) for item in admission.rejected] == ([(0, "x", error)] if error else [])
    assert admission.batch is not None
    assert len(admission.batch.events) == (1 if error else 2), "the neighbours of a bad event stay"


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_no_id_is_forgotten_while_its_event_could_still_be_admitted(hour: int) -> None:
    """The earliest reception of an event and the latest: five minutes before it happened, seven days after."""
    intake, at = Intake(), NOW.replace(hour=hour)
    intake.admit(RELAY, [event("x", at)], at - timedelta(minutes=5))
    for day in range(1, 7):
        intake.admit(RELAY, [event(f"day {day}", at + day * DAY)], at + day * DAY)
    assert intake.admit(RELAY, [event("x", at)], at + 7 * DAY).duplicates == 1


def test_ids_are_forgotten_once_their_events_are_too_old() -> None:
    intake = Intake()
    intake.admit(RELAY, [event("x")], NOW)
    for day in (8, 9):
        intake.admit(RELAY, [event(f"day {day}", NOW + day * DAY)], NOW + day * DAY)
    assert [ids for day, ids in intake._days.items() if day == NOW.toordinal()] == []
    assert intake.admit(RELAY, [event("x")], NOW + 9 * DAY).rejected[0].error == "TooOld"


@pytest.mark.parametrize(
    "field", ["domain", "recipient_domain", "from_domain", "provider", "kind", "category", "tier", "hash_key"]
)
def test_an_address_in_clear_is_refused_in_every_field(field: str) -> None:
    admission = Intake().admit(RELAY, [event("bad", NOW, **{field: "bob@example.com"}), event("good")], NOW)
    assert [(item.index, item.error) for item in admission.rejected] == [(0, "InvalidEvent")]
    assert "in clear" in admission.rejected[0].message


def test_a_message_id_may_look_like_one() -> None:
    assert Intake().admit(RELAY, [event(message_id="<1@relay.example>")], NOW).batch is not None


def test_who_is_no_did_is_nobody() -> None:
    admission = Intake().admit(RELAY, [event(did="member"), event("good")], NOW)
    assert [(item.index, item.error) for item in admission.rejected] == [(0, "InvalidEvent")]


def test_a_rejected_event_may_be_sent_again_corrected() -> None:
    intake = Intake()
    intake.admit(RELAY, [event(domain="a@b")], NOW)
    assert intake.admit(RELAY, [event(domain="b.example")], NOW).batch is not None


def test_known_dids_are_cached_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DID_CACHE", 2)
    intake = Intake()
    intake.admit(RELAY, [event(f"e{number}", did=f"did:plc:m{number}") for number in range(3)], NOW)
    assert intake._known_dids == {"did:plc:m2"}


def test_what_could_not_be_written_is_no_duplicate_later() -> None:
    intake = Intake()
    batch = intake.admit(RELAY, [event("a"), event("b")], NOW).batch
    assert batch is not None
    intake.forget(batch)
    assert intake.admit(RELAY, [event("a")], NOW).batch is not None
    Intake().forget(batch)


def test_the_log_rebuilds_the_memory() -> None:
    intake = Intake()
    for record in (Batch(NOW, RELAY, (event(),)), decision(external_id="x"), decision(), Tick(NOW)):
        intake.remember(decode_input(encode_input(record)))
    assert intake.admit(RELAY, [event()], NOW).duplicates == 1
    with pytest.raises(BadInput):
        intake.admit_decision(decision(external_id="x"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"did": "somebody"}, "not a DID"),
        ({"apply": ("mail-throttled", "very-bad")}, "Undeclared label value: very-bad"),
        ({"negate": ("!takedown",)}, "Undeclared label value: !takedown"),
        ({"negate": ("mail-throttled",)}, "applied and negated at once: mail-throttled"),
        ({"duration_h": 0}, "between 1 and"),
        ({"duration_h": -1}, "between 1 and"),
        ({"duration_h": 10**12}, "between 1 and"),
    ],
)
def test_a_decision_nobody_could_carry_out_is_refused(fields: dict[str, Any], words: str) -> None:
    intake = Intake()
    with pytest.raises(BadInput, match=words):
        intake.admit_decision(decision(external_id="x", **fields))
    intake.admit_decision(decision(external_id="x"))  # and nothing was remembered


def test_an_external_id_counts_once_for_a_subject_and_type() -> None:
    intake = Intake()
    first = decision(external_id="x", duration_h=1)
    intake.admit_decision(first)
    with pytest.raises(BadInput) as caught:
        intake.admit_decision(decision(external_id="x", negate=(), apply=("clean-sender",)))
    assert (caught.value.name, caught.value.status) == ("DuplicateExternalId", 400)
    intake.admit_decision(decision(external_id="x", did="did:plc:other"))
    intake.admit_decision(decision(external_id="x", event="comment", apply=()))
    intake.admit_decision(decision())
    intake.admit_decision(decision())
    intake.forget(first)
    intake.forget(decision())
    intake.forget(decision(external_id="never seen"))
    intake.admit_decision(first)


def test_a_question_needs_somebody_to_be_asked() -> None:
    Intake().admit_question(Question(NOW, "did:plc:op", "did:plc:m", "what happened?"))
    with pytest.raises(BadInput, match="not a DID"):
        Intake().admit_question(Question(NOW, "did:plc:op", "somebody"))


RULES = ("velocity", "complaints")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"exempt": ("velocity",)},
        {"exempt": RULES, "hourly_cap": 1, "daily_cap": 1_000_000_000, "duration_h": 1},
        {"daily_cap": 5, "duration_h": 10 * 366 * 24},
    ],
)
def test_an_override_may_grant_rules_caps_a_term_or_nothing(fields: dict[str, Any]) -> None:
    Intake().admit_override(Override(NOW, "did:plc:op", "did:plc:m", **fields), RULES)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"did": "somebody"}, "not a DID"),
        ({"exempt": ("velocity", "gravity")}, "no rule gravity. Its rules: complaints, velocity"),
        ({"hourly_cap": 0}, "hourlyCap must lie between 1 and"),
        ({"daily_cap": -1}, "dailyCap must lie between 1 and"),
        ({"daily_cap": 10**12}, "dailyCap must lie between 1 and"),
        ({"hourly_cap": 5, "duration_h": 0}, "between 1 and"),
        ({"hourly_cap": 5, "duration_h": 10**12}, "between 1 and"),
        ({"duration_h": 5}, "needs something that is granted"),
    ],
)
def test_an_override_nobody_could_mean_is_refused(fields: dict[str, Any], words: str) -> None:
    granted: dict[str, Any] = {"received": NOW, "operator": "did:plc:op", "did": "did:plc:m", **fields}
    with pytest.raises(BadInput, match=words):
        Intake().admit_override(Override(**granted), RULES)


def test_an_appeal_is_resolved_once_and_only_where_one_was_made() -> None:
    intake, resolve = Intake(), decision(event="resolve-appeal")
    with pytest.raises(BadInput, match="No appeal"):
        intake.admit_decision(resolve)
    intake.admit_report(
        Report(resolve.received, resolve.did, resolve.did, "com.atproto.moderation.defs#reasonAppeal", "", True)
    )
    intake.admit_decision(resolve)
    with pytest.raises(BadInput, match="No appeal"):
        intake.admit_decision(resolve)
    intake.forget(resolve)
    intake.admit_decision(resolve)


def test_a_repeated_resolution_of_an_appeal_is_a_duplicate() -> None:
    intake, resolve = Intake(), decision(event="resolve-appeal", external_id="x")
    intake.admit_report(
        Report(resolve.received, resolve.did, resolve.did, "com.atproto.moderation.defs#reasonAppeal", "", True)
    )
    assert not intake.repeats(resolve)
    intake.admit_decision(resolve)
    assert intake.repeats(resolve)
    with pytest.raises(BadInput, match="externalId"):
        intake.admit_decision(resolve)


def report(**fields: Any) -> Report:
    known: dict[str, Any] = {
        "received": NOW,
        "reporter": "did:plc:bob",
        "did": "did:plc:m",
        "reason": "x.y.z#spam",
        "category": "spam",
    }
    return Report(**(known | fields))


def appeal(at: datetime = NOW) -> Report:
    return report(received=at, reporter="did:plc:m", reason="x.y.z#appeal", category="appeal", appeal=True)


class TestReports:
    def test_the_same_again_within_a_day_is_the_one_that_was_filed(self) -> None:
        intake = Intake()
        first = report()
        assert intake.admit_report(first) is first
        intake.written(first, 7)
        again = intake.admit_report(report(received=NOW + DAY - MS, text="other words"))
        assert again == Filing(NOW, 7)
        later = report(received=NOW + DAY)
        assert intake.admit_report(later) is later

    def test_a_restart_knows_it(self) -> None:
        intake = Intake()
        intake.remember(report())
        intake.written(report(), 7)
        assert intake.admit_report(report(received=NOW + MS)) == Filing(NOW, 7)

    def test_what_could_not_be_written_may_be_said_again(self) -> None:
        intake = Intake()
        intake.admit_report(report())
        intake.forget(report())
        again = report(received=NOW + MS)
        assert intake.admit_report(again) is again

    def test_a_report_is_about_a_did(self) -> None:
        with pytest.raises(BadInput):
            Intake().admit_report(report(did="alice"))


@pytest.mark.row(261)
class TestAppeals:
    def test_one_waits_at_a_time(self) -> None:
        intake = Intake()
        intake.admit_report(appeal())
        with pytest.raises(BadInput) as caught:
            intake.admit_report(appeal(NOW + DAY))
        assert (caught.value.name, caught.value.status) == ("AlreadyAppealed", 403)

    def test_a_restart_knows_it(self) -> None:
        intake = Intake()
        intake.remember(appeal())
        with pytest.raises(BadInput):
            intake.admit_report(appeal())

    @pytest.mark.parametrize(
        "end",
        [
            CaseAction(NOW, "did:plc:op", 1, "resolve", "appeal", "did:plc:m", revision=0),
            Decision(NOW, "did:plc:op", "did:plc:m", "resolve-appeal"),
        ],
    )
    def test_once_decided_there_may_be_another_at_once(self, end: CaseAction | Decision) -> None:
        intake = Intake()
        intake.admit_report(appeal())
        intake.remember(end)
        again = appeal(NOW + MS)
        assert intake.admit_report(again) is again, "not taken for the first one, either"

    def test_a_reopened_case_waits_again(self) -> None:
        intake = Intake()
        intake.remember(CaseAction(NOW, "did:plc:op", 1, "resolve", "appeal", "did:plc:m", revision=0))
        intake.remember(CaseAction(NOW, "did:plc:op", 1, "reopen", "appeal", "did:plc:m", revision=1))
        with pytest.raises(BadInput):
            intake.admit_report(appeal())

    def test_one_that_could_not_be_written_may_be_said_again(self) -> None:
        intake = Intake()
        intake.admit_report(appeal())
        intake.forget(appeal())
        intake.admit_report(appeal())

    def test_resolved_by_its_event_its_case_is_not_decided_again(self) -> None:
        intake = Intake()
        intake.admit_report(appeal())
        resolve = CaseAction(NOW, "did:plc:op", 1, "resolve", "appeal", "did:plc:m", revision=0)
        intake.admit_decision(Decision(NOW, "did:plc:op", "did:plc:m", "resolve-appeal"))
        with pytest.raises(BadInput, match="decided meanwhile") as told:
            intake.admit_case(resolve)
        assert told.value.name == "CaseClosed"
        intake.admit_case(CaseAction(NOW, "did:plc:op", 1, "comment", "appeal", "did:plc:m", revision=0))

    def test_an_old_appeal_is_not_taken_up_beside_a_new_one(self) -> None:
        intake = Intake()
        intake.admit_report(appeal())
        reopen = CaseAction(NOW, "did:plc:op", 1, "reopen", "appeal", "did:plc:m", revision=0)
        with pytest.raises(BadInput, match="Another appeal") as told:
            intake.admit_case(reopen)
        assert told.value.name == "CaseOpen"
        intake.admit_decision(Decision(NOW, "did:plc:op", "did:plc:m", "resolve-appeal"))
        intake.admit_case(reopen)

    @pytest.mark.parametrize(("act", "waited"), [("resolve", True), ("reopen", False)])
    def test_a_decision_that_could_not_be_written_leaves_it_as_it_was(self, act: str, waited: bool) -> None:
        intake = Intake()
        if waited:
            intake.admit_report(appeal())
        actions = [
            CaseAction(NOW, "did:plc:op", 1, act, "appeal", "did:plc:m", revision=0),
            CaseAction(NOW, "did:plc:op", 1, "comment", "appeal", "did:plc:m", revision=1),
        ]
        for action in actions:
            intake.admit_case(action)
        resolved = decision(event="resolve-appeal", apply=())
        if act == "resolve":  # nothing is left to be resolved then, and what is refused needs no undoing
            with pytest.raises(BadInput, match="No appeal"):
                intake.admit_decision(resolved)
        else:
            intake.admit_decision(resolved)
            intake.forget(resolved)
        for action in reversed(actions):
            intake.forget(action)
        assert ("did:plc:m" in intake._appealed) == waited


class TestCases:
    def test_of_two_who_decide_at_once_one_is_told_so(self) -> None:
        intake = Intake()
        action = CaseAction(NOW, "did:plc:op", 1, "claim", "incident", revision=0)
        intake.admit_case(action)
        with pytest.raises(BadInput) as caught:
            intake.admit_case(action)
        assert caught.value.name == "CaseChanged"
        intake.forget(action)
        intake.admit_case(action)

    def test_it_is_about_a_did_and_lasts_some_hours(self) -> None:
        for fields in ({"did": "alice"}, {"did": "did:plc:m", "duration_h": 0}):
            with pytest.raises(BadInput):
                Intake().admit_case(CaseAction(NOW, "did:plc:op", 1, "resolve", "appeal", revision=0, **fields))

    def test_what_needs_no_undoing_is_left_alone(self) -> None:
        Intake().forget(Tick(NOW))


class TestRemovalsAsOneEvent:
    """A removal takes two steps and is one event to whoever sends it: sent again it must not take the second."""

    def test_an_external_id_holds_for_both_steps_and_for_the_label(self) -> None:
        intake = Intake()
        proposal = Decision(NOW, "did:plc:op", "did:plc:a", "propose-removal", external_id="x")
        intake.admit_decision(proposal)
        for event in ("propose-removal", "confirm-removal", "label"):
            with pytest.raises(BadInput, match="externalId") as told:
                intake.admit_decision(Decision(NOW, "did:plc:op", "did:plc:a", event, external_id="x"))
            assert told.value.name == "DuplicateExternalId"
        intake.admit_decision(Decision(NOW, "did:plc:op", "did:plc:a", "comment", external_id="x"))
        intake.check_external_id("x", "did:plc:b", "label")
        intake.forget(proposal)
        intake.check_external_id("x", "did:plc:a", "label")
        intake.remember(proposal)
        with pytest.raises(BadInput):
            intake.check_external_id("x", "did:plc:a", "label")


class TestRevisions:
    @staticmethod
    def action(act: str = "resolve", kind: str = "suspension", revision: int = 0, **fields: Any) -> CaseAction:
        known: dict[str, Any] = {"did": "did:plc:a"}
        return CaseAction(NOW, "did:plc:op", 1, act, kind, revision=revision, **(known | fields))

    def test_an_action_enters_at_the_revision_it_was_decided_on_and_once(self) -> None:
        intake = Intake()
        intake.admit_case(self.action("claim"))
        for revision in (0, 2):
            with pytest.raises(BadInput, match="revision 1 now") as told:
                intake.admit_case(self.action(revision=revision))
            assert told.value.name == "CaseChanged"
        undone = self.action("comment", revision=1)
        intake.admit_case(undone)
        intake.forget(undone)
        intake.admit_case(self.action("comment", revision=1))

    def test_revisions_are_counted_again_from_the_log(self) -> None:
        intake = Intake()
        intake.remember(self.action("claim"))
        with pytest.raises(BadInput):
            intake.admit_case(self.action())
        intake.admit_case(self.action(revision=1))

    @pytest.mark.parametrize("fields", [{"did": "alice"}, {"did": ""}, {"duration_h": 0}, {"duration_h": 10**9}])
    def test_what_makes_no_sense_is_refused(self, fields: dict[str, Any]) -> None:
        intake = Intake()
        with pytest.raises(BadInput):
            intake.admit_case(self.action(**fields))
        intake.admit_case(self.action(kind="incident", did=""))
