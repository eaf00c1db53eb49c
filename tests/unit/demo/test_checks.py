"""The checks: a story that happened passes all of them, and each lie is caught by the check it concerns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.demo.checks import Facts, Seen, Telemetry, check_story, newest
from labeler.demo.clients import Exchange
from labeler.demo.members import Member, choir, corner_shop, list_buyer, newsletter

SRC = "did:web:labeler.example"
KEY = PrivateKey.from_hex("11" * 32)
SHOP, PAPER, BUYER, CHOIR = corner_shop(), newsletter(), list_buyer(), choir()
OK = "250 2.0.0 Accepted as 00"
DEFERRED = "451 4.7.1 Mail from this account is limited"
REFUSED = "550 5.7.1 Mail from this account is suspended"

LABELS = (
    (1.0, SHOP, "+clean-sender"),
    (1.0, PAPER, "+clean-sender"),
    (1.0, CHOIR, "+clean-sender"),
    (5.0, BUYER, "+mail-throttled"),
    (6.0, CHOIR, "+mail-throttled"),
    (6.0, CHOIR, "-clean-sender"),
    (6.2, CHOIR, "+mail-suspended"),
    (6.2, CHOIR, "-mail-throttled"),
    (9.0, BUYER, "+mail-suspended"),
    (9.0, BUYER, "-mail-throttled"),
)


def signed(member: Member, change: str, seq: int, key: PrivateKey = KEY) -> Label:
    """Sign a label of the story."""
    neg = True if change[0] == "-" else None
    return sign_label(Label(SRC, member.did, change[1:], f"2026-01-02T03:04:{seq:02d}.000Z", neg=neg), key)


def seen(labels: Sequence[tuple[float, Member, str]] = LABELS) -> list[Seen]:
    """Let labels arrive in this order."""
    return [Seen(seq, signed(member, change, seq), at) for seq, (at, member, change) in enumerate(labels, 1)]


def said(member: Member, at: float, reply: str, number: int, command: str = "DATA") -> Exchange:
    """Let a member send one message."""
    return Exchange(at - 0.01, at, member, member.today[number], command, reply)


def exchanges() -> list[Exchange]:
    """Everything that was said over SMTP."""
    honest = [said(member, 2.0, OK, number) for member in (SHOP, PAPER) for number in range(len(member.today))]
    buyer = [said(BUYER, 3.0, OK, number) for number in range(12)]
    buyer += [said(BUYER, 6.0, OK, number) for number in range(12, 32)]
    buyer += [said(BUYER, 7.0, DEFERRED, 32), said(BUYER, 10.0, REFUSED, 32, "RCPT")]
    spray = [said(CHOIR, 5.5, OK, number) for number in range(70)]
    spray += [said(CHOIR, 7.0, REFUSED, number, "RCPT") for number in range(70, 400)]
    return honest + buyer + spray


def standings(**states: str) -> dict[str, dict[str, Any]]:
    """Say where everybody stands."""
    good = {SHOP: "good", PAPER: "good", BUYER: "suspended", CHOIR: "suspended"}
    named = {"shop": SHOP, "paper": PAPER, "buyer": BUYER, "choir": CHOIR}
    good |= {named[name]: state for name, state in states.items()}
    counts = {"recipients": 9, "invalidRecipients": 1}
    return {member.did: {"standing": state, "counts": counts} for member, state in good.items()}


def story() -> Facts:
    """The story as it should happen."""
    live = seen()
    current = newest([(one.seq, one.label) for one in live])
    taken = sum(exchange.accepted for exchange in exchanges())
    return Facts(
        members=(SHOP, PAPER, BUYER, CHOIR),
        exchanges=exchanges(),
        seen=live,
        standings=standings(),
        queried=[label for _, label in reversed(current)],
        streamed=current,
        replayed=[one.label for one in live],
        key=KEY.public_key,
        refused_labels=0,
        telemetry=Telemetry(reported=900, acknowledged=900, lost=0, counted=900),
        kinds={"accepted": taken, "delivered": taken - 9, "bounced": 9, "deferred": 4, "rejected": 3},
        arrived=taken - 9,
        throttle_cap=20,
    )


def failed(facts: Facts) -> list[str]:
    """Say which claims do not hold."""
    return [check.text for check in check_story(facts) if not check.holds]


def test_the_story_as_it_should_happen() -> None:
    """Every claim holds, and each is told with its numbers."""
    checks = check_story(story())
    assert failed(story()) == []
    assert len(checks) == 21
    assert any(
        check.text == "choir: 70 of 400 messages got out, 330 were refused at RCPT with 550 5.7.1" for check in checks
    )


def without(member: Member, reply: str) -> list[Exchange]:
    """The same exchanges, without this reply to this member."""
    return [one for one in exchanges() if one.member != member or one.reply != reply]


def labelled(*more: tuple[float, Member, str], but: tuple[Member, str] | None = None) -> Mapping[str, Any]:
    """Facts that agree with other labels."""
    live = seen([one for one in LABELS if one[1:] != but] + list(more))
    current = newest([(one.seq, one.label) for one in live])
    return {
        "seen": live,
        "streamed": current,
        "queried": [label for _, label in current],
        "replayed": [one.label for one in live],
    }


SOME = Telemetry(900, 900, 0, 900)
LIES: dict[str, tuple[Callable[[], Mapping[str, Any]], str]] = {
    "an honest message refused": (
        lambda: {"exchanges": [*without(SHOP, OK), *(said(SHOP, 2.0, DEFERRED, number) for number in range(13))]},
        "corner shop: all 13",
    ),
    "an honest member that sent too little": (
        lambda: {"exchanges": [one for one in exchanges() if one.recipient != PAPER.today[0]]},
        "newsletter: all 200",
    ),
    "an honest member throttled and released": (
        lambda: labelled((11.0, SHOP, "+mail-throttled"), (12.0, SHOP, "-mail-throttled")),
        "corner shop: stands good, clean-sender holds, 2 adverse",
    ),
    "an honest member no longer clean": (lambda: labelled((11.0, PAPER, "-clean-sender")), "newsletter: stands good"),
    "an honest member merely warming": (
        lambda: {"standings": standings(paper="warming")},
        "newsletter: stands warming",
    ),
    "no throttle": (lambda: labelled(but=(BUYER, "+mail-throttled")), "list buyer: throttled (never)"),
    "the suspension first": (
        lambda: labelled((11.0, BUYER, "+mail-throttled"), but=(BUYER, "+mail-throttled")),
        "list buyer: throttled (seq 10), then suspended (seq 8)",
    ),
    "no suspension": (lambda: labelled(but=(BUYER, "+mail-suspended")), "list buyer: throttled (seq 4), then"),
    "still throttled": (lambda: {"standings": standings(buyer="throttled")}, "list buyer: stands throttled"),
    "no 451": (lambda: {"exchanges": without(BUYER, DEFERRED)}, "list buyer: the relay answered 451"),
    "a 451 before the label": (
        lambda: {"exchanges": [said(BUYER, 4.0, DEFERRED, 33), *exchanges()]},
        "list buyer: the relay answered 451",
    ),
    "too much under the throttle": (
        lambda: {"exchanges": [*exchanges(), said(BUYER, 6.5, OK, 33)]},
        "list buyer: 21 messages passed",
    ),
    "no 550": (lambda: {"exchanges": without(BUYER, REFUSED)}, "list buyer: then the relay answered 550"),
    "a past that earned nothing": (lambda: labelled(but=(CHOIR, "+clean-sender")), "choir: its quiet past"),
    "clean after the spray": (lambda: labelled(but=(CHOIR, "-clean-sender")), "choir: its quiet past"),
    "the choir not suspended": (lambda: labelled(but=(CHOIR, "+mail-suspended")), "choir: suspended (never)"),
    "the choir released": (lambda: {"standings": standings(choir="good")}, "choir: suspended (seq 7), stands good"),
    "most of the spray got out": (
        lambda: {"exchanges": [*exchanges(), *(said(CHOIR, 5.5, OK, number) for number in range(300))]},
        "choir: 370 of 700",
    ),
    "taken after the suspension": (
        lambda: {"exchanges": [*exchanges(), said(CHOIR, 8.0, OK, 399)]},
        "choir: not one of the 331",
    ),
    "an acceptance unreported": (
        lambda: {"kinds": story().kinds | {"accepted": story().kinds["accepted"] - 1}},
        "mail: 315 messages taken",
    ),
    "mail still on its way": (
        lambda: {"kinds": story().kinds | {"bounced": 8}},
        "mail: 315 messages taken",
    ),
    "mail lost on its way to the sink": (lambda: {"arrived": story().arrived - 1}, "mail: 305 messages lie"),
    "an event lost": (lambda: {"telemetry": SOME._replace(lost=1)}, "telemetry: 900 events reported"),
    "an event not acknowledged": (lambda: {"telemetry": SOME._replace(acknowledged=899)}, "telemetry: 900"),
    "an event counted twice": (lambda: {"telemetry": SOME._replace(counted=901)}, "telemetry: 900"),
    "a forged label": (lambda: {"refused_labels": 1}, "labels: 10 signed"),
    "another key": (lambda: {"key": PrivateKey.from_hex("22" * 32).public_key}, "labels: 10 signed"),
    "a gap": (lambda: {"seen": [*seen()[:-1], seen()[-1]._replace(seq=11)]}, "labels: seq 1 to 10"),
    "another stream": (lambda: {"streamed": story().streamed[1:]}, "stream: from cursor 0"),
    "superseded labels in the stream": (
        lambda: {"streamed": [(one.seq, one.label) for one in seen()]},
        "stream: from cursor 0",
    ),
    "another query": (lambda: {"queried": story().queried[1:]}, "queryLabels: answers the same"),
    "another replay": (
        lambda: {"replayed": [*story().replayed[:-1], signed(SHOP, "+relay-member", 30)]},
        "replay: the telemetry log",
    ),
    "a replay in another order": (lambda: {"replayed": story().replayed[::-1]}, "replay: the telemetry log"),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_caught(lie: str) -> None:
    """The check it concerns does not hold any more."""
    changes, expected = LIES[lie]
    assert any(text.startswith(expected) for text in failed(replace(story(), **changes())))


def test_nothing_observed_is_not_a_story() -> None:
    """Without any facts, hardly a claim holds, and none is in error."""
    nothing = replace(
        story(), exchanges=[], seen=[], standings={}, queried=[], streamed=[], replayed=[], kinds={}, arrived=0
    )
    texts = failed(nothing)
    assert any(text.startswith("corner shop: all 13") for text in texts)
    assert any(text.startswith("labels: 0 signed") for text in texts)
    assert any(text.startswith("replay") for text in texts)


def test_newest_leaves_out_what_was_superseded() -> None:
    """One label a subject and value: the last."""
    live = [(one.seq, one.label) for one in seen()]
    assert [seq for seq, _ in newest(live)] == [1, 2, 6, 7, 8, 9, 10]
