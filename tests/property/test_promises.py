"""What `getStanding` says clears a throttle, done to the letter, from wherever a member may stand."""

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import assume, example, given, settings
from hypothesis import event as note
from hypothesis import strategies as st

import labeler
from labeler.atproto.syntax import parse_datetime
from labeler.reputation.inputs import PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from tests.scenes import MEMBER, SCENES, START, Relay, Scene, changed

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text(encoding="utf-8")
# A few dozen deliveries at once must be no offence of their own, or none could be made.
AMPLE = changed(
    SHIPPED,
    {
        "hourly = 100\ndaily = 1000": "hourly = 100000\ndaily = 100000",
        "min_events = 20, min_baseline": "min_events = 9000, min_baseline",
    },
)
TICK = timedelta(milliseconds=1)
SAID = ("exempt", "ask", "enrol")  # what is promised holds as long as nobody says otherwise
OTHER = SCENES.map(lambda scene: scene._replace(what="bounce") if scene.what in SAID else scene)
TROUBLES = st.tuples(st.sampled_from(["new", "spread", "silent"]), st.integers(3, 13), st.integers(3, 4))
HISTORIES = st.tuples(st.lists(OTHER, max_size=6), TROUBLES, st.lists(OTHER, max_size=8))


History = tuple[list[Scene], tuple[str, int, int], list[Scene]]


class Moment(NamedTuple):
    """A judge at a time at which the member is throttled by rules, and what it is told then."""

    judge: Judge
    now: datetime
    clears: dict[str, Any]


class Follower:
    """Goes on from a moment, on its own copy of it."""

    def __init__(self, moment: Moment, relay: Relay) -> None:
        self.judge, self.relay = copy.deepcopy(moment.judge), copy.deepcopy(relay)
        self.relay.now = moment.now

    def throttled(self) -> bool:
        """Whether the label stands now."""
        label = self.judge.subjects[MEMBER].member.active.get("mail-throttled")
        return label is not None and (label.exp is None or label.exp > self.relay.now)

    def wait(self, until: datetime, *, chatty: bool = False) -> None:
        """Let time run on; with somebody else sending mail every few hours, or in silence."""
        while chatty and self.relay.now + timedelta(hours=5) < until:
            self.wait(self.relay.now + timedelta(hours=5))
            self.judge.step(self.relay.tell("neighbour", 0))
        while (due := self.judge.due()) is not None and due <= until:
            self.judge.step(Tick(due))
        self.relay.now = max(self.relay.now, until)

    def deliver(self, number: int) -> None:
        events = [event for _ in range(number) for event in self.relay.mail("new", 0)]
        self.judge.step(self.relay.batch(*events))


def moments(history: History, relay: Relay) -> list[Moment]:
    """Wherever in a history the rules throttle the member, once for each thing it is told."""
    before, (what, mails, bounces), after = history
    trouble = [Scene(3_600, what, mails, 0), Scene(300, "bounce", bounces, 0)]
    judge, found = Judge("did:web:labeler.example"), dict[str, Moment]()
    judge.step(PolicyActivated(START, AMPLE))
    for record in relay.play([*before, *trouble, *after]):
        while (due := judge.due()) is not None and due < record.received:
            judge.step(Tick(due))
        judge.step(record)
        for clears in standing(judge, MEMBER, record.received).private["clears"]:
            if clears["val"] == "mail-throttled" and clears["text"] not in found:
                found[clears["text"]] = Moment(copy.deepcopy(judge), record.received, clears)
    return list(found.values())


LIFTED_EARLY: History = [], ("new", 8, 3), [Scene(9_000, "new", 30, 0)]  # the bad leaves the window, the good stays
GOOD_MAIL_LEAVES: History = [Scene(0, "new", 60, 0), Scene(566_000, "tick", 1, 0)], ("new", 18, 10), []


@settings(max_examples=150)
@given(HISTORIES, st.integers(0, 50), st.booleans())
@example(history=LIFTED_EARLY, which=-1, chatty=False)
@example(history=LIFTED_EARLY, which=-1, chatty=True)
def test_in_silence_a_throttle_ends_when_it_is_said_to_and_not_before(
    history: History, which: int, chatty: bool
) -> None:
    relay = Relay()
    told = moments(history, relay)
    assume(told)
    moment = told[which % len(told)]
    assume("at" in moment.clears)
    member, end = Follower(moment, relay), parse_datetime(moment.clears["at"])
    member.wait(end - TICK, chatty=chatty)
    assert member.throttled(), moment.clears
    member.wait(end)
    assert not member.throttled(), moment.clears
    note(f"after {(end - moment.now).days} days")


@settings(max_examples=150)
@given(HISTORIES, st.integers(0, 50), st.sampled_from([0, 0, 1, 9, 20]))
@example(history=GOOD_MAIL_LEAVES, which=-1, hours=1)
def test_so_many_deliveries_lift_it_when_the_hold_is_over(history: History, which: int, hours: int) -> None:
    relay = Relay()
    told = moments(history, relay)
    assume(told)
    moment = told[which % len(told)]
    assume("deliveries" in moment.clears)
    member, hold = Follower(moment, relay), parse_datetime(moment.clears["notBefore"])
    begin = (
        moment.now
        if hold <= moment.now
        else min(hold, max(_counts_from(moment), moment.now + hours * timedelta(hours=1)))
    )
    member.wait(begin)
    assume(member.throttled())
    member.deliver(moment.clears["deliveries"])
    if hold > begin:
        member.wait(hold - TICK)
        assert member.throttled(), "not before"
        member.wait(hold)
    assert not member.throttled(), moment.clears
    assert "mail-suspended" not in member.judge.subjects[MEMBER].member.active
    note(f"{'0' if not moment.clears['deliveries'] else 'some'} deliveries")


def _counts_from(moment: Moment) -> datetime:
    """Deliveries of the hour the throttle began in prove nothing, as the text says."""
    _, sent, rest = moment.clears["text"].partition(", sent from ")
    return parse_datetime(rest.partition(" on,")[0]) if sent else moment.now
