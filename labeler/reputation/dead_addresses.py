"""Addresses reported not to exist, and mail that goes on to them all the same."""

from typing import Final

from labeler.reputation.counters import EXACT_MAX, CountWindow, DistinctWindow
from labeler.reputation.volume import HOUR_S

REMEMBERED_S: Final = 30 * 86_400  # an address that nobody reported dead for a month may be tried again
_LATE_HOURS: Final = 9 * 24  # so much later may what was sent in time still be reported


class DeadAddresses:
    """Since when (epoch seconds) each address is known not to exist; messages accepted for them since, and for whom."""

    __slots__ = ("known", "recipients", "sends")

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.sends = CountWindow()
        self.recipients = DistinctWindow()

    def die(self, recipient: str, at_s: int) -> None:
        """The address was reported not to exist; of a month's reports the first counts."""
        since = self.known.get(recipient)
        if since is None:
            if len(self.known) < EXACT_MAX:
                self.known[recipient] = at_s
        elif at_s < since or at_s > since + REMEMBERED_S:
            self.known[recipient] = at_s

    def revive(self, recipient: str, at_s: int) -> None:
        """Mail was delivered to the address; if that was later, it is not dead any more."""
        if at_s > self.known.get(recipient, at_s):
            del self.known[recipient]

    def excuse(self, recipient: str, since_s: int) -> None:
        """What was reported of the address since `since_s` was its provider's fault."""
        if self.known.get(recipient, since_s - 1) >= since_s:
            del self.known[recipient]

    def sent(self, recipient: str, at_s: int) -> bool:
        """A message was accepted; count it if the address was known to be dead, and tell whether it was."""
        since = self.known.get(recipient)
        if since is None or not since < at_s <= since + REMEMBERED_S:
            return False
        self.sends.add(at_s // HOUR_S)
        self.recipients.record(recipient, at_s // HOUR_S)
        return True

    def expire(self, floor: int) -> None:
        """Forget hours < `floor`, a month before the present, and addresses that could not be dead any more."""
        self.sends.expire(floor)
        self.recipients.expire(floor)
        oldest_s = (floor - _LATE_HOURS) * HOUR_S
        if any(at_s < oldest_s for at_s in self.known.values()):
            self.known = {item: at_s for item, at_s in self.known.items() if at_s >= oldest_s}
