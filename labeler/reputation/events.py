"""What a relay tells us: one event a recipient, metadata only (`lexicons/email/atmos/telemetry/defs.json`).

This struct is the only model of an event: the wire, the journal and the fold share it. A test proves that it agrees
with the lexicon.
"""

import enum
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter, lt
from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_EVENTS_PER_BATCH = 1_000
MAX_BATCH_BYTES = 2 * 1024 * 1024  # after decompression

HASH_PATTERN = r"^[0-9a-f]{32}\Z"  # a keyed hash, so that an address in clear can never be taken in

Hash = Annotated[str, Meta(pattern=HASH_PATTERN)]
Domain = Annotated[str, Meta(min_length=1, max_length=253)]
Token = Annotated[str, Meta(min_length=1, max_length=64)]


_AT: Final = attrgetter("at")
_MOMENT: Final = attrgetter("at", "id")


class Kind(enum.StrEnum):
    """Known values of `kind`. The set is open: an unknown kind is kept and counted, and judges nobody."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DEFERRED = "deferred"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    HEADER_STRIPPED = "headerStripped"
    TRAP_HIT = "trapHit"
    ABUSE_REPORTED = "abuseReported"
    ABUSE_ANSWERED = "abuseAnswered"
    ENROLLED = "enrolled"
    UNENROLLED = "unenrolled"


OUTCOMES = frozenset({Kind.DELIVERED, Kind.BOUNCED, Kind.DEFERRED, Kind.COMPLAINED, Kind.UNSUBSCRIBED})
"""Kinds that say what became of an accepted message; they judge only when bound to its acceptance."""

AUTH_MAIL = frozenset({"login-link", "password-reset", "mfa-otp", "verification"})
"""Categories of mail a person is waiting for; they keep flowing, within a small cap, under throttle."""


class SendEvent(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """One thing that happened to one recipient of one message.

    `at` is when it happened (aware); `recipient`, `recipient_exact` and `client` are keyed hashes; `id` is unique per
    relay. An outcome binds to its acceptance by relay, `did`, `message_id` and `recipient`.
    """

    id: Token
    kind: Token
    did: Annotated[str, Meta(max_length=2048)]
    at: Annotated[datetime, Meta(tz=True)]
    domain: Domain | None = None
    message_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    sent_at: Annotated[datetime, Meta(tz=True)] | None = None
    recipient: Hash | None = None
    recipient_domain: Domain | None = None
    provider: Domain | None = None
    smtp_code: Annotated[int, Meta(ge=200, le=599)] | None = None
    status: Annotated[str, Meta(pattern=r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z")] | None = None
    category: Token | None = None
    from_domain: Domain | None = None
    client: Hash | None = None
    recipient_exact: Hash | None = None
    hash_key: Token | None = None
    tier: Token | None = None
    hourly_cap: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    daily_cap: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None


def in_order(events: tuple[SendEvent, ...]) -> Sequence[SendEvent]:
    """By the time they happened, those of one moment by their ids. Most batches are in order already."""
    moments = list(map(_AT, events))
    if all(map(lt, moments, moments[1:])):
        return events
    return sorted(events, key=_MOMENT)
