"""One member's mail of a month, drawn before anybody judges it: when, to whom, and what becomes of it.

Both paths walk the same drawn mail, so that what they decide can be compared.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum, IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labeler.reputation.policy import Caps
from labeler.simulation.mixes import Mix, Numbers, draw_domains

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
START: Final = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
START_S: Final = int(START.timestamp())
START_HOUR: Final = START_S // HOUR_S

Generator = np.random.Generator
Rates = NDArray[np.float64]


class Fate(IntEnum):
    """What becomes of one mail. `FORGED`: it is delivered, and somebody else reports a bounce nobody can bind."""

    DELIVERED = 0
    INVALID = 1
    COMPLAINED = 2
    FORGED = 3


class Reaction(Enum):
    """What a member does once it is throttled: go on, send what its standing says clears the label, or keep silent."""

    GO_ON = "go on"
    DELIVER = "deliver"
    KEEP_SILENT = "keep silent"


class Mail(NamedTuple):
    """Parallel arrays in the order of sending: seconds since the start, recipients and their domains by number."""

    at: Numbers
    fate: Numbers
    recipient: Numbers
    domain: Numbers

    @property
    def size(self) -> int:
        """How many mails."""
        return len(self.at)


class Script(NamedTuple):
    """What one member will do, and what was agreed with it.

    `watched_s`: when what is to be noticed begins (seconds); sends and labels before it are not counted as detection.
    `at_a_throttle`: what the member does then.
    """

    mail: Mail
    caps: Caps
    tier: str = "established"
    watched_s: int = 0
    at_a_throttle: Reaction = Reaction.GO_ON


def steady(rng: Generator, volume: int, days: int) -> Numbers:
    """Draw the seconds of `volume` mails a day, evenly likely at any time of it."""
    within = rng.integers(0, DAY_S, size=(days, volume))
    within.sort(axis=1)
    return (within + np.arange(days)[:, None] * DAY_S).ravel()


def addressed(rng: Generator, at: Numbers, mix: Mix, rate: float | Rates, fate: Fate = Fate.INVALID) -> Mail:
    """Give every mail a recipient of its own; `rate` (a share, or one for every day) of them meet `fate`."""
    share = rate if isinstance(rate, float) else rate[at // DAY_S]
    met = np.where(rng.random(len(at)) < share, int(fate), int(Fate.DELIVERED)).astype(np.int64)
    return Mail(at, met, np.arange(len(at), dtype=np.int64), draw_domains(rng, mix, len(at)))


def joined(*parts: Mail) -> Mail:
    """Put several streams of mail into one, in the order of time; equal recipients are the same person."""
    at = np.concatenate([part.at for part in parts])
    order = np.argsort(at, kind="stable")
    columns = ([part[column] for part in parts] for column in range(len(Mail._fields)))
    return Mail(*(np.concatenate(column)[order] for column in columns))


def agreed(at: Numbers, default: Caps) -> Caps:
    """Agree caps of twice the busiest hour and day to come, and never less than the default."""
    hour = int(np.bincount(at // HOUR_S).max(initial=0))
    day = int(np.bincount(at // DAY_S).max(initial=0))
    return Caps(hourly=max(2 * hour, default.hourly), daily=max(2 * day, default.daily))


def moment(at_s: int) -> datetime:
    """The time so many seconds after the start."""
    return START + timedelta(seconds=at_s)
