"""How long to wait before trying again: longer each time, and never all relays at the same moment."""

import random


class Backoff:
    """Doubling waits, in seconds, from `first_s` up to `most_s`; each drawn from the upper half of its range."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0
        self._random = random.SystemRandom()

    def next(self) -> float:
        """Count one more failure and return the wait that belongs to it."""
        wait = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 62))
        self._failures += 1
        return wait * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Forget the failures: something worked."""
        self._failures = 0
