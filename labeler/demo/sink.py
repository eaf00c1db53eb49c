"""The rest of the world: an SMTP server that accepts, defers and refuses, each recipient as its address says.

Words of the local part, separated by dots: `gone` does not exist, `full` is over quota, `blocked` refuses by policy,
`busy` and `grey` defer the first attempt and then do what the other words say. Everything else is delivered.
"""

from collections import Counter
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

# Enhanced codes of RFC 3463 §3.2, §3.3 and §3.8.
DELIVERED: Final = "250 2.1.5 Recipient OK"
FINAL: Final = {
    "gone": "550 5.1.1 No such user here",
    "full": "552 5.2.2 Mailbox full",
    "blocked": "550 5.7.1 Refused by local policy",
}
FIRST: Final = {
    "busy": "451 4.2.1 Mailbox busy, try again later",
    "grey": "451 4.7.1 Greylisted, try again later",
}


def reply_for(address: str, attempt: int) -> str:
    """Answer for one recipient on the `attempt`-th try, counted from 1."""
    words = address.partition("@")[0].split(".")
    table = FIRST | FINAL if attempt == 1 else FINAL
    for word in sorted(words, key=lambda word: word not in FIRST):  # a deferral comes before any verdict
        if word in table:
            return table[word]
    return DELIVERED


class Sink:
    """An aiosmtpd handler; `delivered` counts recipients whose message arrived, `replies` every answer at RCPT."""

    def __init__(self) -> None:
        self.delivered = 0
        self.replies: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Answer one recipient."""
        self._attempts[address] += 1
        reply = reply_for(address, self._attempts[address])
        self.replies[reply] += 1
        if reply == DELIVERED:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(rcpt_options)
        return reply

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Take a message for the recipients that were accepted."""
        self.delivered += len(envelope.rcpt_tos)
        return "250 2.6.0 Message taken"
