"""Counting in buckets of time: how many, how many distinct, and what is new. Buckets are whole numbers, such as hours.

One idea carries the distinct counts: remember for each item the *latest* bucket it was seen in, and how many items
each bucket is the latest of. An item lies in a window exactly when its latest bucket does, so the distinct count of
any window is a sum over buckets. Its mirror, the *first* bucket of each item, tells what was new when.

Rule: recording commutes; only what is told late of an item that came back after `QUIET` may be new or not by the order.
Rule: exact up to `EXACT_MAX` items, about right beyond, bounded always.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar

from labeler.reputation.sketch import SlidingSketch

EXACT_MAX: Final = 65_536  # distinct items counted exactly: two months of a member at its default daily cap
QUIET: Final = 30 * 24  # buckets without a sight, after which an item that comes back is new again
Kept = TypeVar("Kept")
_MARKS: Final = 4  # windows of different length whose counts are kept up to date
_STEPS: Final = 12  # buckets by which a window is moved rather than summed anew


def _count(marks: list[list[int]], since: int, buckets: dict[int, int]) -> int:
    """Sum `buckets` from `since` on. `marks` remembers the windows asked for, as [since, count], kept up to date by
    whoever counts; a window that moved on by a few buckets is moved, not summed anew.
    """
    near, begin = None, since - _STEPS - 1
    for mark in marks:
        if mark[0] == since:
            return mark[1]
        if begin < mark[0] < since:
            near, begin = mark, mark[0]
    if near is not None:
        near[0] = since
        while begin < since:
            if begin in buckets:
                near[1] -= buckets[begin]
            begin += 1
        return near[1]
    total = sum([number for bucket, number in buckets.items() if bucket >= since])
    if len(marks) >= _MARKS:
        marks.pop(0)
    marks.append([since, total])
    return total


class CountWindow:
    """How many, over any window up to the horizon. `total` counts everything not yet expired."""

    __slots__ = ("_marks", "buckets", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.total = 0
        self._marks: list[list[int]] | None = None

    def add(self, bucket: int, number: int = 1) -> None:
        """Count `number` in `bucket`."""
        buckets = self.buckets
        if bucket in buckets:
            buckets[bucket] += number
        else:
            buckets[bucket] = number
        self.total += number
        if self._marks is not None:
            for mark in self._marks:
                if bucket >= mark[0]:
                    mark[1] += number

    def move(self, bucket: int, earlier: int | None) -> None:
        """Count one in `bucket`; no longer in `earlier`, unless that is None."""
        self.add(bucket)
        if earlier is not None:
            self.add(earlier, -1)

    def count(self, since: int) -> int:
        """How many in buckets ≥ `since`."""
        if self._marks is None:
            self._marks = []
        return _count(self._marks, since, self.buckets)

    def expire(self, before: int) -> None:
        """Forget buckets < `before`."""
        if any(bucket < before for bucket in self.buckets):
            self.buckets = {bucket: number for bucket, number in self.buckets.items() if bucket >= before}
            self.total = sum(self.buckets.values())
            self._marks = None


class DistinctWindow:
    """Distinct items over any window up to the horizon. `record` is O(1); so is `count`, until the window moves on."""

    __slots__ = ("_marks", "_sketch", "alive", "last")

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.alive: dict[int, int] = {}
        self._marks: list[list[int]] | None = None
        self._sketch: SlidingSketch | None = None

    @property
    def exact(self) -> bool:
        """Whether the items themselves are known."""
        return self._sketch is None

    @property
    def size(self) -> int:
        """A bound on every count: how many items are not yet expired."""
        return len(self.last) if self._sketch is None else self._sketch.count(0)

    def record(self, item: str, bucket: int) -> bool:
        """See `item` in `bucket`; an older bucket than the one known changes nothing. Tell whether it is news: unknown,
        or not seen for so long.
        """
        last, alive = self.last, self.alive
        known = last.get(item)
        if known is not None:
            if known >= bucket:
                return False
            alive[known] -= 1
            if self._marks is not None:
                for mark in self._marks:
                    if known < mark[0] <= bucket:
                        mark[1] += 1
        elif self._sketch is not None:
            self._sketch.record(item, bucket)
            return False
        elif self._marks is not None:
            for mark in self._marks:
                if bucket >= mark[0]:
                    mark[1] += 1
        last[item] = bucket
        alive[bucket] = alive.get(bucket, 0) + 1
        if known is not None:
            return bucket > known + QUIET
        if len(last) > EXACT_MAX:
            self._approximate()
        return True

    def count(self, since: int) -> int:
        """How many distinct items were seen in a bucket ≥ `since`."""
        if self._sketch is not None:
            return self._sketch.count(since)
        if self._marks is None:
            self._marks = []
        return _count(self._marks, since, self.alive)

    def between(self, first: int, last: int) -> int:
        """How many were seen latest in one of the buckets `first` … `last`."""
        return max(0, self.count(first) - self.count(last + 1))

    def items(self, since: int) -> Iterator[str]:
        """The distinct items seen in a bucket ≥ `since`, in order of first sight; none when they are not known."""
        return (item for item, bucket in self.last.items() if bucket >= since)

    def expire(self, before: int) -> None:
        """Forget items whose latest bucket is < `before`."""
        if self._sketch is not None:
            if not self._sketch.expire(before):
                self._sketch = None
        elif any(bucket < before for bucket in self.alive):
            self.last = {item: bucket for item, bucket in self.last.items() if bucket >= before}
            self.alive = {bucket: number for bucket, number in self.alive.items() if bucket >= before}
            self._marks = None

    def _approximate(self) -> None:
        self._sketch = SlidingSketch()
        for item, bucket in self.last.items():
            self._sketch.record(item, bucket)
        self.last, self.alive = {}, {}
        self._marks = None


class FirstSeen:
    """When items were first seen, and so what was new when. Beyond `EXACT_MAX` items nothing counts as new any more."""

    __slots__ = ("first", "new")

    def __init__(self) -> None:
        self.first: dict[str, int] = {}
        self.new: dict[int, int] = {}

    def record(self, item: str, bucket: int) -> None:
        """See `item` in `bucket`; a later bucket than the one known changes nothing."""
        known = self.first.get(item)
        if known is not None:
            if known <= bucket:
                return
            self.new[known] -= 1
        elif len(self.first) >= EXACT_MAX:
            return
        self.first[item] = bucket
        self.new[bucket] = self.new.get(bucket, 0) + 1

    def renew(self, item: str, bucket: int) -> None:
        """See `item` in `bucket`, where it is news: for the first time, or after so long that it is new again."""
        known = self.first.pop(item, None)
        if known is not None:
            self.new[known] -= 1
        self.record(item, bucket)

    def count(self, since: int, until: int) -> int:
        """How many items were new in the buckets `since` … `until` − 1."""
        return sum(number for bucket, number in self.new.items() if since <= bucket < until)

    def usual(self, since: int, until: int, width: int) -> float:
        """How many were new in `width` buckets, on the average of those stretches that had any; 0 if none had.

        Looks at the buckets `since` … `until` − 1.
        """
        busy: dict[int, int] = {}
        for bucket, number in self.new.items():
            if number and since <= bucket < until:
                stretch = (until - 1 - bucket) // width
                busy[stretch] = busy.get(stretch, 0) + number
        return sum(busy.values()) / len(busy) if busy else 0.0

    def keep(self, seen: DistinctWindow, before: int) -> None:
        """Forget what `seen` has forgotten; where that knows no items, what was first seen in a bucket < `before`."""
        if seen.exact and len(seen.last) < len(self.first):
            self._only({item: bucket for item, bucket in self.first.items() if item in seen.last})
        elif not seen.exact and any(bucket < before for bucket in self.new):
            self._only({item: bucket for item, bucket in self.first.items() if bucket >= before})

    def _only(self, kept: dict[str, int]) -> None:
        self.first = kept
        self.new = {}
        for bucket in kept.values():
            self.new[bucket] = self.new.get(bucket, 0) + 1


def halve(known: dict[str, Kept]) -> dict[str, Kept]:
    """The newer half of a dictionary that grew in order of time: a memory of fixed size forgets so at O(1) an entry."""
    return dict(islice(known.items(), len(known) // 2, None))
