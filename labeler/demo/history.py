"""Last week, as late events: what a relay that has run for a while would have told. PURE.

The labeler takes events up to seven days late and counts them in the hour they happened, so no clock is moved and
nothing is written behind its back.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from labeler.demo.members import Member
from labeler.demo.sink import reply_for
from labeler.reputation.events import Kind, SendEvent
from relay_hooks.outcomes import outcome_event, read_reply
from relay_hooks.recipients import RecipientHasher

_MARGIN: Final = timedelta(hours=2)  # a day ago and then some: no part of today's windows
_TRAVEL: Final = timedelta(seconds=3)


def enrolment(member: Member, at: datetime) -> SendEvent:
    """Enrol a member with the caps agreed."""
    return SendEvent(
        id=f"enrol {member.domain}",
        kind=Kind.ENROLLED,
        did=member.did,
        at=at,
        domain=member.domain,
        tier=member.tier,
        hourly_cap=member.hourly_cap,
        daily_cap=member.daily_cap,
    )


def last_week(member: Member, hasher: RecipientHasher, now: datetime) -> Iterator[SendEvent]:
    """Yield an acceptance and its outcome for each recipient of last week."""
    for number, past in enumerate(member.past):
        name = f"{member.domain} {number}"
        accepted = SendEvent(
            id=f"accepted {name}",
            kind=Kind.ACCEPTED,
            did=member.did,
            at=now - _MARGIN - timedelta(days=past.days, seconds=past.seconds),
            domain=member.domain,
            message_id=f"last week {name}",
            recipient=hasher.recipient(past.address),
            recipient_domain=hasher.domain(past.address),
            category="bulk",
            from_domain=member.domain,
            hash_key=hasher.key_id,
        )
        yield accepted
        code, _, text = reply_for(past.address, attempt=2).partition(" ")
        outcome = outcome_event(accepted, read_reply(int(code), text), accepted.at + _TRAVEL)
        yield msgspec.structs.replace(outcome, id=f"outcome {name}")
