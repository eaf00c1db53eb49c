"""A candidate policy beside the one in force: what it would publish otherwise, on the same records.

Rule 1: the candidate judges from the first record on, as if it had always been in force. Recorded activations and ticks
are not its own: its timers fire at their own moments. Rule 2: only what would be published counts, on both sides.
Rule 3: the two are compared moment by moment, however far apart the records are; a label that runs out takes part.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from labeler.atproto.syntax import parse_datetime
from labeler.reputation.definitions import MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.inputs import Input, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Policy, parse_policy
from labeler.reputation.subject import Emission

NO_GRACE: Final = timedelta(0)

Key = tuple[str, str]  # DID and label value


class Side(StrEnum):
    """Under which policy a label stands."""

    CURRENT = "current"
    CANDIDATE = "candidate"


class Disagreement(NamedTuple):
    """A label in force under one policy and not under the other, since when, and until when if that is over.

    `emission` is what put it there.
    """

    side: Side
    did: str
    val: str
    since: datetime
    emission: Emission
    until: datetime | None = None


class Totals(NamedTuple):
    """How many members one side has throttled and suspended so far."""

    throttled: int
    suspended: int


class Canary:
    """A second judge with a policy of its own. `grace`: what does not last longer is no disagreement.

    It costs what the first judge costs, in memory and time.
    """

    def __init__(self, src: str, text: str, *, grace: timedelta = NO_GRACE) -> None:
        """Judge by the policy `text`; raises `Misconfigured` when that cannot be judged by."""
        self.policy: Policy = parse_policy(text)
        self.held = 0  # suspensions its breaker held back, once a day and member
        self.text = text
        self._judge = Judge(src)
        self._now: datetime | None = None
        self._comparison = Comparison(grace)

    def take(self, record: Input, published: Iterable[Emission]) -> list[Disagreement]:
        """Step over a record that led to `published` under the policy in force; return what began or ended with it."""
        emissions: list[Emission] = []
        if self._now is None:
            emissions += self._judge.step(PolicyActivated(record.received, self.text))
        emissions += self._fire(record.received)
        self._now = record.received
        if not isinstance(record, PolicyActivated | Tick):
            emissions += self._judge.step(record)
        return self._compare(record.received, published, emissions)

    def run_on(self, until: datetime, published: Iterable[Emission]) -> list[Disagreement]:
        """Let time run on to `until`, which led to `published` under the policy in force. The past changes nothing."""
        return self._compare(until, published, self._fire(until))

    @property
    def standing(self) -> list[Disagreement]:
        """What the two disagree on now, the oldest first."""
        return self._comparison.standing

    def totals(self, side: Side) -> Totals:
        """How many members that side has throttled and suspended."""
        return self._comparison.totals(side)

    @property
    def note(self) -> str | None:
        """That the candidate would suspend more than its own breaker allows, if it would."""
        if not self.held:
            return None
        guards = self.policy.guards
        return (
            f"the candidate would suspend more than its breaker allows ({guards.breaker_count} in 24 hours, or "
            f"{guards.breaker_share:.0%} of the members active): {self.held} suspensions were held back"
        )

    def _fire(self, until: datetime) -> list[Emission]:
        emissions: list[Emission] = []
        while (due := self._judge.due()) is not None and due <= until:
            self._now = due if self._now is None else max(self._now, due)
            emissions += self._judge.step(Tick(self._now))
        return emissions

    def _compare(
        self, until: datetime, published: Iterable[Emission], emissions: Iterable[Emission]
    ) -> list[Disagreement]:
        notices = self._judge.notices
        self.held += sum(notice.kind == "breaker" for notice in notices)
        notices.clear()
        return self._comparison.take(until, published, emissions)


class _Labels:
    """The labels in force on one side, with what put them there, and when each ends."""

    def __init__(self) -> None:
        self.active: dict[Key, Emission] = {}
        self.members: dict[str, set[str]] = {MAIL_THROTTLED: set(), MAIL_SUSPENDED: set()}
        self._ends: list[tuple[datetime, Key]] = []

    def take(self, emission: Emission) -> Key:
        """A label was applied, renewed or taken back."""
        label = emission.label
        key = (label.uri, label.val)
        if label.neg:
            self.active.pop(key, None)
            return key
        self.active[key] = emission
        if label.val in self.members:
            self.members[label.val].add(label.uri)
        if label.exp is not None:
            heapq.heappush(self._ends, (parse_datetime(label.exp), key))
        return key

    def next_end(self) -> datetime | None:
        """When the next label runs out, or might."""
        return self._ends[0][0] if self._ends else None

    def lapse(self, moment: datetime) -> Iterable[Key]:
        """Drop what has run out by `moment`."""
        while self._ends and self._ends[0][0] <= moment:
            end, key = heapq.heappop(self._ends)
            emission = self.active.get(key)
            if emission is not None and emission.label.exp is not None and parse_datetime(emission.label.exp) <= end:
                del self.active[key]
                yield key


class Comparison:
    """Two sides, moment by moment. A disagreement is told once it has lasted for `grace`, and again when it ends."""

    def __init__(self, grace: timedelta = NO_GRACE) -> None:
        self._grace = grace
        self._sides = {side: _Labels() for side in Side}
        self._open: dict[Key, Disagreement] = {}  # in the order they began
        self._young: dict[Key, None] = {}  # those not yet told, in the same order

    @property
    def standing(self) -> list[Disagreement]:
        """What was told and is not over."""
        return [found for key, found in self._open.items() if key not in self._young]

    def totals(self, side: Side) -> Totals:
        """How many members were ever throttled and suspended on that side."""
        members = self._sides[side].members
        return Totals(len(members[MAIL_THROTTLED]), len(members[MAIL_SUSPENDED]))

    def take(self, until: datetime, current: Iterable[Emission], candidate: Iterable[Emission]) -> list[Disagreement]:
        """Bring both sides to `until` through what they issued; return the disagreements that began or ended."""
        said = [(Side.CURRENT, emission) for emission in current if not emission.shadow]
        said += [(Side.CANDIDATE, emission) for emission in candidate if not emission.shadow]
        issued = deque(sorted(said, key=lambda change: change[1].received))
        told: list[Disagreement] = []
        while True:
            moments = [end for labels in self._sides.values() if (end := labels.next_end()) is not None]
            moments = [end for end in moments if end <= until] + [change[1].received for change in islice(issued, 1)]
            if not moments:
                return told + self._mature(until)
            moment = min(moments)
            told += self._mature(moment)
            touched = dict.fromkeys(key for labels in self._sides.values() for key in labels.lapse(moment))
            while issued and issued[0][1].received <= moment:
                side, emission = issued.popleft()
                touched[self._sides[side].take(emission)] = None
            for key in touched:
                told += self._look(key, moment)

    def _look(self, key: Key, moment: datetime) -> list[Disagreement]:
        """Compare what the sides say of one label; return what that changes of what was told."""
        active = [(side, labels.active[key]) for side, labels in self._sides.items() if key in labels.active]
        known = self._open.get(key)
        told: list[Disagreement] = []
        if known is not None and (len(active) != 1 or active[0][0] is not known.side):
            del self._open[key]
            if key in self._young:
                del self._young[key]
            else:
                told.append(known._replace(until=moment))
        if len(active) == 1 and key not in self._open:
            side, emission = active[0]
            self._open[key] = Disagreement(side, *key, moment, emission)
            self._young[key] = None
            told += self._mature(moment)
        return told

    def _mature(self, moment: datetime) -> list[Disagreement]:
        """Those that have lasted long enough by `moment` to be told."""
        told = []
        for key in list(self._young):
            if moment - self._open[key].since < self._grace:
                break
            del self._young[key]
            told.append(self._open[key])
        return told
