"""The suppression list of one member, and who works around it: a variant of the address, another domain, no header.

An unsubscription must be bound to a message like every outcome; from then on, mail to the same person counts as evasion
if it uses another spelling of the address (`recipientExact`) or another sending domain. Authentication mail a person
waits for is no evasion. A message reported as stripped of its unsubscribe header counts by itself.
"""

from typing import Final, NamedTuple

from labeler.reputation.counters import DistinctWindow, halve
from labeler.reputation.events import AUTH_MAIL, SendEvent

UNSUBSCRIBED_MAX: Final = 65_536  # people remembered; the oldest half is forgotten beyond


class Unsubscribed(NamedTuple):
    """When somebody left, the address as it was written, and the sending domain it was from."""

    at_s: int
    exact: str | None
    domain: str | None


class SuppressionWindows:
    """Who unsubscribed, and the distinct evasions: recipients tried another way, messages without the header."""

    __slots__ = ("evaded", "unsubscribed")

    def __init__(self) -> None:
        self.unsubscribed: dict[str, Unsubscribed] = {}
        self.evaded = DistinctWindow()

    def unsubscribe(self, recipient: str, at_s: int, event: SendEvent) -> None:
        """Remember that `recipient` left; the first time counts."""
        known = self.unsubscribed.get(recipient)
        if known is None or at_s < known.at_s:
            self.unsubscribed[recipient] = Unsubscribed(at_s, event.recipient_exact, _name(event.domain))
            if len(self.unsubscribed) > UNSUBSCRIBED_MAX:
                self.unsubscribed = halve(self.unsubscribed)

    def tried(self, recipient: str, at_s: int, event: SendEvent, grace_s: int) -> bool:
        """Take in that this member tried to mail `recipient` again; tell whether that was an evasion."""
        left = self.unsubscribed.get(recipient)
        if left is None or at_s <= left.at_s + grace_s or event.category in AUTH_MAIL:
            return False
        variant = left.exact is not None and event.recipient_exact not in (None, left.exact)
        rotated = left.domain is not None and _name(event.domain) not in (None, left.domain)
        if variant or rotated:
            self.evade(recipient, at_s)
        return variant or rotated

    def tried_elsewhere(
        self, recipient: str, at_s: int, event: SendEvent, grace_s: int, other: "SuppressionWindows"
    ) -> None:
        """Take in that this member tried somebody who left `other`, a member with the same domain."""
        left = other.unsubscribed.get(recipient)
        if left is not None and at_s > left.at_s + grace_s and event.category not in AUTH_MAIL:
            self.evade(recipient, at_s)

    def evade(self, what: str, at_s: int) -> None:
        """Count one distinct evasion."""
        self.evaded.record(what, at_s // 3600)

    def expire(self, floor: int, memory_floor_s: int) -> None:
        """Forget evasions in hours < `floor`, and who left before `memory_floor_s`."""
        self.evaded.expire(floor)
        if any(left.at_s < memory_floor_s for left in self.unsubscribed.values()):
            self.unsubscribed = {
                recipient: left for recipient, left in self.unsubscribed.items() if left.at_s >= memory_floor_s
            }


def _name(domain: str | None) -> str | None:
    """A domain as it is compared: spelling it in capitals is no other domain."""
    return domain.lower() if domain is not None else None
