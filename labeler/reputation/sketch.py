"""How many distinct items, when there are too many to keep: HyperLogLog over any suffix of time.

Flajolet, Fusy, Gandouet and Meunier (2007) keep in each register the highest rank seen. Chabchoub and Hébrail's sliding
form (2010) keeps the highest ranks with the latest bucket each was seen in, as long as no later one is as high, so that
every window ending now is answered from one sketch. The standard error is 1.04/√m, 1.6 % here.

Rule: the sketch is a function of what was recorded, in any order; sums are integers, so nothing depends on rounding.
"""

import hashlib
import math
from typing import Final

PRECISION: Final = 12
REGISTERS: Final = 1 << PRECISION
_HASH_BITS: Final = 64
_RANK_BITS: Final = _HASH_BITS - PRECISION
_TOP: Final = 1 << (_RANK_BITS + 1)  # 2^-rank, as a whole number
_ALPHA: Final = 0.7213 / (1 + 1.079 / REGISTERS)  # Flajolet et al., for 128 registers and more
_VIEWS: Final = 4  # windows of different length whose registers are kept up to date


class _View:
    """The registers of one window, and the sum of their 2^-rank."""

    __slots__ = ("registers", "since", "sum")

    def __init__(self, since: int, registers: bytearray) -> None:
        self.since = since
        self.registers = registers
        self.sum = sum(_TOP >> rank for rank in registers)


class SlidingSketch:
    """Approximate distinct counts of the items whose latest bucket is ≥ any `since`."""

    __slots__ = ("_fronts", "_oldest", "_views")

    def __init__(self) -> None:
        self._fronts: list[list[tuple[int, int]]] = [[] for _ in range(REGISTERS)]  # (rank, bucket), rank falling
        self._oldest: int | None = None  # no bucket is older, None while there is none
        self._views: list[_View] = []  # the windows last asked for

    def record(self, item: str, bucket: int) -> None:
        """See `item` in `bucket`."""
        hashed = int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "big")
        index = hashed >> _RANK_BITS
        rank = _RANK_BITS - (hashed & ((1 << _RANK_BITS) - 1)).bit_length() + 1
        front = self._fronts[index]
        for known_rank, known_bucket in front:
            if known_rank >= rank and known_bucket >= bucket:
                return
        front[:] = sorted(
            [pair for pair in front if pair[0] > rank or pair[1] > bucket] + [(rank, bucket)], reverse=True
        )
        if self._oldest is None or bucket < self._oldest:
            self._oldest = bucket
        for view in self._views:
            if bucket >= view.since and rank > view.registers[index]:
                view.sum += (_TOP >> rank) - (_TOP >> view.registers[index])
                view.registers[index] = rank

    def count(self, since: int) -> int:
        """About how many distinct items were seen in a bucket ≥ `since`."""
        view = next((known for known in self._views if known.since == since), None) or self._look(since)
        estimate = _ALPHA * REGISTERS * REGISTERS * _TOP / view.sum
        empty = view.registers.count(0)
        if estimate <= 2.5 * REGISTERS and empty:
            return round(REGISTERS * math.log(REGISTERS / empty))  # linear counting, for few
        return round(estimate)

    def expire(self, before: int) -> bool:
        """Forget buckets < `before`; tell whether anything is left."""
        if self._oldest is None or self._oldest >= before:
            return self._oldest is not None
        self._views.clear()
        left = False
        for front in self._fronts:
            front[:] = [pair for pair in front if pair[1] >= before]
            left = left or bool(front)
        self._oldest = before if left else None
        return left

    def _look(self, since: int) -> _View:
        """Begin to keep the registers of a window; of several windows, the one begun first is given up."""
        ranks = (next((rank for rank, bucket in front if bucket >= since), 0) for front in self._fronts)
        view = _View(since, bytearray(ranks))
        self._views = [*self._views[-(_VIEWS - 1) :], view]
        return view
