"""An aiosmtpd handler that enforces labels and reports what happens (needs the `aiosmtpd` extra).

One transaction: RCPT asks the enforcer, so that each recipient gets its own reply. DATA reads the two headers that
matter, asks once more now that the category is known, reports one `accepted` event a recipient, hands the message to
the relay's own `deliver`, and reports what each next hop said. Bodies and addresses never leave this file.
"""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from email.parser import HeaderParser
from email.utils import parseaddr
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from aiosmtpd.smtp import SMTP, Envelope, Session

from labeler.atproto.syntax import is_did
from labeler.reputation.events import Kind, SendEvent
from relay_hooks import _clock
from relay_hooks.enforcement import Accept, Enforcer, Transaction
from relay_hooks.outcomes import SmtpReply, new_event_id, outcome_event, read_reply
from relay_hooks.recipients import RecipientHasher, a_label
from relay_hooks.reporter import TelemetryReporter

BULK = "bulk"
CATEGORY_HEADER = "X-Atmos-Category"

_CATEGORY = re.compile("[a-z0-9-]{1,64}", re.ASCII)
_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")
_HEADER_BYTES = 256 * 1024  # of a message looked at; what has longer headers has no category
_log = logging.getLogger(__name__)


class Member(NamedTuple):
    """Who sends: the member's DID, and the enrolled domain this mail is sent for."""

    did: str
    domain: str | None = None


MemberOf = Callable[[Session, Envelope], Member | None]
Deliver = Callable[[str, Sequence[str], bytes], Awaitable[Mapping[str, SmtpReply]]]


def authenticated_member(session: Session, _envelope: Envelope) -> Member | None:
    """Tell the member from SMTP AUTH: the authenticator's `auth_data`, a `Member`, or a login that is a DID."""
    data: Any = session.auth_data  # whatever the relay's authenticator gave
    if not session.authenticated or isinstance(data, Member):
        return data if session.authenticated else None
    login = getattr(data, "login", data)
    if isinstance(login, bytes):
        login = login.decode("utf-8", "replace")
    return Member(login) if isinstance(login, str) and is_did(login) else None


class MessageFacts(NamedTuple):
    """What is read of a message: nothing but its declared category and the domain of its From field."""

    category: str
    from_domain: str | None


def read_facts(content: bytes) -> MessageFacts:
    """Read the facts from the headers; a category that is missing, double or no token is `bulk`. Never raises."""
    try:
        # UTF-8, because SMTPUTF8 allows it in headers (RFC 6532 §3); the parser for bytes knows ASCII only.
        head = _BLANK_LINE.split(content[:_HEADER_BYTES], maxsplit=1)[0].decode("utf-8", "replace")
        headers = HeaderParser().parsestr(head)
        declared = [str(value).strip().lower() for value in headers.get_all(CATEGORY_HEADER, [])]
        category = declared[0] if len(declared) == 1 and _CATEGORY.fullmatch(declared[0]) else BULK
        senders = headers.get_all("From", [])
        address = parseaddr(str(senders[0]))[1] if len(senders) == 1 else ""
        return MessageFacts(category, a_label(address.rpartition("@")[2]) if "@" in address else None)
    except Exception:  # noqa: BLE001 - the parser sees whatever strangers send, and the mail flows on
        _log.warning("message headers cannot be read", exc_info=True)
        return MessageFacts(BULK, None)


class _Begun(NamedTuple):
    """A mail transaction after its first RCPT. The envelope tells it from the next one of the same session."""

    envelope: Envelope
    member: Member
    transaction: Transaction


class RelayHandler:
    """Give an instance to aiosmtpd's `Controller` or `SMTP`.

    `deliver(mail_from, recipients, content)` is the relay's own work: it returns what the next hop said for each
    recipient it has tried; the others count as still on their way. `on_accepted` is given the acceptance of each
    recipient before that: a relay that queues keeps them, and makes its later outcomes of them with `outcome_event`.
    `member_of` attributes a transaction; None is answered with 530. An error in any of the three is answered with a
    451, never raised into the server.
    """

    def __init__(
        self,
        *,
        enforcer: Enforcer,
        reporter: TelemetryReporter,
        hasher: RecipientHasher,
        deliver: Deliver,
        member_of: MemberOf = authenticated_member,
        on_accepted: Callable[[Mapping[str, SendEvent]], None] = lambda _: None,
        now: Callable[[], datetime] = _clock.utc_now,
    ) -> None:
        self._enforcer = enforcer
        self._reporter = reporter
        self._hasher = hasher
        self._deliver = deliver
        self._member_of = member_of
        self._on_accepted = on_accepted
        self._now = now
        self._begun: WeakKeyDictionary[Session, _Begun] = WeakKeyDictionary()

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Judge one recipient and answer in its own name."""
        try:
            member = self._member_of(session, envelope)
        except Exception:  # noqa: BLE001 - the relay's own code; an unknown sender is not let through for it
            _log.exception("member_of failed")
            return "451 4.3.0 The sender cannot be told at the moment, try again later"
        if member is None:
            return "530 5.7.0 Authentication required"
        now = self._now()
        transaction = self._transaction(session, envelope, member, now)
        verdict = self._enforcer.check_recipient(transaction, now)
        if not isinstance(verdict, Accept):
            self._report_refusal(session, member, address, verdict.reply, MessageFacts(BULK, None), now)
            return verdict.reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """Judge the message, report it, deliver it, report the outcomes."""
        begun = self._begun.pop(session, None)
        if begun is None or begun.envelope is not envelope:
            return "503 5.5.1 Need RCPT first"
        member, transaction = begun.member, begun.transaction
        recipients = list(dict.fromkeys(envelope.rcpt_tos))
        content = envelope.content or b""
        content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        facts = read_facts(content)
        now = self._now()
        verdict = self._enforcer.check_message(transaction, facts.category, now)
        if not isinstance(verdict, Accept):
            for address in recipients:
                self._report_refusal(session, member, address, verdict.reply, facts, now)
            return verdict.reply
        message_id = secrets.token_hex(16)
        accepted = {
            address: self._event(Kind.ACCEPTED, session, member, address, facts, now, message_id=message_id)
            for address in recipients
        }
        for event in accepted.values():
            self._reporter.report(event)
        try:
            self._on_accepted(accepted)
            replies = await self._deliver(envelope.mail_from or "", recipients, content)
        except Exception:  # noqa: BLE001 - the relay's own code; the client keeps the message and tries again
            _log.exception("deliver failed")
            failed = SmtpReply(451, "4.3.0", "Local failure")
            self._report_outcomes(accepted, dict.fromkeys(recipients, failed))
            return "451 4.3.0 Delivery failed here, try again later"
        self._report_outcomes(accepted, replies)
        return f"250 2.0.0 Accepted as {message_id}"

    async def handle_RSET(self, _server: SMTP, session: Session, _envelope: Envelope) -> str:
        """Forget the transaction, and give back what it was charged."""
        self._forget(session, self._now())
        return "250 2.0.0 OK"

    def _transaction(self, session: Session, envelope: Envelope, member: Member, now: datetime) -> Transaction:
        """Find the transaction of this envelope, or begin it; one that was left without RSET ends here."""
        begun = self._begun.get(session)
        if begun is not None and begun.envelope is envelope:
            return begun.transaction
        self._forget(session, now)
        transaction = Transaction(member.did, member.domain)
        self._begun[session] = _Begun(envelope, member, transaction)
        return transaction

    def _forget(self, session: Session, now: datetime) -> None:
        begun = self._begun.pop(session, None)
        if begun is not None:
            self._enforcer.cancel(begun.transaction, now)

    def _report_outcomes(self, accepted: Mapping[str, SendEvent], replies: Mapping[str, SmtpReply]) -> None:
        now = self._now()
        for address, reply in replies.items():
            if address in accepted:
                self._reporter.report(outcome_event(accepted[address], reply, now))

    def _report_refusal(
        self, session: Session, member: Member, address: str, reply: str, facts: MessageFacts, now: datetime
    ) -> None:
        read = read_reply(int(reply[:3]), reply[4:])
        self._reporter.report(self._event(Kind.REJECTED, session, member, address, facts, now, reply=read))

    def _event(
        self,
        kind: Kind,
        session: Session,
        member: Member,
        address: str,
        facts: MessageFacts,
        now: datetime,
        *,
        message_id: str | None = None,
        reply: SmtpReply | None = None,
    ) -> SendEvent:
        peer: Any = session.peer  # (host, port, …) of a TCP connection
        return SendEvent(
            id=new_event_id(),
            kind=kind,
            did=member.did,
            at=now,
            domain=member.domain,
            message_id=message_id,
            recipient=self._hasher.recipient(address),
            recipient_domain=self._hasher.domain(address),
            smtp_code=reply.code if reply else None,
            status=reply.status if reply else None,
            category=facts.category,
            from_domain=facts.from_domain,
            client=self._hasher.client(str(peer[0])) if isinstance(peer, tuple) else None,
            recipient_exact=self._hasher.exact(address),
            hash_key=self._hasher.key_id,
        )
