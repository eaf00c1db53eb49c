"""Words and what the rules did in between: ids that say where, one order, and nothing that is nobody's business."""

from typing import Any

import pytest

from labeler.moderation import history as module
from labeler.moderation.history import RULES_FROM, SLOTS, History
from labeler.reputation.inputs import Automation
from tests.unit.moderation.words import ADMIN, ALICE, BOB, MODERATOR, action, at, decision, label, report, tick


def ids(history: History, *about: str, **how: Any) -> list[int]:
    return [number for number, _ in history.events(*about, **how)]


def test_a_word_is_found_by_its_place_in_the_log() -> None:
    history, word = History(), decision("comment", comment="seen")
    history.take(7, word)
    history.take(8, tick())
    assert (history.event(7), history.event(8), history.words) == (word, None, {7: word})
    assert (list(history.about(ALICE)), list(history.about(BOB))) == ([(7, word)], [])
    assert list(history.subjects()) == [ALICE]


def test_what_is_about_no_member_is_remembered_and_no_event() -> None:
    history = History()
    history.take(1, Automation(at(), ADMIN, "pause"))
    history.take(2, action("resolve", "incident", did=""))
    assert (list(history.words), ids(history), history.event(1), history.event(2)) == ([1, 2], [], None, None)


def test_labels_of_one_record_are_one_event_a_member() -> None:
    history = History()
    history.take(
        5,
        tick(),
        [
            label("mail-suspended", until=72, reason="a bought list"),
            label("mail-throttled", neg=True, reason="replaced by the suspension"),
            label("mail-throttled", did=BOB, neg=True),
            label("mail-suspended", did=BOB, shadow=True),
        ],
    )
    alice, bob = RULES_FROM + 5 * SLOTS, RULES_FROM + 5 * SLOTS + 1
    assert ids(history) == [bob, alice]
    found = history.labellings[alice]
    assert (found.did, found.apply, found.negate) == (ALICE, ("mail-suspended",), ("mail-throttled",))
    assert (found.until, found.received) == (at(72), at())
    assert found.reason == "invalid-recipients: a bought list; invalid-recipients: replaced by the suspension"
    assert (history.labellings[bob].apply, history.labellings[bob].until) == ((), None)


def test_what_an_operator_ordered_is_the_operator_s_event() -> None:
    history = History()
    ordered = label("mail-suspended", by=MODERATOR)
    history.take(3, decision("label", apply=("mail-suspended",)), [ordered, label("relay-member", by="membership")])
    assert ids(history, oldest_first=True) == [3, RULES_FROM + 3 * SLOTS]
    assert history.labellings[RULES_FROM + 3 * SLOTS].apply == ("relay-member",)


def test_pages_go_on_behind_an_event_whatever_comes_meanwhile() -> None:
    history = History()
    for position in range(1, 5):
        history.take(position, decision("comment"), [label("mail-throttled")])
    rules = [RULES_FROM + position * SLOTS for position in range(5)]
    assert ids(history) == [rules[4], 4, rules[3], 3, rules[2], 2, rules[1], 1]
    history.take(9, decision("comment"))
    assert ids(history, past=3) == [rules[2], 2, rules[1], 1]
    assert ids(history, past=rules[3], oldest_first=True) == [4, rules[4], 9]
    assert ids(history, ALICE, past=rules[1]) == [1]
    assert ids(history, BOB) == []


def test_a_report_about_a_record_is_about_its_account() -> None:
    history, word = History(), report(subject="at://did:plc:alice/app.bsky.feed.post/1")
    history.take(1, word)
    assert ids(history, ALICE) == [1]


def test_of_what_rules_did_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LABELLINGS_KEPT", 2)
    history = History()
    history.take(1, decision("comment"))
    for position in (2, 3, 4):
        history.take(position, tick(), [label("mail-throttled")])
    assert ids(history, oldest_first=True) == [1, RULES_FROM + 3 * SLOTS, RULES_FROM + 4 * SLOTS]


def test_ids_are_whole_numbers_json_can_carry() -> None:
    assert RULES_FROM + 2**36 * SLOTS < 2**53
