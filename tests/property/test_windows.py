"""The windows under any sequence: they count what a plain list would, however it is told, read, cut and forgotten."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labeler
from labeler.reputation import counters
from labeler.reputation.counters import EXACT_MAX, QUIET, CountWindow, DistinctWindow, FirstSeen
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, PolicyActivated
from labeler.reputation.judge import Judge
from labeler.reputation.outcomes import Classifier
from labeler.reputation.pool import Pool
from labeler.reputation.sketch import SlidingSketch
from labeler.reputation.standing import standing
from labeler.reputation.windows import BINDING_MAX, Circumstances, SubjectWindows

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text()
RELAY, SRC, MEMBER = "did:web:relay.example", "did:web:labeler.example", "did:plc:m0"
START = datetime(2026, 3, 2, 9, 17, 3, 250_000, tzinfo=UTC)
FIRST, HOUR = int(START.timestamp()) // 3600, timedelta(hours=1)

BUCKET = st.integers(0, 6) | st.integers(0, 60)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from("abcd"), BUCKET),
        st.tuples(st.just("record"), st.sampled_from("efghijkl"), BUCKET),
        st.tuples(st.just("count"), st.just(""), st.sampled_from([3, 5, 20])),
        st.tuples(st.just("count"), st.just(""), BUCKET),
        st.tuples(st.just("expire"), st.just(""), BUCKET),
    ),
    min_size=10,
    max_size=80,
)


@settings(max_examples=500)
@given(OPERATIONS)
def test_windows_count_what_a_plain_list_would(operations: list[tuple[str, str, int]]) -> None:
    """Under any interleaving. Only windows that begin at or after the last expiry may be asked."""
    distinct, count, sights, floor = DistinctWindow(), CountWindow(), list[tuple[str, int]](), 0
    for operation, item, bucket in operations:
        if operation == "record":
            assert distinct.record(item, bucket) is (item not in {name for name, _ in sights})
            count.add(bucket)
            sights.append((item, bucket))
        elif operation == "expire":
            distinct.expire(bucket)
            count.expire(bucket)
            floor = max(floor, bucket)
            sights = [(name, seen) for name, seen in sights if seen >= bucket]
        elif bucket >= floor:
            inside = {name for name, seen in sights if seen >= bucket}
            assert distinct.count(bucket) == len(inside)
            assert sorted(distinct.items(bucket)) == sorted(inside)
            assert count.count(bucket) == sum(seen >= bucket for _, seen in sights)
            latest = {name: max(seen for other, seen in sights if other == name) for name in inside}
            assert distinct.between(bucket, bucket + 4) == sum(seen <= bucket + 4 for seen in latest.values())
        assert count.total == len(sights)
        assert distinct.size == len({name for name, _ in sights})


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([0, 1, 5, 13, 30, 200])), max_size=60),
    st.randoms(use_true_random=False),
)
def test_windows_that_move_with_time_count_what_a_plain_list_would(
    steps: list[tuple[int, int]], random: Random
) -> None:
    """As rules ask: the same lengths again and again, a little later each time, while late events come in."""
    distinct, count, told, now = DistinctWindow(), CountWindow(), list[tuple[str, int]](), 1_000
    for item, gap in steps:
        now += gap
        for bucket in (now, now - random.randrange(200)):
            told.append((str(item), bucket))
            distinct.record(*told[-1])
            count.add(bucket)
        for length in random.sample([0, 1, 24, 30, 168, 720], 4):
            inside = [name for name, bucket in told if bucket >= now - length]
            assert (count.count(now - length), distinct.count(now - length)) == (len(inside), len(set(inside)))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400)), max_size=30))
def test_news_are_what_was_not_seen_for_so_long(gaps: list[tuple[str, int]]) -> None:
    """Told in order of time, swept or not: an item is new at a moment nobody saw it in the month before."""
    now, told = 0, list[tuple[str, int]]()
    for item, gap in gaps:
        now += gap
        told.append((item, now))
    for sweep in (False, True):
        seen, new = DistinctWindow(), FirstSeen()
        for position, (item, bucket) in enumerate(told):
            earlier = [other for name, other in told[:position] if name == item]
            news = seen.record(item, bucket)
            assert news is (not earlier or bucket > max(earlier) + QUIET)
            if news:
                new.renew(item, bucket)
            if sweep:
                seen.expire(bucket - QUIET - 100)
                new.keep(seen, bucket - QUIET - 100)
            firsts = set[tuple[str, int]]()
            for name, at in reversed(told[: position + 1]):
                before = [other for same, other in told[: position + 1] if same == name and other < at]
                if name not in {known for known, _ in firsts} and (not before or at > max(before) + QUIET):
                    firsts.add((name, at))
            for since in (bucket, bucket - 24, bucket - 700):
                assert new.count(since, bucket + 1) == sum(at >= since for _, at in firsts)


@settings(max_examples=40)
@given(st.integers(1, 4_000), st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_sketch_does_not_depend_on_order_nor_on_who_looked(items: int, buckets: int, random: Random) -> None:
    sights = [(f"{random.randrange(items)}", random.randrange(buckets)) for _ in range(2 * items)]
    answers = list[list[int]]()
    for order in (sights, random.sample(sights, len(sights))):
        sketch = SlidingSketch()
        for number, (item, bucket) in enumerate(order):
            sketch.record(item, bucket)
            if number % 97 == 0:
                sketch.count(random.randrange(buckets))
        answers.append([sketch.count(since) for since in range(buckets + 1)])
    assert answers[0] == answers[1]
    for since, answer in enumerate(answers[0]):
        number = len({item for item, bucket in sights if bucket >= since})
        assert answer == pytest.approx(number, rel=0.05, abs=3)


@settings(max_examples=40)
@given(st.integers(0, 3_000), st.integers(1, 30), st.randoms(use_true_random=False))
def test_a_window_too_full_to_be_exact_tells_the_same_in_any_order(items: int, buckets: int, random: Random) -> None:
    """What was known before it was too much goes into the sketch as if that had been there from the beginning."""
    sights = [(f"{random.randrange(items + 1)}", random.randrange(buckets)) for _ in range(items)]
    answers = list[list[int]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counters, "EXACT_MAX", 100)
        for order in (sights, random.sample(sights, len(sights))):
            window = DistinctWindow()
            for sight in order:
                window.record(*sight)
            answers.append([window.count(since) for since in range(buckets + 1)])
    assert answers[0] == answers[1]


MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 150),  # hours after the start
        st.integers(0, 12),  # recipient
        st.sampled_from(["delivered", "5.1.1", "5.7.1", "4.0.0", "complained", "trapHit", None]),
    ),
    max_size=25,
)


def told_of(messages: list[tuple[int, int, str | None]]) -> Iterator[SendEvent]:
    for number, (hours, recipient, outcome) in enumerate(messages):
        about: dict[str, Any] = {
            "did": MEMBER,
            "at": START + hours * HOUR,
            "message_id": f"m{number}",
            "recipient": f"{recipient:032x}",
            "recipient_domain": f"d{recipient % 5}.example",
            "domain": f"shop{recipient % 2}.example",
            "provider": f"p{recipient % 3}.example",
            "from_domain": f"f{recipient % 4}.example",
            "client": f"{recipient % 2:032x}",
        }
        yield SendEvent(id=f"a{number}", kind=Kind.ACCEPTED, **about)
        if outcome is not None:
            kind = Kind.BOUNCED if outcome[0].isdigit() else outcome
            yield SendEvent(id=f"o{number}", kind=kind, status=outcome if kind == Kind.BOUNCED else None, **about)


def counts_of(events: list[SendEvent], cuts: int, looks: Callable[[Judge], object]) -> dict[str, list[float]]:
    """Every window's count after the events came in so many batches, all within the week they may be late."""
    judge = Judge(SRC)
    judge.step(PolicyActivated(START, SHIPPED))
    size = max(1, len(events) // cuts)
    for number, index in enumerate(range(0, len(events), size)):
        received = START + 150 * HOUR + number * timedelta(minutes=7)
        judge.step(Batch(received, RELAY, tuple(events[index : index + size])))
        looks(judge)
    if not events:
        return {}
    windows = judge.subjects[MEMBER].windows
    names = ("addressed", "recipient_domains", "delivered", "reached", "invalid", "complained", "blocked")
    kept: dict[str, Any] = {name: getattr(windows, name) for name in (*names, "from_domains", "clients", "traps")}
    kept |= {"accepted": windows.volume.accepted}
    for place in (windows.by_domain, windows.by_provider):
        kept |= {f"{name} {part}": getattr(there, part) for name, there in place.items() for part in there.__slots__}
    hours = [FIRST + hour for hour in range(-2, 155, 3)]
    counts = {name: [window.count(hour) for hour in hours] for name, window in kept.items() if window is not None}
    for name, new in (("domains", windows.new_domains), ("networks", windows.new_clients)):
        counts[f"new {name}"] = [new.count(hour, hour + 3) for hour in hours]
    for name in windows.by_provider:
        counts[f"pool at {name}"] = [number for hour in hours for number in judge.pool.rest(name, hour, 0, 0)]
    return counts | {
        "contacts": [windows.first_contacts(hour) for hour in hours],
        "baseline": list(windows.volume.baseline(FIRST + 151)),
        "acceptances": sorted(windows.acceptances.values()),
        "unbound": [windows.unbound],
        "events": [windows.ledger.root(FIRST, FIRST + 160).events],
    }


@settings(max_examples=60)
@given(MESSAGES, st.integers(1, 12), st.randoms(use_true_random=False))
def test_however_events_are_cut_into_batches_the_windows_are_the_same(
    messages: list[tuple[int, int, str | None]], cuts: int, random: Random
) -> None:
    events = list(told_of(messages))
    shuffled = random.sample(events, len(events))
    straight = counts_of(events, 1, lambda judge: None)
    assert counts_of(shuffled, cuts, lambda judge: standing(judge, MEMBER, START + 155 * HOUR)) == straight


def held(thing: object) -> int:
    """How many things are kept in it, and in what is in it."""
    if isinstance(thing, dict):
        return len(thing) + sum(held(value) for value in thing.values())
    if isinstance(thing, list | tuple):
        return len(thing) + sum(held(value) for value in thing)
    slots = getattr(type(thing), "__slots__", ()) if type(thing).__module__.startswith("labeler.reputation.") else ()
    return sum(held(getattr(thing, name)) for name in slots)


@pytest.mark.slow
def test_a_flood_at_the_real_bounds_stops_growing() -> None:
    """More messages than any memory keeps apart, each to somebody else: three times as many hold hardly more."""
    windows, known, grown = SubjectWindows(), Circumstances(RELAY, 0, Classifier(None), Pool()), list[int]()
    at_s, number = int(START.timestamp()), 0
    for end in (EXACT_MAX + EXACT_MAX // 4, BINDING_MAX + 1):
        while number < end:
            who = f"{number:032x}"
            about: dict[str, Any] = {"did": MEMBER, "at": START, "message_id": str(number), "recipient": who}
            accepted = SendEvent(f"a{number}", Kind.ACCEPTED, recipient_domain=f"{number}.example", client=who, **about)
            windows.record(accepted, at_s + number // 10, known)
            windows.record(SendEvent(f"d{number}", Kind.DELIVERED, **about), at_s + number // 10, known)
            number += 1
            if number % 1_000 == 0:
                windows.ledger.seal(RELAY)
        grown.append(held(windows) - len(windows.acceptances))
    assert len(windows.acceptances) == BINDING_MAX // 2 + 1
    assert windows.first_delivered == {}
    for seen in (windows.addressed, windows.recipient_domains, windows.delivered, windows.clients):
        assert seen.count(FIRST) == pytest.approx(number, rel=0.05)
    assert grown[1] < 1.25 * grown[0]
