"""Windows of one subject, and short words for what a relay tells about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.outcomes import Classifier
from labeler.reputation.policy import Outcomes
from labeler.reputation.pool import Pool
from labeler.reputation.windows import Circumstances, SubjectWindows

RELAY, OTHER = "did:web:relay.example", "did:web:other.example"
MEMBER = "did:plc:m"
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
HOUR = NOON_S // 3600
YEAR_S = 365 * 86_400
CLASSES = Classifier(
    Outcomes(
        invalid_recipient=frozenset({"5.1.1"}), policy_block=frozenset({"5.7.*"}), configuration=frozenset({"5.1.8"})
    )
)


def person(number: int) -> str:
    """A recipient's keyed hash."""
    return f"{number:032x}"


def event(kind: str, number: int = 1, hours: float = 0, **fields: Any) -> SendEvent:
    """Something that happened `hours` after noon to message `number`, sent to recipient `number`."""
    known = {"message_id": f"m{number}", "recipient": person(number), "domain": "shop.example", "did": MEMBER}
    at = NOON + timedelta(hours=hours)
    return SendEvent(id=f"{kind}{number}{hours}", kind=kind, at=at, **(known | fields))


def circumstances(pool: Pool | None = None, *, relay: str = RELAY, oldest: int = 0, **fields: Any) -> Circumstances:
    """What is known while a record is taken in."""
    return Circumstances(relay, oldest, CLASSES, pool or Pool(), **fields)


def record(windows: SubjectWindows, item: SendEvent, known: Circumstances | None = None) -> None:
    """Count one event."""
    windows.record(item, int(item.at.timestamp()), known or circumstances())


def windows_of(*items: SendEvent, known: Circumstances | None = None) -> SubjectWindows:
    """The windows after these events."""
    windows, known = SubjectWindows(), known or circumstances()
    for item in items:
        record(windows, item, known)
    return windows


def message(number: int = 1, hours: float = 0, status: str | None = "2.0.0", **fields: Any) -> list[SendEvent]:
    """A message, and what became of it within the minute."""
    kind = Kind.DELIVERED if status is None or status.startswith("2") else Kind.BOUNCED
    return [
        event(Kind.ACCEPTED, number, hours, **fields),
        event(kind, number, hours + 0.01, status=status, **fields),
    ]
