"""Each event is in one place, and counted once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from labeler.errors import Unavailable
from labeler.reputation.events import SendEvent
from relay_hooks.outbox import Load, Outbox, Rejected, ReporterStats, Tally
from relay_hooks.spool import Spool

MakeEvent = Callable[..., SendEvent]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(Spool(tmp_path, max_bytes=1_000), buffer_events=5, keep_rejected=2)
    outbox.open()
    yield outbox
    outbox.close()


def ids(load: Load) -> list[str]:
    return [msgspec.json.decode(raw)["id"] for raw in load.encoded]


def balanced(stats: ReporterStats) -> bool:
    gone = stats.sent + stats.duplicates + stats.rejected + sum(stats.dropped.values())
    return stats.reported + stats.recovered == gone + stats.waiting


def test_what_is_not_settled_goes_back_to_the_front(outbox: Outbox, event: MakeEvent) -> None:
    for _ in range(4):
        outbox.put(event())
    load = outbox.take(3)
    assert ids(load) == ["e1", "e2", "e3"]
    assert outbox.stats().waiting == 4
    outbox.settle(load, Tally(sent=1, duplicates=1))
    assert ids(outbox.take(9)) == ["e3", "e4"]
    assert balanced(outbox.stats())


def test_the_spool_goes_first_and_in_the_same_form(outbox: Outbox, event: MakeEvent) -> None:
    first = event(domain="alice.example")
    outbox.put(first)
    outbox.spill()
    outbox.put(event())
    assert outbox.stats().spooled == 1
    load = outbox.take(9)
    assert load.encoded == [msgspec.json.encode(first)]
    outbox.settle(load, Tally(sent=1))
    assert ids(outbox.take(9)) == ["e2"]
    assert balanced(outbox.stats())


def test_a_full_buffer_drops_the_new_event_and_counts_it(outbox: Outbox, event: MakeEvent) -> None:
    assert [outbox.put(event()) for _ in range(7)] == [1, 2, 3, 4, 5, 0, 0]
    assert outbox.stats().dropped == {"buffer full": 2}
    assert balanced(outbox.stats())


def test_with_the_spool_full_events_stay_in_memory_and_then_the_reason_says_so(
    outbox: Outbox, event: MakeEvent
) -> None:
    for _ in range(40):
        outbox.put(event())
        outbox.spill()
    stats = outbox.stats()
    assert stats.spooled > 3
    assert stats.dropped == {"spool full": 40 - 5 - stats.spooled}
    assert balanced(stats)


def test_with_the_disk_failing_events_stay_in_memory(
    outbox: Outbox, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> int:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(outbox._spool, "append", fail)
        for _ in range(7):
            outbox.put(event())
            outbox.spill()
    assert outbox.stats().dropped == {"spool failed": 2}
    assert ids(outbox.take(9)) == ["e1", "e2", "e3", "e4", "e5"]
    assert balanced(outbox.stats())


@pytest.mark.parametrize("way", ["memory", "spool"])
def test_an_event_the_schema_forbids_harms_none_of_its_neighbours(outbox: Outbox, event: MakeEvent, way: str) -> None:
    """Structs made in code are not validated; one bad event could have its whole batch refused."""
    bad: Any
    for bad in (
        event(recipient="alice@example.com"),
        event(smtp_code="x"),
        event(at=None),
        event(id=object()),
        "no event",
    ):
        outbox.put(event(id="good before"))
        outbox.put(bad)
        outbox.put(event(id="good after"))
        if way == "spool":
            outbox.spill()
        load = outbox.take(9)
        assert ids(load) == ["good before", "good after"]
        outbox.settle(load, Tally(sent=2))
    assert outbox.stats().rejected == 5
    assert [one.error for one in outbox.last_rejected] == ["Invalid", "Invalid"]
    assert balanced(outbox.stats())


def test_rejections_are_counted_and_the_newest_kept(outbox: Outbox, event: MakeEvent) -> None:
    for _ in range(3):
        outbox.put(event())
    rejected = [Rejected({"id": f"e{n}"}, "TooOld", "") for n in (1, 2, 3)]
    outbox.settle(outbox.take(3), Tally(rejected=rejected))
    assert list(outbox.last_rejected) == rejected[1:]
    assert balanced(outbox.stats())


def test_a_load_whose_sender_was_interrupted_is_taken_up_again(outbox: Outbox, event: MakeEvent) -> None:
    outbox.put(event())
    outbox.take(1)
    outbox.put(event())
    assert ids(outbox.take(9)) == ["e1", "e2"]


def test_closing_spools_what_is_in_memory_and_in_flight(outbox: Outbox, event: MakeEvent, tmp_path: Path) -> None:
    outbox.put(event())
    outbox.take(1)
    outbox.put(event())
    outbox.close()
    assert outbox.put(event()) == 0
    assert (outbox.stats().spooled, outbox.stats().dropped) == (2, {"closed": 1})
    assert balanced(outbox.stats())
    again = Outbox(Spool(tmp_path), buffer_events=5, keep_rejected=2)
    again.open()
    assert ids(again.take(9)) == ["e1", "e2"]
    assert again.stats().recovered == 2
    again.close()


def test_what_finds_no_room_at_the_end_is_counted_as_dropped(tmp_path: Path, event: MakeEvent) -> None:
    outbox = Outbox(Spool(tmp_path, max_bytes=200), buffer_events=9, keep_rejected=2)
    outbox.open()
    for _ in range(9):
        outbox.put(event())
    outbox.close()
    stats = outbox.stats()
    assert stats.dropped == {"spool full": 9 - stats.spooled}
    assert stats.spooled > 0
    assert balanced(stats)
