"""Mail of many members alike, as a relay reports it: nobody sends most of it, and outcomes come when they come.

Every member sends about `A_DAY` messages a day, so the more members there are, the denser time is filled. Most mail is
delivered within seconds; some is deferred first, some bounces, and some of what was delivered is complained about hours
later or unsubscribed from. Fields are those that our aiosmtpd hooks fill in.
"""

import heapq
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from benchmarks.workload import START
from labeler.reputation.events import Kind, SendEvent

A_DAY = 50  # messages a member sends
BOUNCED, REFUSED, DEFERRED, COMPLAINED, LEFT = 0.012, 0.002, 0.01, 0.0004, 0.001  # shares of messages
PROVIDERS = ("gmail.example", "outlook.example", "yahoo.example", "gmx.example", "icloud.example", "posteo.example")
_FATES = {
    Kind.DELIVERED: (250, "2.0.0"),
    Kind.BOUNCED: (550, "5.1.1"),
    Kind.REJECTED: (554, "5.7.1"),
    Kind.DEFERRED: (451, "4.2.2"),
}


def spread(count: int, *, dids: int, seed: int = 1) -> Iterator[SendEvent]:
    """`count` events in the order a relay reports them, of `dids` members drawn evenly."""
    chance, made, number = random.Random(seed), 0, 0
    step = timedelta(days=1) / (A_DAY * dids)
    waiting: list[tuple[datetime, int, SendEvent]] = []
    while made < count:
        at = START + number * step
        while waiting and waiting[0][0] <= at and made < count:
            yield heapq.heappop(waiting)[2]
            made += 1
        if made < count:
            taken, outcomes = _message(chance, number, chance.randrange(dids), at)
            for outcome in outcomes:
                heapq.heappush(waiting, (outcome.at, len(waiting) + 8 * number, outcome))
            yield taken
            made += 1
        number += 1


def _message(chance: random.Random, number: int, member: int, at: datetime) -> tuple[SendEvent, list[SendEvent]]:
    """A message that was accepted at `at`, and what is told of it later."""
    recipient = chance.randrange(400)
    where = chance.randrange(60) if chance.random() < 0.3 else 1_000 + recipient % len(PROVIDERS)
    about: dict[str, Any] = {
        "did": f"did:plc:{member:024x}",
        "domain": f"member{member}.example",
        "message_id": f"<{number:09x}@relay.example>",
        "recipient": f"{member:026x}{recipient:06x}",
        "recipient_domain": f"mailbox{where}.example",
        "provider": PROVIDERS[recipient % len(PROVIDERS)],
        "from_domain": f"member{member}.example",
        "client": f"{member * 2 + (recipient & 1):032x}",
    }
    taken = SendEvent(id=f"a{number:09x}", kind=Kind.ACCEPTED.value, at=at, **about)
    drawn, later = chance.random(), at + timedelta(seconds=chance.expovariate(0.2))
    fate = Kind.BOUNCED if drawn < BOUNCED else Kind.REJECTED if drawn < BOUNCED + REFUSED else Kind.DELIVERED
    told: list[tuple[Kind, datetime]] = [(fate, later)]
    drawn = chance.random()
    if drawn < DEFERRED:
        told = [(Kind.DEFERRED, later), (fate, later + timedelta(minutes=5))]
    elif fate is Kind.DELIVERED and drawn < DEFERRED + COMPLAINED:
        told.append((Kind.COMPLAINED, later + timedelta(hours=chance.expovariate(0.5))))
    elif fate is Kind.DELIVERED and drawn < DEFERRED + COMPLAINED + LEFT:
        told.append((Kind.UNSUBSCRIBED, later + timedelta(hours=chance.expovariate(0.5))))
    return taken, [_outcome(kind, number, moment, about) for kind, moment in told]


def _outcome(kind: Kind, number: int, at: datetime, about: dict[str, Any]) -> SendEvent:
    code, status = _FATES.get(kind, (None, None))
    name = Kind.BOUNCED if kind is Kind.REJECTED else kind
    return SendEvent(id=f"{kind[0]}{number:09x}", kind=name.value, at=at, smtp_code=code, status=status, **about)
