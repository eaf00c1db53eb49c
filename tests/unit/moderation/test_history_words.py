"""Everybody's words, by their place in the log and by whom they are about."""

from typing import TYPE_CHECKING

from labeler.moderation.cases import CaseKind
from labeler.moderation.history import History
from labeler.reputation.inputs import Automation, CaseAction, Question
from tests.unit.reputation.conftest import FRIDAY, MEMBER, OPERATOR

if TYPE_CHECKING:
    from tests.unit.moderation.conftest import Office

OTHER = "did:plc:other"


def test_every_word_is_kept_under_its_place_and_nothing_else_is(office: "Office") -> None:
    history = office.kept.history
    office.mail(good=3)
    office.report(OTHER)
    office.decide(negate=["mail-throttled"])
    office.resolve(office.case(CaseKind.ABUSE_REPORT, OTHER), "dismiss")
    office.tick()
    assert list(history.words) == [3, 4, 5]
    assert [position for position, _ in history.about(OTHER)] == [3, 5]
    assert [position for position, _ in history.about(MEMBER)] == [4]
    assert list(history.about("did:plc:nobody")) == []
    assert list(history.subjects()) == [OTHER, MEMBER]


def test_the_newest_word_about_the_rules_is_at_hand_and_about_nobody() -> None:
    history = History()
    said = [history.automation]
    for position, mode in enumerate(("pause", "enforce"), 1):
        history.take(position, Automation(FRIDAY, OPERATOR, mode))
        said.append(history.automation)
    assert [word and word.mode for word in said] == [None, "pause", "enforce"]
    assert list(history.subjects()) == []


def test_an_action_on_an_incident_is_about_no_member() -> None:
    history = History()
    history.take(1, CaseAction(FRIDAY, OPERATOR, 1, "resolve", "incident"))
    history.take(2, Question(FRIDAY, OPERATOR, MEMBER))
    assert list(history.subjects()) == [MEMBER]
    assert list(history.words) == [1, 2]
