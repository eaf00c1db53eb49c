"""What people say and what the judge answers, made to order: short words for the tests of the folds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from labeler.reputation.inputs import CaseAction, Decision, Report, Tick
from labeler.reputation.subject import Emission, Notice, NoticeKind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALICE, BOB = "did:plc:alice", "did:plc:bob"
MODERATOR, ADMIN = "did:plc:moderator", "did:plc:admin"


def at(hours: float = 0) -> datetime:
    return NOON + timedelta(hours=hours)


def tick(hours: float = 0) -> Tick:
    return Tick(at(hours))


def decision(event: str, hours: float = 0, did: str = ALICE, by: str = MODERATOR, **fields: Any) -> Decision:
    return Decision(at(hours), by, did, event, **fields)


def action(act: str, kind: str, hours: float = 0, case: int = 1, did: str = ALICE, **fields: Any) -> CaseAction:
    return CaseAction(at(hours), MODERATOR, case, act, kind, did, **fields)


def report(hours: float = 0, *, appeal: bool = False, reporter: str = BOB, **fields: Any) -> Report:
    reason = "com.atproto.moderation.defs#reasonAppeal" if appeal else "com.atproto.moderation.defs#reasonSpam"
    return Report(at(hours), reporter, ALICE, reason, "appeal" if appeal else "spam", appeal, **fields)


def label(
    val: str,
    hours: float = 0,
    *,
    neg: bool = False,
    did: str = ALICE,
    by: str = "invalid-recipients",
    until: float | None = None,
    rule: str | None = None,
    shadow: bool = False,
    reason: str = "because",
) -> Emission:
    """A label `by` a rule or an operator, in force until so many hours after noon."""
    exp = format_datetime(at(until)) if until is not None else None
    made = Label("did:web:labeler.example.com", did, val, format_datetime(at(hours)), neg=neg or None, exp=exp)
    return Emission(made, b"", "bafyevidence", by, reason, rule or by, at(hours), shadow)


def notice(kind: NoticeKind, hours: float = 0, about: str = ALICE, text: str = "routine: something") -> Notice:
    return Notice(kind, about, at(hours), text)
