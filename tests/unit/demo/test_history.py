"""Last week as late events: admitted by the intake, outside today's windows, each outcome bound."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from labeler.demo.history import enrolment, last_week
from labeler.demo.members import Member, Past, corner_shop, everyone
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.intake import Intake
from relay_hooks.recipients import RecipientHasher

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HASHER = RecipientHasher(b"k" * 16, "test")


@pytest.mark.parametrize("member", everyone(), ids=lambda member: member.name)
def test_the_intake_takes_every_event(member: Member) -> None:
    """Nothing is too old, in the future, double or malformed."""
    events = [enrolment(member, NOW), *last_week(member, HASHER, NOW)]
    decoded = msgspec.json.decode(msgspec.json.encode(events), type=list[SendEvent])
    admission = Intake().admit("did:web:relay.example", decoded, NOW)
    assert admission.batch is not None
    assert len(admission.batch.events) == 1 + 2 * len(member.past)
    assert not admission.rejected
    assert not admission.duplicates


@pytest.mark.parametrize("member", everyone(), ids=lambda member: member.name)
def test_nothing_of_last_week_is_of_today(member: Member) -> None:
    """The 24-hour windows, which count whole hours, see none of it."""
    assert all(event.at < NOW - timedelta(hours=25) for event in last_week(member, HASHER, NOW))


def test_outcomes_are_what_the_address_says() -> None:
    """A missing recipient bounced with 5.1.1, the others were delivered; both name their acceptance."""
    member = corner_shop()._replace(past=(Past(2, 0, "ada@a.example"), Past(1, 60, "ben.grey.gone@b.example")))
    accepted, delivered, again, bounced = last_week(member, HASHER, NOW)
    assert (accepted.kind, delivered.kind, delivered.status) == (Kind.ACCEPTED, Kind.DELIVERED, "2.1.5")
    assert (again.kind, bounced.kind, bounced.status) == (Kind.ACCEPTED, Kind.BOUNCED, "5.1.1")
    assert (delivered.message_id, delivered.recipient) == (accepted.message_id, accepted.recipient)
    assert (bounced.message_id, bounced.recipient) == (again.message_id, HASHER.recipient("ben.grey.gone@b.example"))
    assert again.at == NOW - timedelta(days=1, hours=2, seconds=60)


def test_enrolment_carries_what_was_agreed() -> None:
    """Caps and tier arrive as agreed."""
    event = enrolment(corner_shop(), NOW)
    assert (event.kind, event.did, event.tier) == (Kind.ENROLLED, "did:web:corner-shop.example", "established")
    assert (event.hourly_cap, event.daily_cap) == (100, 1000)
