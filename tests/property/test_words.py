"""What people say, mixed into any history: replay is exact, a pause is a pause, no case is lost or doubled."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.atproto.label import Label
from labeler.moderation.cases import CaseKind
from labeler.reputation.definitions import MAIL_SUSPENDED
from labeler.reputation.inputs import (
    Answer,
    Automation,
    CaseAction,
    Decision,
    Input,
    Override,
    Question,
    Report,
    decode_input,
    encode_input,
)
from labeler.reputation.judge import PAUSE
from tests.property.test_fold import DIDS, SRC, Chronicle, Scene, bytes_of
from tests.unit.moderation.conftest import KeptCases

OP = "did:plc:op"
NO_RULES = {OP, "enrolled", "unenrolled"}
REMINDERS = [24, 48, 72]
WORDS = (
    "report appeal answer ask grant pause shadow enforce enforce claim comment release lift uphold shorten override "
    "dismiss reopen propose confirm resolve-appeal spray mail mail mail report complain pass pass throttle suspend"
)
SCENES = st.builds(
    Scene,
    gap=st.sampled_from([0, 0.2, 1, 5, 25, 37, 80, 400]),
    who=st.sampled_from(DIDS),
    what=st.sampled_from(WORDS.split()),
    good=st.sampled_from([80, 0, 5, 20]),
    bad=st.sampled_from([0, 2, 5, 9]),
    late=st.just(0),
)
PLOTS = st.lists(SCENES, min_size=6, max_size=25)


class Talk(Chronicle):
    """A chronicle in which people have their say, about whatever cases there are."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = self.kept = KeptCases(SRC, REMINDERS)
        for record in self.log:
            self.judge.step(record)

    def play(self, plot: list[Scene]) -> "Talk":
        super().play(plot)
        return self

    def _act(self, scene: Scene) -> None:
        word = self._word(scene)
        if word is not None:
            self._write(word)
        else:
            super()._act(scene)

    def _word(self, scene: Scene) -> Input | None:
        now, did = self.now, scene.who
        match scene.what:
            case "report" | "appeal":
                return Report(now, did, did, "reasonOther", "spam", scene.what == "appeal", "words")
            case "answer":
                return Answer(now, did, "words")
            case "ask":
                return Question(now, OP, did)
            case "grant":
                return Override(now, OP, did, exempt=("invalid-recipients",), duration_h=scene.good or None)
            case "pause" | "shadow" | "enforce":
                return Automation(now, OP, scene.what)
            case "propose" | "confirm":
                apply = ("mail-removed",) if scene.what == "confirm" else ()
                return Decision(now, OP, did, f"{scene.what}-removal", apply)
            case "resolve-appeal":
                return Decision(now, OP, did, scene.what)
            case "claim" | "comment" | "release" | "reopen":
                return self._action(scene, scene.what)
        effects: dict[str, dict[str, Any]] = {
            "lift": {"negate": ("mail-suspended", "mail-throttled")},
            "uphold": {"apply": ("mail-suspended",)},
            "shorten": {"apply": ("mail-throttled",)},
            "override": {"exempt": ("invalid-recipients",), "negate": ("mail-suspended",)},
            "dismiss": {},
        }
        if scene.what in effects:
            hours = scene.good or None
            return self._action(scene, "resolve", resolution=scene.what, duration_h=hours, **effects[scene.what])
        return None

    def _action(self, scene: Scene, act: str, **fields: Any) -> CaseAction | None:
        """About the newest case of the member, open or not; None where there is none."""
        cases = self.kept.book.about(scene.who)
        if not cases:
            return None
        case = cases[0]
        return CaseAction(self.now, OP, case.number, act, case.kind, case.about, revision=case.revision, **fields)


def retold(log: list[Input]) -> tuple[KeptCases, list[Any]]:
    """The same records, read back from their bytes."""
    judge = KeptCases(SRC, REMINDERS)
    return judge, [judge.step(decode_input(encode_input(record))) for record in log]


@settings(max_examples=60)
@given(PLOTS)
def test_the_log_replayed_gives_the_same_labels_cases_and_notices(plot: list[Scene]) -> None:
    live = Talk().play(plot)
    judge, emissions = retold(live.log)
    assert bytes_of(emissions) == bytes_of(live.emissions)
    assert judge.book.cases == live.kept.book.cases
    assert judge.told == live.kept.told
    assert judge.history.words == live.kept.history.words
    assert (judge.due(), judge.automation) == (live.judge.due(), live.judge.automation)


@settings(max_examples=60)
@given(PLOTS)
def test_while_the_rules_rest_only_people_and_enrolments_speak(plot: list[Scene]) -> None:
    live, mode = Talk().play(plot), "enforce"
    for record, emissions in zip(live.log, live.emissions, strict=True):
        if isinstance(record, Automation):
            mode = record.mode
        elif mode == PAUSE:
            assert {emission.actor for emission in emissions} <= NO_RULES
        elif mode == "shadow":
            assert {emission.actor for emission in emissions if not emission.shadow} <= NO_RULES


@settings(max_examples=60)
@given(PLOTS)
def test_no_suspension_stands_that_nobody_has_to_look_at_or_has_looked_at(plot: list[Scene]) -> None:
    """A suspension in force has an open case, unless a person decided on one of the member's."""
    live, judge = Talk().play(plot), KeptCases(SRC, REMINDERS)
    labels, decided = dict[str, Label](), set[str]()
    for record in live.log:
        for emission in judge.step(record):
            if emission.label.val == MAIL_SUSPENDED and not emission.shadow:
                labels[emission.label.uri] = emission.label
        if isinstance(record, CaseAction) and record.act == "resolve":
            decided.add(record.did)
        for did, label in labels.items():
            open_ = {case.kind for case in judge.book.open_about(did)}
            if label.is_active(record.received) and did not in decided:
                assert open_ & {CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN}
        keys = [(case.kind, case.about) for case in judge.book.cases.values() if case.closed is None]
        assert len(keys) == len(set(keys)) == len(list(judge.book.open())) == sum(map(judge.book.waiting, DIDS))


@settings(max_examples=40)
@given(PLOTS)
def test_every_open_case_is_brought_to_mind_on_time_and_so_often(plot: list[Scene]) -> None:
    live = Talk().play(plot)
    now = live.log[-1].received
    for case in live.kept.book.cases.values():
        reminded = sum(entry.what == "reminder" for entry in case.entries)
        assert case.closed is not None or case.reminded == sum(
            case.since + timedelta(hours=hours) <= now for hours in REMINDERS
        )
        assert reminded >= case.reminded
