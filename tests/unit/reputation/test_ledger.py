"""Which events the numbers are made of: the digests as documented, the tree as RFC 6962 has it, nothing left out."""

import hashlib
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.reputation.ledger import EventLedger, Root, merkle_root

RELAY, OTHER = "did:web:relay.example", "did:web:other.example"

# Leaves and tree heads of the reference tests of Certificate Transparency (RFC 6962), by number of leaves.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

Told = tuple[str, list[tuple[int, str]]]  # one record of the log: the relay, and hour and id of what was counted


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree_of(leaves: list[bytes]) -> bytes:
    """The tree hash built from below: neighbours are joined, and one without a neighbour goes up as it is."""
    level = [sha(b"\x00" + leaf) for leaf in leaves]
    while len(level) > 1:
        joined = [sha(b"\x01" + level[n] + level[n + 1]) for n in range(0, len(level) - 1, 2)]
        level = joined + level[len(joined) * 2 :]
    return level[0] if level else sha(b"")


def root_by_hand(records: Iterable[Told], since: int, until: int) -> str:
    """What somebody computes who has the log and read the documentation, and none of our code."""
    hours = dict[int, tuple[int, bytes]]()
    for relay, counted in records:
        for hour in sorted({hour for hour, _ in counted}):
            ids = sorted(event_id for known, event_id in counted if known == hour)
            written = [event_id.replace("\\", "\\\\").replace("\n", "\\n") for event_id in ids]
            number, digest = hours.get(hour, (0, bytes(32)))
            text = f"{relay}\n" + "".join(f"{event_id}\n" for event_id in written)
            hours[hour] = number + len(ids), sha(digest + text.encode())
    inside = [hour for hour in sorted(hours) if since <= hour <= until]
    return tree_of([b"%d:%d:" % (hour, hours[hour][0]) + hours[hour][1] for hour in inside]).hex()


def ledger_of(*records: Told) -> EventLedger:
    ledger = EventLedger()
    for relay, counted in records:
        ledger.counted += counted
        ledger.seal(relay)
    return ledger


def root_of(*records: Told) -> Root:
    return ledger_of(*records).root(0, 100)


@pytest.mark.parametrize("number", range(9))
def test_the_tree_is_the_one_of_certificate_transparency(number: int) -> None:
    assert merkle_root([bytes.fromhex(leaf) for leaf in CT_LEAVES[:number]]).hex() == CT_ROOTS[number]


@pytest.mark.parametrize("number", [*range(34), 127, 128, 129, 721])
def test_the_tree_built_from_above_is_the_tree_built_from_below(number: int) -> None:
    leaves = [b"%d:%d:" % (n, n % 7) + sha(b"%d" % n) for n in range(number)]
    assert merkle_root(leaves) == tree_of(leaves)


IDS = st.text(st.sampled_from("ab\\n\n:€"), min_size=1, max_size=4)
RECORDS = st.lists(
    st.tuples(st.sampled_from([RELAY, OTHER]), st.lists(st.tuples(st.integers(0, 5), IDS), max_size=6)), max_size=6
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(RECORDS, st.integers(0, 6), st.integers(-1, 6))
def test_anybody_with_the_log_computes_the_same_root(records: list[Told], since: int, until: int) -> None:
    root = ledger_of(*records).root(since, until)
    events = sum(since <= hour <= until for _, counted in records for hour, _ in counted)
    assert root == (root_by_hand(records, since, until), events, since, until)


def test_nothing_has_a_root_too() -> None:
    assert root_of() == Root(CT_ROOTS[0], 0, 0, 100)


def test_a_record_that_counted_nothing_leaves_no_trace() -> None:
    assert root_of((RELAY, [(1, "a")]), (RELAY, []), (OTHER, [])) == root_of((RELAY, [(1, "a")]))


def test_the_order_inside_a_record_does_not_matter() -> None:
    counted = [(hour, f"e{n}") for n, hour in enumerate([3, 1, 2, 3, 3, 1])]
    shuffled = Random(5).sample(counted, len(counted))
    assert shuffled != counted
    assert root_of((RELAY, shuffled)) == root_of((RELAY, counted))


def test_the_order_of_records_does_matter() -> None:
    first, second = (RELAY, [(1, "a")]), (RELAY, [(1, "b")])
    assert root_of(first, second) != root_of(second, first)
    assert root_of(first, second) != root_of((RELAY, [(1, "a"), (1, "b")]))


STORY: list[Told] = [(RELAY, [(3, "a"), (3, "b"), (4, "c")]), (OTHER, [(3, "d")]), (RELAY, [(9, "e")])]


@pytest.mark.parametrize(
    "forged",
    [
        [(RELAY, [(3, "a"), (4, "c")]), *STORY[1:]],
        [(RELAY, [(3, "a"), (3, "b"), (4, "c"), (4, "c2")]), *STORY[1:]],
        [(RELAY, [(3, "a"), (4, "b"), (4, "c")]), *STORY[1:]],
        [(RELAY, [(3, "a"), (3, "B"), (4, "c")]), *STORY[1:]],
        [STORY[0], (RELAY, [(3, "d")]), STORY[2]],
        STORY[:2],
        [*STORY[:2], (RELAY, [(10, "e")])],
        [*STORY[:2], (RELAY, [(9, "e"), (9, "e")])],
        [(RELAY, [(3, "ab"), (4, "c")]), *STORY[1:]],
    ],
    ids=["removed", "added", "moved", "renamed", "other relay", "record left out", "hour moved", "twice", "joined"],
)
def test_what_is_changed_changes_the_root(forged: list[Told]) -> None:
    assert root_of(*forged).digest != root_of(*STORY).digest


@settings(max_examples=200, derandomize=True, deadline=None)
@given(RECORDS, st.data())
def test_any_id_taken_away_changes_the_root(records: list[Told], data: st.DataObject) -> None:
    places = [(n, m) for n, (_, counted) in enumerate(records) for m in range(len(counted))]
    if places:
        n, m = data.draw(st.sampled_from(places))
        relay, counted = records[n]
        without = [*records[:n], (relay, counted[:m] + counted[m + 1 :]), *records[n + 1 :]]
        assert root_of(*without).digest != root_of(*records).digest


@pytest.mark.parametrize(
    ("ids", "others"),
    [
        (["a\nb", "c"], ["a", "b\nc"]),
        (["a\nb", "c"], ["a", "b", "c"]),
        (["a\nb"], ["a\\nb"]),
        (["a\\", "b"], ["a\\\\", "b"]),
        (["a\\\nb"], ["a\\\\nb"]),
    ],
)
def test_ids_with_line_feeds_cannot_be_cut_another_way(ids: list[str], others: list[str]) -> None:
    """A relay chooses its ids; two sets of events must not share a root."""
    mine, theirs = (root_of((RELAY, [(1, event_id) for event_id in chosen])) for chosen in (ids, others))
    assert mine.digest != theirs.digest


def test_a_root_looks_at_its_window_only() -> None:
    ledger = ledger_of((RELAY, [(hour, f"e{hour}") for hour in range(10)]))
    assert ledger.root(2, 4) == ledger_of((RELAY, [(hour, f"e{hour}") for hour in (2, 3, 4)])).root(2, 4)
    assert ledger.root(2, 4).events == 3
    assert ledger.root(2, 4).digest != ledger.root(2, 5).digest


def test_what_is_forgotten_changes_no_later_window() -> None:
    ledger = ledger_of((RELAY, [(hour, f"e{hour}") for hour in range(10)]))
    before = ledger.root(5, 9)
    ledger.expire(0)
    assert len(ledger.hours) == 10
    ledger.expire(5)
    assert ledger.root(5, 9) == before
    assert ledger.root(0, 9).events == 5
