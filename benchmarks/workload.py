"""A seeded relay's week: members of very different size, ordinary recipients, one bounce in a hundred."""

import random
from datetime import UTC, datetime, timedelta

from labeler.reputation.events import Kind, SendEvent

START = datetime(2026, 11, 2, tzinfo=UTC)
RELAY = "did:web:relay.example"


def events(count: int, *, dids: int, seed: int = 1, start: datetime = START, step_s: float = 0.5) -> list[SendEvent]:
    """`count` events in order: each message accepted, then delivered or bounced. A few members send most of it."""
    chance = random.Random(seed)
    made: list[SendEvent] = []
    for number in range(count // 2):
        member = min(int(chance.paretovariate(0.8)), dids)
        recipient = f"{chance.randrange(40 * member + 400):032x}"
        at = start + timedelta(seconds=number * step_s)
        domain = f"mailbox{int(chance.paretovariate(1)) % 400}.example"
        bounced = chance.random() < 0.01
        for kind in (Kind.ACCEPTED, Kind.BOUNCED if bounced else Kind.DELIVERED):
            made.append(
                SendEvent(
                    id=f"{kind[0]}{number}",
                    kind=kind.value,
                    did=f"did:plc:member{member}",
                    at=at,
                    domain=f"member{member}.example",
                    message_id=f"m{number}@relay.example",
                    recipient=recipient,
                    recipient_domain=domain,
                    provider="mailbox",
                    smtp_code=550 if kind == Kind.BOUNCED else 250,
                    status="5.1.1" if kind == Kind.BOUNCED else "2.0.0",
                )
            )
    return made
