"""What is particular to the SQLite logs: failures of the disk, what lies in the file, and how it is found."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.adapters import sqlite
from labeler.adapters.sqlite import LABELS, SqliteLabelLog, SqliteTelemetryLog, _after_prefix
from labeler.adapters.sqlite_file import Schema, SqliteFile
from labeler.atproto import cbor
from labeler.errors import Corrupt, Unavailable
from labeler.moderation.audit import Unchained, begin_entry
from labeler.ports import Bounds, Entry, LabelQuery
from labeler.reputation.inputs import PolicyActivated, Tick, encode_input

MakeEntry = Callable[..., Entry]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LARGE = PolicyActivated(received=NOW, text="#" * 1_000_000)


async def pragma(file: SqliteFile, text: str) -> None:
    async with file.transaction() as writer:
        await writer.execute_fetchall(f"PRAGMA {text}")


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


async def test_a_full_disk_keeps_records_out_and_the_log_usable(tmp_path: Path) -> None:
    async with SqliteTelemetryLog(tmp_path / "telemetry.sqlite") as log:
        await log.append([Tick(NOW)])
        await pragma(log._file, "max_page_count = 20")
        with pytest.raises(Unavailable, match="SQLITE_FULL"):
            await log.append([Tick(NOW), LARGE, Tick(NOW)])
        assert await log.head() == 1
        assert await log.append([Tick(NOW)]) == 2
        await pragma(log._file, "max_page_count = 100000")
        assert await log.append([LARGE]) == 3
        assert [position for position, _ in await log.read(0, 10)] == [1, 2, 3]


async def test_a_full_disk_keeps_labels_out_and_the_log_usable(tmp_path: Path, entry: MakeEntry) -> None:
    """Even the supersession that came before the failing row is undone."""
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        await log.append([entry()], expected=0, checkpoint=1)
        await pragma(log._file, "max_page_count = 20")
        with pytest.raises(Unavailable, match="SQLITE_FULL"):
            await log.append([entry(neg=True), entry("did:plc:b", evidence=bytes(10**6))], expected=1, checkpoint=2)
        assert await log.bounds() == Bounds(floor=0, head=1, checkpoint=1)
        assert [(row.seq, row.label.neg) for row in await log.read(0, 10)] == [(1, None)]
        assert await log.evidence(2) is None
        await pragma(log._file, "max_page_count = 100000")
        assert await log.append([entry(neg=True)], expected=1, checkpoint=2) == [2]


async def test_a_disk_that_turns_read_only_is_unavailable_until_it_is_not(tmp_path: Path, entry: MakeEntry) -> None:
    async with (
        SqliteTelemetryLog(tmp_path / "telemetry.sqlite") as telemetry,
        SqliteLabelLog(tmp_path / "labels.sqlite") as labels,
    ):
        await labels._file._writer.execute_fetchall("PRAGMA query_only = ON")
        await telemetry._file._writer.execute_fetchall("PRAGMA query_only = ON")
        with pytest.raises(Unavailable, match="SQLITE_READONLY"):
            await labels.append([entry()], expected=0, checkpoint=1)
        with pytest.raises(Unavailable, match="SQLITE_READONLY"):
            await telemetry.append([Tick(NOW)])
        with pytest.raises(Unavailable, match="SQLITE_READONLY"):
            await telemetry.trim(1)
        await labels._file._writer.execute_fetchall("PRAGMA query_only = OFF")
        await telemetry._file._writer.execute_fetchall("PRAGMA query_only = OFF")
        assert await labels.append([entry()], expected=0, checkpoint=1) == [1]
        assert await telemetry.append([Tick(NOW)]) == 1


async def test_a_log_locked_by_another_program_is_unavailable_until_it_is_not(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    async with SqliteLabelLog(path, busy_timeout_s=0.02) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="SQLITE_BUSY"):
            await log.append([entry()], expected=0, checkpoint=1)
        assert await log.bounds() == Bounds(0, 0, 0)
        other.execute("ROLLBACK")
        other.close()
        assert await log.append([entry()], expected=0, checkpoint=1) == [1]


async def test_a_hole_in_the_journal_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite"
    async with SqliteTelemetryLog(path) as log:
        await log.append([Tick(NOW)] * 5)
        async with log._file.transaction() as writer:
            await writer.execute("DELETE FROM record WHERE position = 3")
        with pytest.raises(Corrupt, match="records are missing between 1 and 5"):
            await log.read(0, 10)
        assert [position for position, _ in await log.read(3, 10)] == [4, 5]


@pytest.mark.parametrize("body", [b"\xc1", b"", msgspec.msgpack.encode({"type": "unheard-of"}), b"[1]"])
async def test_a_record_that_cannot_be_read_is_corrupt(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "telemetry.sqlite"
    async with SqliteTelemetryLog(path) as log:
        await log.append([Tick(NOW)] * 2)
        async with log._file.transaction() as writer:
            await writer.execute("UPDATE record SET body = ? WHERE position = 2", (body,))
        with pytest.raises(Corrupt, match=f"{path}: record 2 cannot be read"):
            await log.read(0, 10)


async def test_a_label_that_cannot_be_read_is_corrupt(tmp_path: Path, entry: MakeEntry) -> None:
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        await log.append([entry()], expected=0, checkpoint=1)
        async with log._file.transaction() as writer:
            await writer.execute("UPDATE label SET body = substr(body, 2)")
        [row] = await log.read(0, 10)
        with pytest.raises(Corrupt, match="label 1 in the log"):
            _ = row.label


async def test_a_batch_is_one_row_however_many_events_it_carries(tmp_path: Path) -> None:
    async with SqliteTelemetryLog(tmp_path / "telemetry.sqlite") as log:
        await log.append([LARGE, Tick(NOW)])
    assert rows(tmp_path / "telemetry.sqlite", "SELECT body FROM record") == [
        (encode_input(LARGE),),
        (encode_input(Tick(NOW)),),
    ]


async def test_the_label_table_holds_the_fields_as_signed(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    written = entry()
    async with SqliteLabelLog(path) as log:
        await log.append([written], expected=0, checkpoint=1)
    label = written.label
    assert rows(path, "SELECT src, uri, cid, val, neg, cts, exp, ver, sig, key_id, body FROM label") == [
        (label.src, label.uri, "", label.val, None, label.cts, None, 1, label.sig, written.key_id, label.to_bytes())
    ]


async def test_the_audit_chain_cannot_be_edited(tmp_path: Path, entry: MakeEntry) -> None:
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        await log.append([entry(), entry(neg=True)], expected=0, checkpoint=3)
        before = await log.audit(0, 10)
        for statement in (
            "UPDATE chain SET about = 'nobody'",
            "DELETE FROM chain WHERE n = 3",
            "INSERT INTO chain SELECT 5, about, entry, hash FROM chain WHERE n = 1",
            "INSERT OR REPLACE INTO chain SELECT 2, about, entry, hash FROM chain WHERE n = 1",
        ):
            with pytest.raises(Corrupt, match="audit entries"):
                async with log._file.transaction() as writer:
                    await writer.execute(statement)
        assert await log.audit(0, 10) == before


async def test_a_log_of_before_the_chain_goes_on_with_one_that_states_its_audit_rows(
    tmp_path: Path, entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / "labels.sqlite", LABELS.migrations()[:2]
    with monkeypatch.context() as patched:
        patched.setattr(Schema, "migrations", lambda _: old)
        async with SqliteFile(path, LABELS):
            pass
    noted = [[1, 1, 3, "rule:test", "because", "bafy1"], [2, 2, 8, "rule:test", "because", "bafy2"]]
    with sqlite3.connect(path) as database:
        database.execute("UPDATE log_state SET head = 2, checkpoint = 8")
        database.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", noted)
    database.close()
    monkeypatch.setattr(sqlite, "FEW", 1)
    before = Unchained(2, hashlib.sha256(b"".join(map(cbor.encode, noted))).digest())
    async with SqliteLabelLog(path) as log:
        assert await log.unchained() == before
        assert await log.append([entry()], expected=8, checkpoint=9) == [3]
        begin, label = await log.audit(0, 10)
        assert begin.entry == begin_entry(label.entry.at, 2, 8, before)
        for statement in ("UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(Corrupt, match="audit rows"):
                async with log._file.transaction() as writer:
                    await writer.execute(statement)


async def test_read_only_it_stands_beside_the_writer_and_writes_nothing(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    async with SqliteLabelLog(path) as log:
        await log.append([entry()], expected=0, checkpoint=1)
        async with SqliteLabelLog(path, read_only=True) as beside:
            await log.append([entry("did:plc:b")], expected=1, checkpoint=2)
            assert await beside.bounds() == Bounds(0, 2, 2)
            with pytest.raises(Unavailable, match="SQLITE_READONLY"):
                await beside.append([entry()], expected=2, checkpoint=3)
    with pytest.raises(Unavailable, match="No such file"):
        async with SqliteTelemetryLog(tmp_path / "telemetry.sqlite", read_only=True):
            pass
    assert not (tmp_path / "telemetry.sqlite").exists()


async def test_a_superseded_label_is_kept_with_its_successor(tmp_path: Path, entry: MakeEntry) -> None:
    path = tmp_path / "labels.sqlite"
    first = entry()
    async with SqliteLabelLog(path) as log:
        await log.append([first], expected=0, checkpoint=1)
        await log.append([entry("did:plc:b"), entry(neg=True)], expected=1, checkpoint=2)
    assert rows(path, "SELECT * FROM superseded") == [(1, 3, first.key_id, first.label.to_bytes())]


async def test_the_last_seq_of_the_wire_is_the_last_seq(tmp_path: Path, entry: MakeEntry) -> None:
    """Row 137: 2^53 - 1 at most; beyond that we stop rather than publish."""
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        async with log._file.transaction() as writer:
            await writer.execute("UPDATE log_state SET head = 9007199254740990")
        assert await log.append([entry()], expected=0, checkpoint=1) == [9007199254740991]
        with pytest.raises(Corrupt, match="CHECK constraint"):
            await log.append([entry("did:plc:b")], expected=1, checkpoint=2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read", ["SEARCH label USING INTEGER PRIMARY KEY (rowid>?)"]),
        ("find_many", ["SEARCH label USING INTEGER PRIMARY KEY (rowid>?)"]),
        (
            "find_few",
            [
                "SEARCH label USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH label USING COVERING INDEX label_identity (uri>? AND uri<?)",
            ],
        ),
        ("count_asked", ["SEARCH label USING COVERING INDEX label_identity (uri>? AND uri<?)"]),
        ("audit", ["SEARCH chain USING INTEGER PRIMARY KEY (rowid>?)"]),
        ("audit_about", ["SEARCH chain USING INDEX chain_about (about=? AND rowid>?)"]),
        ("audit_head", ["SCAN chain"]),
    ],
)
async def test_no_query_reads_the_whole_table(tmp_path: Path, name: str, expected: list[str]) -> None:
    sql = LABELS.queries()[name].format(asked="(?, ?), (?, ?)")
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        plan = await log._file.fetch("EXPLAIN QUERY PLAN " + sql, ("",) * sql.count("?"))
    steps = [detail for *_, detail in plan if " label" in detail or " chain" in detail]
    assert steps == expected
    assert not any("TEMP B-TREE" in detail for *_, detail in plan)


@pytest.mark.parametrize(
    ("exact", "prefixes", "many"),
    [
        (["did:plc:a1", "did:plc:a2", "did:plc:a3", "did:plc:b1"], [], False),
        ([], ["did:plc:a"], False),
        ([], ["did:plc:"], True),
        (["did:plc:b1"], ["did:plc:a"], True),
        ([], [""], True),
    ],
)
async def test_large_results_are_walked_in_order_small_ones_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: MakeEntry, exact: list[str], prefixes: list[str], many: bool
) -> None:
    """Either way round the answer would be the same, and slow."""
    monkeypatch.setattr(sqlite, "FEW", 3)
    asked: list[str] = []
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        uris = ["did:plc:a1", "did:plc:a2", "did:plc:a3", "did:plc:b1"]
        await log.append([entry(uri) for uri in uris], expected=0, checkpoint=1)
        await log._file._reader.set_trace_callback(asked.append)
        await log.find(LabelQuery(tuple(exact), tuple(prefixes), 0, 10, NOW))
        await log._file._reader.set_trace_callback(lambda _: None)
    assert ("EXISTS" in asked[-1]) is many


async def test_a_cursor_beyond_every_integer_finds_nothing(tmp_path: Path, entry: MakeEntry) -> None:
    async with SqliteLabelLog(tmp_path / "labels.sqlite") as log:
        await log.append([entry()], expected=0, checkpoint=1)
        assert await log.find(LabelQuery(("did:plc:alice",), (), 10**30, 10, NOW)) == []


@given(prefix=st.text(max_size=4), rest=st.text(max_size=4), other=st.text(max_size=6))
def test_the_bound_after_a_prefix_is_exact(prefix: str, rest: str, other: str) -> None:
    after = _after_prefix(prefix)
    for text in (prefix + rest, prefix + "\U0010ffff" * 3 + rest, other, prefix[:-1] + other):
        below = isinstance(after, bytes) or text.encode() < after.encode()
        assert (prefix.encode() <= text.encode() and below) == text.startswith(prefix)


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        ("", b""),
        ("\U0010ffff\U0010ffff", b""),
        ("a\U0010ffff", "b"),
        ("\x7f", "\x80"),
        ("\ud7ff", "\ue000"),
        ("did:", "did;"),
    ],
)
def test_the_bound_after_a_prefix_at_the_edges(prefix: str, after: str | bytes) -> None:
    assert _after_prefix(prefix) == after


WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from labeler.adapters import sqlite
from labeler.adapters.sqlite import SqliteTelemetryLog
from labeler.reputation.inputs import Tick

async def main() -> None:
    async with SqliteTelemetryLog(Path(sys.argv[1])) as log:
        while True:
            print(await log.append([Tick(datetime(2026, 1, 1, tzinfo=UTC))] * 3), flush=True)

asyncio.run(main())
"""


def acknowledged_by_a_killed_writer(path: Path) -> int:
    """Run a writer, kill it while it writes, and return the last position it was given."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    lines += process.communicate()[0].splitlines()
    return int(lines[-1])


async def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite"
    acknowledged = acknowledged_by_a_killed_writer(path)
    async with SqliteTelemetryLog(path) as log:
        head = await log.head()
        assert head >= acknowledged
        assert head % 3 == 0
        assert [position for position, _ in await log.read(0, 10**6)] == list(range(1, head + 1))
