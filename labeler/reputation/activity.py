"""What one member did over the last weeks, and how the providers do: for people who look, never for the rules."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from labeler.reputation.counters import DistinctWindow
from labeler.reputation.metrics import Stretches
from labeler.reputation.pool import Pool
from labeler.reputation.windows import SubjectWindows

DAY_HOURS: Final = 24


class Stretch(NamedTuple):
    """What lies in the hours from `hour` (since the epoch) on, up to the next stretch. None: too many to be told apart.

    `sent` are messages taken in. `missing` are recipients that do not exist, `refused` those a provider refused for
    policy, `complaints` those who complained: each recipient once, in the hour its newest such message was taken in.
    `domains` are recipient domains written to for the first time in a month.
    """

    hour: int
    sent: int
    missing: int | None
    refused: int
    complaints: int | None
    domains: int


def activity(windows: SubjectWindows, until: int, stretches: int, width: int) -> list[Stretch]:
    """The `stretches` of `width` hours that end with the hour `until`, the oldest first.

    Where a stretch is a day it is a whole one in UTC, but for the last, which ends with `until`.
    """
    last = until - until % width
    starts = range(last - (stretches - 1) * width, last + 1, width)
    columns = [
        _summed(windows.volume.accepted.buckets, starts, width),
        _distinct(windows.invalid, starts, width),
        _summed(windows.blocked.buckets, starts, width),
        _distinct(windows.complained, starts, width),
        _summed(windows.new_domains.new, starts, width),
    ]
    return [Stretch(start, *(column[at] for column in columns)) for at, start in enumerate(starts)]  # type: ignore[arg-type]


def _distinct(seen: DistinctWindow, starts: range, width: int) -> Sequence[int | None]:
    return _summed(seen.alive, starts, width) if seen.exact else [None] * len(starts)


def _summed(buckets: Mapping[int, int], starts: range, width: int) -> list[int]:
    first = starts[0]
    sums = [0] * len(starts)
    for bucket, number in buckets.items():
        at = (bucket - first) // width
        if 0 <= at < len(sums):
            sums[at] += number
    return sums


class ProviderHealth(NamedTuple):
    """How one mailbox provider did in the last day: members that send there, their recipients with a final outcome,
    those refused for policy, members that lost a recipient in the last two hours, and whether it is to blame now.
    """

    name: str
    senders: int
    answered: int
    refused: int
    failing: int
    incident: bool


def busiest_providers(pool: Pool, stretches: Stretches, hour: int, most: int) -> list[ProviderHealth]:
    """The `most` busiest providers of the day that ends with `hour`, those to blame first of all."""
    since = hour - DAY_HOURS + 1
    sizes = {name: _day(there.answered.buckets, since) for name, there in pool.providers.items()}
    blamed = {name for name, known in stretches.items() if any(last >= hour - 1 for _, last in known)}
    heard = (name for name in sizes if sizes[name] or name in blamed)
    chosen = sorted(heard, key=lambda name: (name not in blamed, -sizes[name], name))[:most]
    return [
        ProviderHealth(
            name,
            pool.providers[name].senders.count(since),
            sizes[name],
            max(0, _day(pool.providers[name].blocked.buckets, since)),
            len({did for each in (hour - 1, hour) for did in pool.providers[name].failing.get(each, ())}),
            name in blamed,
        )
        for name in chosen
    ]


def _day(buckets: Mapping[int, int], since: int) -> int:
    """What lies in the day from the hour `since` on, and in the hour after it, where a fast clock may have put it."""
    return sum([buckets.get(hour, 0) for hour in range(since, since + DAY_HOURS + 1)])
