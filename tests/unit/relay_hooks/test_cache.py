"""Which label counts: the newest `cts`; negations hide; expiry is judged when read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labeler.atproto.label import Label
from labeler.errors import BadInput
from relay_hooks.cache import LabelCache

SRC = "did:web:labeler.test"
ALICE = "did:plc:alice"
NOW = datetime(2026, 1, 3, tzinfo=UTC)
EARLY, LATE = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"

MakeLabel = Callable[..., Label]


@pytest.fixture
def cache() -> LabelCache:
    return LabelCache(SRC)


def values(cache: LabelCache, now: datetime = NOW, did: str = ALICE) -> set[str]:
    return set(cache.active(did, now))


@pytest.mark.row(81)
def test_a_label_holds_for_its_subject_only(cache: LabelCache, label: MakeLabel) -> None:
    assert cache.apply(label(), 1)
    assert values(cache) == {"mail-throttled"}
    assert values(cache, did="did:plc:bob") == set()


@pytest.mark.row(64, 65)
def test_a_newer_negation_hides_and_an_older_one_does_not(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(cts=LATE), 1)
    assert not cache.apply(label(cts=EARLY, neg=True), 2)
    assert values(cache) == {"mail-throttled"}
    assert cache.apply(label(cts="2026-01-02T00:00:00.001Z", neg=True), 3)
    assert values(cache) == set()


def test_an_old_label_does_not_come_back_after_its_negation(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(cts=LATE, neg=True), 2)
    assert not cache.apply(label(cts=EARLY), 1)
    assert values(cache) == set()


def test_dates_are_compared_as_instants_not_as_text(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(cts="2026-01-02T00:00:00+02:00"), 1)
    assert cache.apply(label(cts="2026-01-01T23:00:00Z", neg=True), 2)


def test_at_the_same_instant_the_higher_seq_wins(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(), 1)
    assert cache.apply(label(neg=True), 2)
    assert not cache.apply(label(), 1)
    assert values(cache) == set()


@pytest.mark.row(72, 73)
def test_expiry_is_strict_and_needs_no_new_label(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(exp="2026-01-03T00:00:00.000Z"), 1)
    assert values(cache, NOW - timedelta(milliseconds=1)) == {"mail-throttled"}
    assert values(cache, NOW) == set()


def test_neg_false_is_no_negation(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(replace(label(), neg=False), 1)
    assert values(cache) == {"mail-throttled"}


def test_labels_of_another_labeler_are_refused(cache: LabelCache, label: MakeLabel) -> None:
    with pytest.raises(BadInput, match="has no place"):
        cache.apply(label(src="did:web:other.test"), 1)
    assert len(cache) == 0


def test_a_snapshot_loads_into_the_same_answers_negations_included(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(), 1)
    cache.apply(label(val="mail-suspended", neg=True, cts=LATE), 2)
    again = LabelCache(SRC)
    again.load([(held.seq, held.label.to_map()) for held in cache.snapshot()])
    assert again.snapshot() == cache.snapshot()
    assert not again.apply(label(val="mail-suspended", cts=EARLY), 1)


def test_a_bad_entry_leaves_what_is_known_alone(cache: LabelCache, label: MakeLabel) -> None:
    cache.apply(label(), 1)
    with pytest.raises(BadInput):
        cache.load([(2, label(val="clean-sender").to_map()), (3, {"ver": 1})])
    assert values(cache) == {"mail-throttled"}
