"""What every `LabelLog` finds for `queryLabels`; memory is the reference."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.adapters import sqlite
from labeler.adapters.memory import MemoryLabelLog
from labeler.adapters.sqlite import SqliteLabelLog
from labeler.atproto.label import Label
from labeler.ports import Entry, LabelLog, LabelQuery

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)

MakeEntry = Callable[..., Entry]
OpenLog = Callable[[], AbstractAsyncContextManager[LabelLog]]


@pytest.fixture(params=["memory", "sqlite", "sqlite-many"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenLog:
    """Return what opens the log under test; `sqlite-many` takes the way meant for large results every time."""
    if request.param == "memory":
        log = MemoryLabelLog()
        return lambda: log
    if request.param == "sqlite-many":
        monkeypatch.setattr(sqlite, "FEW", -1)
    return lambda: SqliteLabelLog(tmp_path / "labels.sqlite")


def asking(
    *exact: str, prefixes: tuple[str, ...] = (), after: int = 0, limit: int = 250, now: datetime = NOW
) -> LabelQuery:
    return LabelQuery(exact=exact, prefixes=prefixes, after=after, limit=limit, now=now)


async def add(log: LabelLog, *entries: Entry) -> list[int]:
    at = (await log.bounds()).checkpoint
    return await log.append(entries, expected=at, checkpoint=at + 1)


async def found(log: LabelLog, query: LabelQuery) -> list[str]:
    return [row.label.uri for row in await log.find(query)]


URIS = (
    "did:plc:alice",
    "did:plc:Alice",
    "did:plc:alice2",
    "did:plc:a_ice",
    "did:plc:a%25ice",
    "did:web:example.com",
    "at://did:plc:alice/app.bsky.feed.post/3k_a",
    "at://did:plc:alice/app.bsky.feed.post/3kxa",
    "at://did:plc:alice2/app.bsky.feed.post/3k",
)


@pytest.mark.parametrize(
    ("exact", "prefixes", "expected"),
    [
        (["did:plc:alice"], [], ["did:plc:alice"]),
        (["did:plc:ALICE"], [], []),  # row 94: case matters
        (["did:plc:a_ice"], [], ["did:plc:a_ice"]),  # row 95: `_` and `%` mean themselves
        (["did:plc:a%"], [], []),
        (["did:plc:alic"], [], []),
        ([], ["did:plc:alice"], ["did:plc:alice", "did:plc:alice2"]),  # rows 91, 96: a plain prefix, inclusive
        ([], ["did:plc:a_"], ["did:plc:a_ice"]),
        ([], ["did:plc:a%"], ["did:plc:a%25ice"]),
        ([], ["did:plc:A"], ["did:plc:Alice"]),
        ([], ["at://did:plc:alice/"], [URIS[6], URIS[7]]),  # row 91: the slash shuts alice2 out
        ([], ["at://did:plc:alice/app.bsky.feed.post/3k_"], [URIS[6]]),
        ([], ["at://did:plc:alice"], [URIS[6], URIS[7], URIS[8]]),
        ([], ["*"], []),  # the asterisk is the caller's to take off
        ([], [""], list(URIS)),  # row 92
        (["did:plc:alice"], [""], list(URIS)),
        (["did:web:example.com", "did:plc:alice"], [], ["did:plc:alice", "did:web:example.com"]),  # row 90: OR
        (["did:plc:alice", "did:plc:alice"], ["did:plc:alice", "did:plc:ali"], ["did:plc:alice", "did:plc:alice2"]),
        (["did:web:example.com"], ["did:plc:A"], ["did:plc:Alice", "did:web:example.com"]),
        ([], [], []),
        (["did:plc:alice\0"], ["did:plc:alice\0", "\udcff", "did:plc:alice\ud800"], []),
        (["\ud800", "did:plc:alice"], [], ["did:plc:alice"]),
    ],
)
@pytest.mark.row(90, 91, 92, 94, 95, 96)
async def test_patterns(
    open_log: OpenLog, entry: MakeEntry, exact: list[str], prefixes: list[str], expected: list[str]
) -> None:
    """Matching is byte-wise, patterns are OR-ed, nothing comes twice, order is that of seq."""
    async with open_log() as log:
        await add(log, *(entry(uri) for uri in URIS))
        assert await found(log, asking(*exact, prefixes=tuple(prefixes))) == expected


@pytest.mark.parametrize(
    ("exp", "there"),
    [
        ("2026-06-01T12:00:00.001Z", True),
        ("2026-06-01T12:00:00.000Z", False),  # row 73: gone at `exp` itself
        ("2026-06-01T11:59:59.999Z", False),
        ("2026-06-01T14:00:00+02:00", False),
        ("2026-06-01T12:00:00.001+00:00", True),
        ("2026-06-01T13:00:00+02:00", False),
        ("2026-06-01T11:00:00-02:00", True),
    ],
)
@pytest.mark.row(72, 73, 108)
async def test_expired_labels_are_left_out_at_their_instant(
    open_log: OpenLog, entry: MakeEntry, exp: str, there: bool
) -> None:
    """Row 108. What expires when is a matter of instants, however they are written; `read` keeps them (row 72)."""
    async with open_log() as log:
        await add(log, entry("did:plc:a", exp=exp), entry("did:plc:b"))
        assert await found(log, asking(prefixes=("did:",))) == ["did:plc:a"] * there + ["did:plc:b"]
        assert await found(log, asking("did:plc:a")) == ["did:plc:a"] * there
        assert len(await log.read(0, 10)) == 2


@pytest.mark.row(67, 106, 108)
async def test_negations_stay_and_replaced_labels_do_not(open_log: OpenLog, entry: MakeEntry) -> None:
    """Rows 106, 108: mirrors need the negation; even an `exp` on it takes nothing away."""
    async with open_log() as log:
        await add(log, entry("did:plc:a"), entry("did:plc:b"), entry("did:plc:c"))
        await add(log, entry("did:plc:a", neg=True), entry("did:plc:b", neg=True, exp="2026-05-01T00:00:00.000Z"))
        rows = await log.find(asking(prefixes=("did:",)))
        assert [(row.seq, row.label.neg) for row in rows] == [(3, None), (4, True), (5, True)]
        assert [row.body for row in rows] == [row.body for row in await log.read(0, 10)]


async def test_after_and_limit(open_log: OpenLog, entry: MakeEntry) -> None:
    async with open_log() as log:
        await add(log, *(entry(f"did:plc:{number}") for number in range(9, 0, -1)))
        assert [row.seq for row in await log.find(asking(prefixes=("did:",), after=3, limit=2))] == [4, 5]
        assert [row.seq for row in await log.find(asking("did:plc:1", "did:plc:9", limit=1))] == [1]
        assert await log.find(asking(prefixes=("",), after=9)) == []
        assert await log.find(asking(prefixes=("",), after=2**80)) == []


@pytest.mark.parametrize("prefixes", [("",), ("did:plc:",), ("did:plc:keep", "did:plc:move")])
@pytest.mark.row(102, 105)
async def test_paging_meets_everything_once_while_others_write(
    open_log: OpenLog, entry: MakeEntry, prefixes: tuple[str, ...]
) -> None:
    """Row 105. A label that moves (is replaced) is met once, or once more at its new seq; none that stays is missed."""
    async with open_log() as log:
        for number in range(20):
            await add(log, entry(f"did:plc:keep{number:02}"), entry(f"did:plc:move{number:02}"))
        after, pages, met = 0, 0, list[str]()
        while page := await log.find(asking(prefixes=prefixes, after=after, limit=3)):
            assert [row.seq for row in page] == sorted({row.seq for row in page})
            assert page[0].seq > after
            met += [row.label.uri for row in page]
            after, pages = page[-1].seq, pages + 1
            if pages <= 10:
                await add(log, entry(f"did:plc:move{pages:02}", neg=True), entry(f"did:plc:keep-late{pages:02}"))
        kept = [uri for uri in met if uri.startswith("did:plc:keep")]
        assert kept == [f"did:plc:keep{n:02}" for n in range(20)] + [f"did:plc:keep-late{n:02}" for n in range(1, 11)]
        assert {uri for uri in met if uri not in kept} == {f"did:plc:move{n:02}" for n in range(20)}


LETTERS = st.sampled_from(["a", "b", "A", "_", "%", "*", "\0", "\x7f", "é", "\ud7ff", "\ue000", "\uffff", "\U0010ffff"])
TEXTS = st.text(LETTERS, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    uris=st.lists(TEXTS, min_size=1, max_size=20),
    exact=st.lists(TEXTS, max_size=3),
    prefixes=st.lists(TEXTS, max_size=3),
    expires_s=st.lists(st.integers(-2, 2), min_size=20, max_size=20),
    after=st.integers(-1, 21),
    limit=st.integers(0, 21),
)
def test_sqlite_finds_what_memory_finds(
    uris: list[str], exact: list[str], prefixes: list[str], expires_s: list[int], after: int, limit: int
) -> None:
    """Whatever the uris and patterns, at every edge of the order of bytes."""

    def entry(uri: str, expires: int) -> Entry:
        exp = (NOW + timedelta(seconds=expires)).isoformat() if expires else None
        label = Label("did:web:l.example", uri, "mail-throttled", "2026-01-01T00:00:00Z", exp=exp, sig=bytes(64))
        return Entry(replace(label, neg=True if expires == 2 else None), "did:key:z", b"", "", "", "")

    entries = [entry(*each) for each in zip(uris, expires_s, strict=False)]
    query = asking(*exact, prefixes=tuple(prefixes), after=after, limit=limit)

    async def both() -> None:
        reference = MemoryLabelLog()
        with TemporaryDirectory() as folder:
            async with SqliteLabelLog(Path(folder) / "labels.sqlite") as log:
                await add(log, *entries)
                await add(reference, *entries)
                assert await log.find(query) == await reference.find(query)

    asyncio.run(both())
