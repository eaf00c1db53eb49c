"""Where recipients have their mailboxes. Three explicit mixes; every share here is an assumption, none was measured.

A recipient domain is a number: the big providers first, then the long tail, then domains nobody was ever met at. Those
an attacker holds are negative.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

PROVIDERS: Final = ("gmail.com", "yahoo.com", "outlook.com", "hotmail.com")
_FRESH: Final = 1_000_000  # from here on a domain has one recipient


class Mix(NamedTuple):
    """Shares of the `PROVIDERS`; the rest lies in a tail of so many domains, by Zipf's law with exponent 1.

    A tail of 0 means a domain of its own for every recipient.
    """

    about: str
    shares: tuple[float, ...]
    tail: int


CONSUMERS: Final = Mix("mostly at the big providers", (0.35, 0.10, 0.08, 0.04), 3_000)
SELF_HOSTERS: Final = Mix("mostly at domains of their own", (0.12, 0.02, 0.02, 0.01), 20_000)
FRESH: Final = Mix("each at a domain never met before", (), 0)


def draw_domains(rng: np.random.Generator, mix: Mix, number: int) -> Numbers:
    """Draw the domains of so many recipients."""
    if mix.tail == 0:
        return np.arange(_FRESH, _FRESH + number, dtype=np.int64)
    rank = np.floor(mix.tail ** rng.random(number)).astype(np.int64)  # P(rank) falls as 1 ÷ rank
    place = np.searchsorted(np.cumsum(mix.shares), rng.random(number), side="right")
    return np.where(place < len(mix.shares), place, len(PROVIDERS) + rank - 1).astype(np.int64)


def domain_name(number: int) -> str:
    """Name a drawn domain (those in the tail end in `.example`, RFC 2606 §2)."""
    if number < 0:
        return f"hostile{-number}.example"
    return PROVIDERS[number] if number < len(PROVIDERS) else f"d{number}.example"
