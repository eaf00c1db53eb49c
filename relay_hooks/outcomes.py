"""What became of a message at the next hop: SMTP replies read as outcomes (RFC 5321 §4.2, RFC 2034, RFC 3463)."""

import re
import secrets
from datetime import datetime
from typing import NamedTuple

from labeler.reputation.events import Kind, SendEvent

_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=\s|\Z)", re.ASCII)
_KINDS = {2: Kind.DELIVERED, 4: Kind.DEFERRED, 5: Kind.BOUNCED}


class SmtpReply(NamedTuple):
    """A reply of the next hop about one recipient: code, enhanced status code if it gave one, and its text."""

    code: int
    status: str | None = None
    text: str = ""


def read_reply(code: int, text: str) -> SmtpReply:
    """Read the enhanced status code at the start of a reply's text.

    It counts only when its class agrees with the code (RFC 2034 §4); every line of a long reply repeats it, the first
    is read.
    """
    match = _STATUS.match(text.lstrip())
    if match is None or int(match.group(1)) != code // 100:
        return SmtpReply(code, None, text)
    return SmtpReply(code, match.group(), text.lstrip()[match.end() :].lstrip())


def new_event_id() -> str:
    """Make an id no other event has: 128 random bits."""
    return secrets.token_hex(16)


def outcome_event(accepted: SendEvent, reply: SmtpReply, at: datetime) -> SendEvent:
    """Make the outcome of one recipient from the event of its acceptance; `at` is aware.

    2xx is `delivered`, 5xx `bounced`, everything else `deferred`: a code outside the classes is no reason to call an
    address dead.
    """
    reply = reply if reply.status is not None else read_reply(reply.code, reply.text)
    in_class = reply.status is not None and reply.status[0] == str(reply.code // 100)
    return SendEvent(
        id=new_event_id(),
        kind=_KINDS.get(reply.code // 100, Kind.DEFERRED),
        did=accepted.did,
        at=at,
        domain=accepted.domain,
        message_id=accepted.message_id,
        sent_at=accepted.at,
        recipient=accepted.recipient,
        recipient_domain=accepted.recipient_domain,
        provider=accepted.provider,
        smtp_code=reply.code if 200 <= reply.code <= 599 else None,
        status=reply.status if in_class and _STATUS.fullmatch(reply.status or "") else None,
        category=accepted.category,
        from_domain=accepted.from_domain,
        recipient_exact=accepted.recipient_exact,
        hash_key=accepted.hash_key,
    )
