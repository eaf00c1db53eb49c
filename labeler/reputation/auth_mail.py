"""Mail tagged as authentication: it skips suppression and keeps flowing under throttle, so the tag is worth abusing.

"First contact" and "the fourth in an hour" are told when a message is taken in, from what was known by then.
"""

from typing import Final

from labeler.reputation.counters import CountWindow, DistinctWindow, halve

AN_HOUR_ENOUGH: Final = 3  # codes to one recipient in one hour that need no explanation
_RECENT_MAX: Final = 65_536
SIGN_UP: Final = "verification"  # goes to people never written to before, as it should


class AuthMailWindows:
    """Tagged messages by hour: all but sign-ups, those of them to strangers, and those beyond the third in an hour."""

    __slots__ = ("_recent", "pestered", "repeats", "strangers", "tagged")

    def __init__(self) -> None:
        self.tagged = CountWindow()
        self.strangers = CountWindow()
        self.repeats = CountWindow()
        self.pestered = DistinctWindow()
        self._recent: dict[str, int] = {}

    def accept(self, category: str, recipient: str, hour: int, *, stranger: bool) -> None:
        """Count one tagged message."""
        if category != SIGN_UP:
            self.tagged.add(hour)
            if stranger:
                self.strangers.add(hour)
        key = f"{recipient}{hour}"
        sent = self._recent.get(key, 0) + 1
        self._recent[key] = sent
        if sent > AN_HOUR_ENOUGH:
            self.repeats.add(hour)
            self.pestered.record(recipient, hour)
        if len(self._recent) > _RECENT_MAX:
            self._recent = halve(self._recent)

    def expire(self, floor: int) -> None:
        """Forget hours < `floor`."""
        for window in (self.tagged, self.strangers, self.repeats, self.pestered):
            window.expire(floor)
