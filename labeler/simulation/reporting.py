"""What a relay reports of one mail."""

from typing import Final, NamedTuple

from labeler.reputation.events import Kind, SendEvent
from labeler.simulation.mail import Fate, Script, moment
from labeler.simulation.mixes import domain_name

NO_SUCH_USER: Final = "5.1.1"  # RFC 3463 §3.2
DONE: Final = "2.0.0"


class Sent(NamedTuple):
    """One mail: its sender's DID, its number, the second it was sent, recipient and domain by number, and its fate."""

    did: str
    number: int
    at_s: int
    recipient: int
    domain: int
    fate: int


def sending_domain(did: str) -> str:
    """The domain a member sends from, its own."""
    return f"{did.rpartition(':')[2]}.example"


def scripted(did: str, script: Script, number: int) -> Sent:
    """Read one mail of a script."""
    at, fate, recipient, domain = (int(column[number]) for column in script.mail)
    return Sent(did, number, at, recipient, domain, fate)


def report(sent: Sent) -> tuple[SendEvent, ...]:
    """Say it in events: acceptance and outcome, known at once."""
    accepted = _event(sent, Kind.ACCEPTED)
    if sent.fate == Fate.INVALID:
        return accepted, _event(sent, Kind.BOUNCED, status=NO_SUCH_USER)
    delivered = _event(sent, Kind.DELIVERED, status=DONE)
    if sent.fate == Fate.COMPLAINED:
        return accepted, delivered, _event(sent, Kind.COMPLAINED)
    if sent.fate == Fate.FORGED:
        return accepted, delivered, _event(sent, Kind.BOUNCED, status=NO_SUCH_USER, message=f"<forged{sent.number}>")
    return accepted, delivered


def _event(sent: Sent, kind: Kind, status: str | None = None, message: str | None = None) -> SendEvent:
    domain = sending_domain(sent.did)
    return SendEvent(
        id=f"{kind} {sent.number} {sent.did}",
        kind=kind,
        did=sent.did,
        at=moment(sent.at_s),
        domain=domain,
        from_domain=domain,
        message_id=message or f"<{sent.number}@{domain}>",
        recipient=f"{sent.recipient:032x}",
        recipient_domain=domain_name(sent.domain),
        status=status,
    )
