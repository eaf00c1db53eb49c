"""Notices by mail, handed to one mail server of the operator's."""

import asyncio
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple

import aiosmtplib

from labeler.atproto import syntax
from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Clock, Message

TIMEOUT_SECONDS: Final = 30.0  # greeting, TLS, login and message
SUBJECT_CHARS: Final = 200
FINAL: Final = 500  # reply codes from here on


class MailServer(NamedTuple):
    """Where mails are handed in. `tls` from the first byte on, else STARTTLS if told so, else in the clear."""

    host: str
    port: int
    tls: bool
    starttls: bool
    login: tuple[str, bytes] | None = None


class SmtpNotifier:
    """`Notifier` over SMTP: one connection a message. `domain` is our own name, in the greeting and in Message-IDs.

    `trust` says whose certificates count, the system's if None. A mail that the server took for some of its recipients
    is sent: to try again would reach those twice.
    """

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        domain: str,
        clock: Clock,
        *,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)
        self._domain = domain
        self._clock = clock
        self._trust = trust

    async def send(self, message: Message) -> None:
        """Hand the mail in; raises `Unavailable`, `Undeliverable` when refused for good (RFC 5321 §4.2.1)."""
        server = self._server
        user, password = server.login or (None, None)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await aiosmtplib.send(
                    self._mail(message),
                    sender=self._sender,
                    recipients=self._recipients,
                    hostname=server.host,
                    port=server.port,
                    username=user,
                    password=password,
                    use_tls=server.tls,
                    start_tls=server.starttls and not server.tls,
                    tls_context=self._trust,
                    local_hostname=self._domain,
                    timeout=TIMEOUT_SECONDS,
                )
        except (aiosmtplib.SMTPException, OSError) as error:  # a reply may quote an address
            code = f" {error.code}" if isinstance(error, aiosmtplib.SMTPResponseException) else ""
            why = f"the mail server did not take the message: {type(error).__name__}{code}"
            raise (Undeliverable if _is_final(error) else Unavailable)(why) from None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        subject = f"[labeler] {message.kind}: {message.about}"
        mail["Subject"] = "".join(letter if letter.isprintable() else " " for letter in subject[:SUBJECT_CHARS])
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's vacation answers it
        lines = [
            message.text,
            "",
            f"about: {message.about}",
            f"since: {syntax.format_datetime(message.at)}",
            *([f"case:  {message.case}"] if message.case is not None else []),
            f"look:  {message.link}",
        ]
        mail.set_content("\n".join(lines) + "\n")
        return mail


def _is_final(error: Exception) -> bool:
    """Whether the server said for good that it takes no such mail; with several recipients, for each of them."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return all(refused.code >= FINAL for refused in error.recipients)
        case aiosmtplib.SMTPResponseException():
            return error.code >= FINAL
    return False
