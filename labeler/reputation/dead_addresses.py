"""Addresses reported not to exist, and mail that goes on to them all the same."""

from labeler.reputation.counters import EXACT_MAX, CountWindow, DistinctWindow
from labeler.reputation.volume import HOUR_S


class DeadAddresses:
    """Since when (epoch seconds) each address is known not to exist; messages accepted for them since, and for whom."""

    __slots__ = ("known", "recipients", "sends")

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.sends = CountWindow()
        self.recipients = DistinctWindow()

    def die(self, recipient: str, at_s: int) -> None:
        """The address was reported not to exist; the first time counts."""
        if at_s < self.known.get(recipient, at_s + 1) and len(self.known) < EXACT_MAX:
            self.known[recipient] = at_s

    def revive(self, recipient: str, at_s: int) -> None:
        """Mail was delivered to the address; if that was later, it is not dead any more."""
        if at_s > self.known.get(recipient, at_s):
            del self.known[recipient]

    def sent(self, recipient: str, at_s: int) -> bool:
        """A message was accepted; count it if the address was known to be dead, and tell whether it was."""
        if at_s <= self.known.get(recipient, at_s):
            return False
        self.sends.add(at_s // HOUR_S)
        self.recipients.record(recipient, at_s // HOUR_S)
        return True

    def expire(self, floor: int) -> None:
        """Forget hours < `floor`."""
        self.sends.expire(floor)
        self.recipients.expire(floor)
        if any(at_s < floor * HOUR_S for at_s in self.known.values()):
            self.known = {item: at_s for item, at_s in self.known.items() if at_s >= floor * HOUR_S}
