"""About how many: against the same algorithm written plainly, for every window, in any order, within its error."""

import hashlib
import math
from random import Random

import pytest

from labeler.reputation.sketch import REGISTERS, SlidingSketch

ERROR = 1.04 / math.sqrt(REGISTERS)  # the standard error of Flajolet et al.


def plain(items: list[str]) -> int:
    """HyperLogLog as in the paper: one register a leading twelve bits, and linear counting for few."""
    registers = [0] * 4096
    for item in items:
        bits = f"{int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), 'big'):064b}"
        index, rest = int(bits[:12], 2), bits[12:]
        registers[index] = max(registers[index], len(rest) - len(rest.lstrip("0")) + 1)
    estimate = 0.7213 / (1 + 1.079 / 4096) * 4096**2 / math.fsum(2.0**-rank for rank in registers)
    empty = registers.count(0)
    return round(4096 * math.log(4096 / empty)) if estimate <= 2.5 * 4096 and empty else round(estimate)


def sketch_of(sights: list[tuple[str, int]]) -> SlidingSketch:
    sketch = SlidingSketch()
    for item, bucket in sights:
        sketch.record(item, bucket)
    return sketch


def test_nothing_counts_for_nothing() -> None:
    assert SlidingSketch().count(0) == 0


@pytest.mark.parametrize("number", [1, 2, 10, 300, 5_000])
def test_few_items_are_counted_closely(number: int) -> None:
    sketch = sketch_of([(f"item {n}", 7) for n in range(number)] * 2)
    assert sketch.count(7) == pytest.approx(number, rel=0.03, abs=0.6)
    assert sketch.count(8) == 0


def test_every_window_is_what_a_sketch_of_that_window_alone_would_be() -> None:
    random = Random(1)
    sights = [(f"item {random.randrange(9_000)}", random.randrange(12)) for _ in range(40_000)]
    sketch = sketch_of(sights)
    for since in range(13):
        assert sketch.count(since) == plain([item for item, bucket in sights if bucket >= since])


@pytest.mark.parametrize("number", [100_000, 1_000_000])
def test_the_error_is_the_one_of_the_paper_for_suffixes_too(number: int) -> None:
    sketch = sketch_of([(f"{n:032x}", n * 10 // number) for n in range(number)])
    for since in range(10):
        assert sketch.count(since) == pytest.approx(number * (10 - since) / 10, rel=3 * ERROR)


def test_the_order_of_sights_does_not_matter() -> None:
    random = Random(2)
    sights = [(f"item {random.randrange(20_000)}", random.randrange(30)) for _ in range(30_000)]
    straight, shuffled = sketch_of(sights), sketch_of(random.sample(sights, len(sights)))
    assert [straight.count(since) for since in range(31)] == [shuffled.count(since) for since in range(31)]


def test_windows_asked_for_before_stay_up_to_date() -> None:
    """More of them than are kept at a time, asked again in any order."""
    random, sketch, sights = Random(3), SlidingSketch(), list[tuple[str, int]]()
    for _ in range(8):
        for since in random.sample(range(10), 7):
            assert sketch.count(since) == plain([item for item, bucket in sights if bucket >= since])
        for _ in range(700):
            sights.append((f"item {random.randrange(10**9)}", random.randrange(10)))
            sketch.record(*sights[-1])


class TestExpiry:
    def test_what_is_older_is_forgotten_and_the_rest_is_not(self) -> None:
        sights = [(f"item {n}", n % 10) for n in range(20_000)]
        sketch = sketch_of(sights)
        before = [sketch.count(since) for since in range(4, 11)]
        assert sketch.expire(4)
        assert [sketch.count(since) for since in range(4, 11)] == before
        assert sketch.count(0) == sketch.count(4)

    def test_it_tells_whether_anything_is_left(self) -> None:
        sketch = sketch_of([("a", 3), ("b", 5)])
        assert sketch.expire(3)
        assert sketch.expire(5)
        assert sketch.count(0) == 1
        assert not sketch.expire(6)
        assert not sketch.expire(7), "an empty sketch stays empty"
        assert sketch.count(0) == 0

    def test_a_late_sight_can_be_forgotten_again(self) -> None:
        sketch = sketch_of([("a", 9)])
        assert sketch.expire(5)
        sketch.record("b", 2)
        assert sketch.count(0) == 2
        assert sketch.expire(5)
        assert sketch.count(0) == 1


def test_memory_depends_on_neither_items_nor_hours() -> None:
    """A register keeps ranks that fall as their hours rise: 53 at most, and the logarithm of its items on average."""
    sights = [(f"{n % 100_000:032x}", n // 50) for n in range(200_000)]
    sketch = sketch_of(Random(12).sample(sights, len(sights)))
    fronts = sketch._fronts
    assert len(fronts) == REGISTERS
    for front in fronts:
        assert front == sorted(front, reverse=True)
        assert [bucket for _, bucket in front] == sorted({bucket for _, bucket in front})
    assert max(map(len, fronts)) <= 53
    assert sum(map(len, fronts)) < 8 * REGISTERS
