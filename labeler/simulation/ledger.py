"""What a relay knows of one member: the enforcement labels in force, and how often that changed."""

from datetime import datetime

from labeler.atproto.label import Label
from labeler.atproto.syntax import parse_datetime
from labeler.reputation.definitions import MAIL_SUSPENDED, MAIL_THROTTLED


class Ledger:
    """Labels of one DID as a relay reads them off the stream; it reads `exp` itself. `state` is the strictest one."""

    def __init__(self) -> None:
        self.state: str | None = None
        self.transitions = 0
        self.ends: datetime | None = None  # when the next label in force ends by itself
        self._active: dict[str, datetime | None] = {}

    def at(self, now: datetime) -> str | None:
        """Let labels end that ran out by `now`, and say what is in force."""
        if self.ends is not None and self.ends <= now:
            self._active = {val: exp for val, exp in self._active.items() if exp is None or exp > now}
            self._settle()
        return self.state

    def take(self, labels: list[Label], now: datetime) -> None:
        """Read the labels that were issued together at `now`; others than the enforcement labels pass by."""
        self.at(now)
        for label in labels:
            if label.val in (MAIL_SUSPENDED, MAIL_THROTTLED):
                self._active.pop(label.val, None)
                if not label.neg:
                    self._active[label.val] = parse_datetime(label.exp) if label.exp is not None else None
        self._settle()

    def _settle(self) -> None:
        state = next((val for val in (MAIL_SUSPENDED, MAIL_THROTTLED) if val in self._active), None)
        self.transitions += state != self.state
        self.state = state
        self.ends = min((exp for exp in self._active.values() if exp is not None), default=None)
