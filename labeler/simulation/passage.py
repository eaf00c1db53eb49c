"""One run: members send what they mean to, the judge labels them, and the relay heeds the labels.

A suspended member sends nothing. A throttled one sends no more an hour than the policy's throttle lets through; the
rest is refused and not tried again. Every label is heeded at once, and every outcome is known at once: nothing is later
than in life.
"""

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from labeler.reputation.definitions import MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission
from labeler.simulation.ledger import Ledger
from labeler.simulation.mail import HOUR_S, START, Script, moment
from labeler.simulation.reporting import sending_domain
from labeler.walk import Walk

RELAY: Final = "did:web:relay.example"


class Outcome(NamedTuple):
    """What became of one member. `*_after`: how many watched mails it had sent when it was first restricted, or
    suspended; None if never. `early`: a label stood before anything was to be noticed. `cleared`: whether a throttle
    ended as its standing said, None where that was not tried."""

    sent: int
    throttled_after: int | None
    suspended_after: int | None
    transitions: int
    early: bool = False
    cleared: bool | None = None


class Member:
    """One member on its way through its script. `position` is the next mail, `sent` counts those watched."""

    def __init__(self, did: str, script: Script) -> None:
        self.did = did
        self.script = script
        self.at: list[int] = script.mail.at.tolist()
        self.ledger = Ledger()
        self.position = 0
        self.sent = 0
        self.throttled_after: int | None = None
        self.suspended_after: int | None = None
        self.early = False
        self.cleared: bool | None = None
        self._hour = -1
        self._used = 0

    def outcome(self) -> Outcome:
        """What became of it."""
        return Outcome(
            self.sent,
            self.throttled_after,
            self.suspended_after,
            self.ledger.transitions,
            self.early,
            self.cleared,
        )

    def refused(self, now_s: int, hourly: int) -> bool:
        """Whether the relay refuses the mail at `now_s`; if so, the next that it may take comes next."""
        ledger = self.ledger
        if ledger.state == MAIL_SUSPENDED:
            ends = ledger.ends
            self.position = len(self.at) if ends is None else bisect_left(self.at, seconds(ends))
            return True
        if ledger.state == MAIL_THROTTLED:
            hour = now_s // HOUR_S
            if hour != self._hour:
                self._hour, self._used = hour, 0
            if self._used >= hourly:
                self.position = bisect_left(self.at, (hour + 1) * HOUR_S)
                return True
            self._used += 1
        return False

    def note(self, now_s: int) -> None:
        """Take down when a restriction first stood."""
        state = self.ledger.state
        if state is None:
            return
        if now_s < self.script.watched_s:
            self.early = True
            return
        if self.throttled_after is None:
            self.throttled_after = self.sent
        if state == MAIL_SUSPENDED and self.suspended_after is None:
            self.suspended_after = self.sent


class Path(Protocol):
    """How mail reaches the judge."""

    def advance(self, passage: "Passage", member: Member) -> None:
        """Send at least the next mail of `member`, and move it on."""
        ...


class Passage:
    """The run: a judge under a policy, its timers, and the members. `end_s`: when the last day is over."""

    def __init__(self, judge: Judge, scripts: Sequence[Script]) -> None:
        if judge.policy is None:
            raise ValueError("a policy must have been activated")
        self.judge = judge
        self.walk = Walk(judge, timers=True)
        self.policy = judge.policy
        self.members = [Member(f"did:plc:member{number}", script) for number, script in enumerate(scripts)]
        self._named = {member.did: member for member in self.members}
        self.end_s = 0
        self._hourly = self.policy.labels[MAIL_THROTTLED].hourly_cap or 0
        enrolled = tuple(_enrolment(member) for member in self.members)
        self.batch(0, enrolled)

    def run(self, path: Path, days: int) -> list[Outcome]:
        """Walk every member through the first `days` of its script, and say what became of each."""
        self.end_s = end_s = days * 24 * HOUR_S
        queue = [(member.at[0], number) for number, member in enumerate(self.members) if member.at]
        heapq.heapify(queue)
        while queue and queue[0][0] < end_s:
            now_s, number = queue[0]
            member = self.members[number]
            self.wait(now_s)
            if not member.refused(now_s, self._hourly):
                path.advance(self, member)
            if member.position < len(member.at):
                heapq.heapreplace(queue, (member.at[member.position], number))
            else:
                heapq.heappop(queue)
        self.wait(end_s)
        return [member.outcome() for member in self.members]

    def batch(self, at_s: int, events: tuple[SendEvent, ...]) -> None:
        """Let the relay report events at `at_s`, and read what they lead to."""
        self.tell(list(self.walk.take(Batch(moment(at_s), RELAY, events))))

    def wait(self, until_s: int) -> None:
        """Let time pass: timers fire, labels end."""
        until = moment(until_s)
        due = self.judge.due()
        if due is not None and due <= until:
            for _, emissions in groupby(self.walk.run_on(until), lambda emission: emission.received):
                self.tell(list(emissions))
        for member in self.members:
            member.ledger.at(until)

    def tell(self, emissions: list[Emission]) -> None:
        """Let the relay read what was said at one moment."""
        if not emissions:
            return
        now = emissions[0].received
        for did in {emission.label.uri for emission in emissions}:
            member = self._named[did]
            member.ledger.take([emission.label for emission in emissions if emission.label.uri == did], now)
            member.note(seconds(now))


def _enrolment(member: Member) -> SendEvent:
    script = member.script
    return SendEvent(
        id=f"enrol {member.did}",
        kind=Kind.ENROLLED,
        did=member.did,
        at=START,
        domain=sending_domain(member.did),
        tier=script.tier,
        hourly_cap=script.caps.hourly,
        daily_cap=script.caps.daily,
    )


def seconds(at: datetime) -> int:
    """Whole seconds from the start to `at`, rounded up."""
    return -((START - at) // timedelta(seconds=1))
