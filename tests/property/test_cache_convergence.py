"""Whatever order labels arrive in and however often, the cache gives the same answers."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from relay_hooks.cache import LabelCache

SRC = "did:web:labeler.test"
START = datetime(2026, 1, 1, tzinfo=UTC)
DIDS = ["did:plc:alice", "did:plc:bob"]
VALUES = ["mail-throttled", "mail-suspended", "clean-sender"]


class Arrival(NamedTuple):
    seq: int
    label: Label


@st.composite
def streams(draw: st.DrawFn) -> list[Arrival]:
    """Labels as one labeler might send them, instants repeated now and then."""
    arrivals = []
    for seq in range(1, draw(st.integers(1, 12)) + 1):
        cts = START + timedelta(hours=draw(st.integers(0, 6)))
        lasts = draw(st.none() | st.integers(-2, 6))
        label = Label(
            src=SRC,
            uri=draw(st.sampled_from(DIDS)),
            val=draw(st.sampled_from(VALUES)),
            cts=format_datetime(cts),
            neg=draw(st.sampled_from([None, True, False])),
            exp=None if lasts is None else format_datetime(cts + timedelta(hours=lasts)),
            sig=b"\1" * 64,
        )
        arrivals.append(Arrival(seq, label))
    return arrivals


def filled(arrivals: list[Arrival]) -> LabelCache:
    cache = LabelCache(SRC)
    for arrival in arrivals:
        cache.apply(arrival.label, arrival.seq)
    return cache


def answers(cache: LabelCache) -> list[dict[str, Label]]:
    """Ask at instants before, on and between all those that matter."""
    instants = [START + timedelta(minutes=30 * step) for step in range(-6, 30)]
    return [cache.active(did, now) for did in DIDS for now in instants]


@given(streams(), st.data())
def test_order_and_repetition_change_nothing(arrivals: list[Arrival], data: st.DataObject) -> None:
    again = data.draw(st.permutations(arrivals + data.draw(st.lists(st.sampled_from(arrivals), max_size=6))))
    assert answers(filled(arrivals)) == answers(filled(again))


@given(streams())
@pytest.mark.row(64)
def test_the_answer_is_the_newest_label_of_each_value_unless_negated_or_over(arrivals: list[Arrival]) -> None:
    """The same rule, spelled out without a cache."""
    now = START + timedelta(hours=4, minutes=1)
    cache = filled(arrivals)
    for did in DIDS:
        expected = {}
        for val in VALUES:
            mine = [a for a in arrivals if (a.label.uri, a.label.val) == (did, val)]
            if mine:
                newest = max(mine, key=lambda a: (a.label.cts, a.seq)).label
                if newest.is_active(now):
                    expected[val] = newest
        assert cache.active(did, now) == expected


@given(streams(), st.integers(0, 12))
def test_a_restart_in_the_middle_changes_nothing(arrivals: list[Arrival], stop: int) -> None:
    before = filled(arrivals[:stop])
    after = LabelCache(SRC)
    after.load([(held.seq, held.label.to_map()) for held in before.snapshot()])
    for arrival in arrivals[max(0, stop - 2) :]:  # the last two come again, as after a crash
        after.apply(arrival.label, arrival.seq)
    assert answers(after) == answers(filled(arrivals))
