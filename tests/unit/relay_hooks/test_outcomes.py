"""SMTP replies read as outcomes, bound to their acceptance."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from labeler.reputation.events import SendEvent
from relay_hooks.outcomes import SmtpReply, new_event_id, outcome_event, read_reply

MakeEvent = Callable[..., SendEvent]
NOW = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "text", "status", "rest"),
    [
        (550, "5.1.1 No such user", "5.1.1", "No such user"),
        (250, "2.0.0 OK\r\n2.0.0 queued", "2.0.0", "OK\r\n2.0.0 queued"),
        (421, "4.7.28", "4.7.28", ""),
        (550, "4.1.1 class does not agree", None, "4.1.1 class does not agree"),
        (550, "No such user", None, "No such user"),
        (550, "5.1.1.2 not a code", None, "5.1.1.2 not a code"),
        (550, "15.1.1 not a code", None, "15.1.1 not a code"),
        (550, "5.1111.1 not a code", None, "5.1111.1 not a code"),
        (354, "3.0.0 no such class", None, "3.0.0 no such class"),
        (550, "", None, ""),
    ],
)
def test_the_enhanced_code_is_read_where_it_agrees_with_the_reply(
    code: int, text: str, status: str | None, rest: str
) -> None:
    assert read_reply(code, text) == SmtpReply(code, status, rest)


@pytest.mark.parametrize(
    ("reply", "kind", "code", "status"),
    [
        (SmtpReply(250, "2.1.5", "OK"), "delivered", 250, "2.1.5"),
        (SmtpReply(450, "4.2.1", "later"), "deferred", 450, "4.2.1"),
        (SmtpReply(550, "5.1.1", "unknown"), "bounced", 550, "5.1.1"),
        (SmtpReply(550, None, "5.1.1 unknown"), "bounced", 550, "5.1.1"),
        (SmtpReply(550, "2.0.0", "contradiction"), "bounced", 550, None),
        (SmtpReply(550, "nonsense", ""), "bounced", 550, None),
        (SmtpReply(354), "deferred", 354, None),
        (SmtpReply(-1), "deferred", None, None),
    ],
)
def test_each_reply_becomes_one_outcome(
    event: MakeEvent, reply: SmtpReply, kind: str, code: int | None, status: str | None
) -> None:
    outcome = outcome_event(event(), reply, NOW)
    assert (outcome.kind, outcome.smtp_code, outcome.status) == (kind, code, status)


def test_an_outcome_binds_to_its_acceptance_and_has_an_id_of_its_own(event: MakeEvent) -> None:
    accepted = event(
        message_id="m1", recipient="0" * 32, recipient_domain="example.com", hash_key="k", domain="a.example"
    )
    outcome = outcome_event(accepted, SmtpReply(250), NOW)
    assert (outcome.did, outcome.message_id, outcome.recipient) == (accepted.did, "m1", "0" * 32)
    assert (outcome.sent_at, outcome.at) == (accepted.at, NOW)
    assert outcome.id != accepted.id


def test_event_ids_differ_and_fit_the_schema() -> None:
    ids = {new_event_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) <= 64 for one in ids)
