"""The event struct: one model of an event, narrow where an address could slip in."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from labeler.reputation.events import AUTH_MAIL, MAX_BATCH_BYTES, MAX_EVENTS_PER_BATCH, OUTCOMES, Kind, SendEvent

EVENT: dict[str, Any] = {"id": "e1", "kind": "accepted", "did": "did:plc:member", "at": "2026-03-06T12:00:00Z"}


def read(**fields: Any) -> SendEvent:
    return msgspec.json.decode(msgspec.json.encode({**EVENT, **fields}), type=SendEvent)


def test_four_fields_are_enough() -> None:
    event = read()
    assert (event.id, event.kind, event.did) == ("e1", Kind.ACCEPTED, "did:plc:member")
    assert event.at == datetime(2026, 3, 6, 12, tzinfo=UTC)
    assert event.recipient is None


def test_the_wire_speaks_camel_case_and_leaves_out_what_is_absent() -> None:
    event = read(messageId="<m1@relay>", recipientDomain="d.example", hourlyCap=5)
    assert (event.message_id, event.recipient_domain, event.hourly_cap) == ("<m1@relay>", "d.example", 5)
    assert set(msgspec.json.decode(msgspec.json.encode(event))) == {*EVENT, "messageId", "recipientDomain", "hourlyCap"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipient", "bob@example.com"),
        ("recipient", "BOB" + "0" * 29),
        ("recipient", "0" * 31),
        ("recipient", "0" * 32 + "\n"),
        ("recipientExact", "bob@example.com"),
        ("client", "192.0.2.1"),
        ("status", "6.1.1"),
        ("status", "5.1"),
        ("smtpCode", 199),
        ("smtpCode", 600),
        ("smtpCode", True),
        ("id", ""),
        ("id", "x" * 65),
        ("kind", ""),
        ("domain", ""),
        ("domain", "x" * 254),
        ("messageId", "x" * 257),
        ("hourlyCap", 0),
        ("dailyCap", 1_000_000_001),
        ("at", "2026-03-06T12:00:00"),
        ("at", "yesterday"),
        ("did", "x" * 2049),
    ],
)
def test_what_does_not_fit_is_refused(field: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**{field: value})


def test_an_unknown_kind_is_an_event_too() -> None:
    assert read(kind="somethingOfTheFuture").kind == "somethingOfTheFuture"


def test_outcomes_are_what_becomes_of_an_accepted_message() -> None:
    assert set(map(str, OUTCOMES)) == {"delivered", "bounced", "deferred", "complained", "unsubscribed"}
    assert {"login-link", "password-reset", "mfa-otp", "verification"} == AUTH_MAIL
    assert (MAX_EVENTS_PER_BATCH, MAX_BATCH_BYTES) == (1_000, 2_097_152)
