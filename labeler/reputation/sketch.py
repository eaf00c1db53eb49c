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


class SlidingSketch:
    """Approximate distinct counts of the items whose latest bucket is ≥ any `since`."""

    __slots__ = ("_fronts", "_registers", "_since", "_sum")

    def __init__(self) -> None:
        self._fronts: list[list[tuple[int, int]]] = [[] for _ in range(REGISTERS)]  # (rank, bucket), rank falling
        self._since: int | None = None  # the window last asked for …
        self._registers = bytearray(REGISTERS)  # … its registers …
        self._sum = 0  # … and the sum of their 2^-rank

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
        if self._since is not None and bucket >= self._since and rank > self._registers[index]:
            self._sum += (_TOP >> rank) - (_TOP >> self._registers[index])
            self._registers[index] = rank

    def count(self, since: int) -> int:
        """About how many distinct items were seen in a bucket ≥ `since`."""
        if since != self._since:
            self._since = since
            self._registers = bytearray(
                next((rank for rank, bucket in front if bucket >= since), 0) for front in self._fronts
            )
            self._sum = sum(_TOP >> rank for rank in self._registers)
        estimate = _ALPHA * REGISTERS * REGISTERS * _TOP / self._sum
        empty = self._registers.count(0)
        if estimate <= 2.5 * REGISTERS and empty:
            return round(REGISTERS * math.log(REGISTERS / empty))  # linear counting, for few
        return round(estimate)

    def expire(self, before: int) -> bool:
        """Forget buckets < `before`; tell whether anything is left."""
        self._since = None
        left = False
        for front in self._fronts:
            front[:] = [pair for pair in front if pair[1] >= before]
            left = left or bool(front)
        return left
