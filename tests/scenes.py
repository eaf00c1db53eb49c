"""Random histories of a member and the input log they leave: mail of every kind, its fate, what people say."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, Decision, Input, Override, Question, Tick

RELAY, OPERATOR = "did:web:relay.example", "did:plc:operator"
MEMBER, NEIGHBOUR = "did:plc:member", "did:plc:neighbour"
START = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
FIELDS = {"domain": "shop.example", "provider": "mx.example"}
LOWERED = {  # the same rules within reach of a dozen messages
    "hourly = 100\ndaily = 1000": "hourly = 6\ndaily = 12",
    "above = 3.0, min_events = 50 }": "above = 1.5, min_events = 6 }",
    "above = 10.0, min_events = 200": "above = 4.0, min_events = 20",
    "above = 1.0, min_events = 50 }": "above = 0.5, min_events = 5 }",
    "exit_below = 0.8": "exit_below = 0.4",
    "above = 1.5, min_events = 100 }": "above = 1.2, min_events = 8 }",
    "above = 5.0, min_events = 20, min_baseline": "above = 2.5, min_events = 5, min_baseline",
    "min_events = 50, min_excess = 3.0, min_first": "min_events = 7, min_excess = 1.5, min_first",
    "above = 9, min_events = 10, min_distinct = 3": "above = 2, min_events = 3, min_distinct = 2",
    "above = 49, min_events = 50, min_distinct = 10": "above = 5, min_events = 6, min_distinct = 3",
    "above = 0.8, confidence = 0.95, min_events = 20": "above = 0.3, confidence = 0.95, min_events = 4",
    "above = 19, min_events = 20, min_distinct = 3": "above = 2, min_events = 3, min_distinct = 2",
    "above = 29, min_events = 30, min_excess = 3.0": "above = 4, min_events = 5, min_excess = 1.5",
    "min_recipients = 50": "min_recipients = 15",
    "confidence = 0.95\nmin_recipients": "confidence = 0.5\nmin_recipients",
    "below = 0.05": "below = 0.2",
}


def changed(text: str, changes: dict[str, str]) -> str:
    for known, other in changes.items():
        assert known in text, known
        text = text.replace(known, other)
    return text


class Scene(NamedTuple):
    """After so many seconds something happens so many times, each time told of by itself."""

    after_s: int
    what: str
    times: int
    number: int


MAIL = ("known", "new", "spread", "silent", "knock", "late", "code", "foreign", "roaming", "again")
FATES = ("deliver", "bounce", "block", "complain", "unsubscribe", "trap")
REST = ("reject", "enrol", "lift", "exempt", "ask", "report", "answer", "tick", "neighbour")
SCENES = st.builds(
    Scene,
    after_s=st.sampled_from([0, 1, 20, 20, 300, 900, 1_700, 3_600, 9_000, 90_000, 200_000, 800_000]),
    what=st.one_of(*[st.sampled_from(MAIL)] * 4, *[st.sampled_from(FATES)] * 2, st.sampled_from(REST)),
    times=st.sampled_from([1, 1, 2, 3, 5, 8, 13]),
    number=st.integers(0, 9),
)


class Relay:
    """Writes the input log that scenes leave; it knows what it handed over, and nothing of the judge."""

    def __init__(self) -> None:
        self.now = START
        self.count = 0
        self.sent: list[SendEvent] = []

    def event(self, kind: Kind, **fields: Any) -> SendEvent:
        self.count += 1
        return SendEvent(**{"id": f"e{self.count}", "kind": kind, "did": MEMBER, "at": self.now, **FIELDS, **fields})

    def batch(self, *events: SendEvent) -> Batch:
        return Batch(self.now, RELAY, events)

    def play(self, scenes: list[Scene]) -> Iterator[Input]:
        for scene in scenes:
            self.now += timedelta(seconds=scene.after_s)
            for time in range(scene.times):
                self.now += timedelta(seconds=3)
                yield self.tell(scene.what, scene.number + time)

    def tell(self, what: str, number: int) -> Input:
        if what in MAIL:
            return self.batch(*self.mail(what, number))
        if what in FATES:
            return self.batch(*self.fate(what, number))
        match what:
            case "lift":
                return Decision(self.now, OPERATOR, MEMBER, negate=("mail-throttled", "mail-suspended"), duration_h=1)
            case "exempt":
                rules = ("invalid-recipients", "daily-volume", "domain-spray")
                return Override(self.now, OPERATOR, MEMBER, exempt=rules, hourly_cap=number + 1, duration_h=1)
            case "ask":
                return Question(self.now, OPERATOR, MEMBER)
            case "tick":
                return Tick(self.now)
            case "enrol":
                return self.batch(self.event(Kind.ENROLLED, hourly_cap=number + 1, daily_cap=3 * number + 5))
            case "neighbour":
                return self.batch(self.event(Kind.ACCEPTED, did=NEIGHBOUR))
        kinds = {"reject": Kind.REJECTED, "report": Kind.ABUSE_REPORTED, "answer": Kind.ABUSE_ANSWERED}
        return self.batch(self.event(kinds[what]))

    def mail(self, what: str, number: int) -> list[SendEvent]:
        """One message, delivered unless it is said to be silent."""
        self.count += 1
        fields: dict[str, Any] = {"recipient_domain": "big.example", "message_id": f"m{self.count}"}
        fields["recipient"] = f"{number if what in {'known', 'knock', 'again'} else 1_000 + self.count:032x}"
        match what:
            case "spread":
                fields["recipient_domain"] = f"d{self.count}.example"
            case "again":
                fields["recipient_domain"] = f"again{number}.example"
            case "late":
                fields["at"] = self.now - timedelta(hours=number)
            case "code":
                fields["category"] = "login-link"
            case "foreign":
                fields["from_domain"] = f"from{number % 5}.example"
            case "roaming":
                fields["client"] = f"{number % 7:032x}"
        accepted = self.event(Kind.ACCEPTED, **fields)
        self.sent.append(accepted)
        return [accepted] if what in {"silent", "knock", "code"} else [accepted, self.about(accepted, Kind.DELIVERED)]

    def about(self, message: SendEvent, kind: Kind, status: str | None = None) -> SendEvent:
        bound = {"message_id": message.message_id, "recipient": message.recipient}
        return self.event(kind, status=status, at=message.at, **bound)

    def fate(self, what: str, number: int) -> list[SendEvent]:
        """What became of a recent message."""
        if not self.sent:
            return [self.event(Kind.REJECTED)]
        message = self.sent[-1 - number % len(self.sent)]
        kind, status = {
            "deliver": (Kind.DELIVERED, "2.0.0"),
            "bounce": (Kind.BOUNCED, "5.1.1"),
            "block": (Kind.BOUNCED, "5.7.1"),
            "complain": (Kind.COMPLAINED, None),
            "unsubscribe": (Kind.UNSUBSCRIBED, None),
            "trap": (Kind.TRAP_HIT, None),
        }[what]
        return [self.about(message, kind, status)]
