"""How a database file is recognised, refused, migrated and written."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from labeler.adapters.sqlite import LABELS, TELEMETRY
from labeler.adapters.sqlite_file import Schema, SqliteFile
from labeler.errors import Corrupt, Misconfigured, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.sqlite"


async def made(path: Path, schema: Schema = LABELS) -> Path:
    """Make a sound file and close it."""
    async with SqliteFile(path, schema):
        pass
    return path


async def refusal(path: Path, kind: type[Exception], schema: Schema = LABELS) -> str:
    """Return why `path` is refused; it must not have been touched."""
    before = contents(path)
    with pytest.raises(kind) as refused:
        await made(path, schema)
    assert contents(path) == before
    assert str(path) in str(refused.value)
    return str(refused.value)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("schema", [LABELS, TELEMETRY])
async def test_a_new_file_carries_its_kind_and_version(path: Path, schema: Schema) -> None:
    async with SqliteFile(path, schema) as file:
        assert await file.fetch("PRAGMA application_id") == [(schema.application_id,)]
        assert await file.fetch("PRAGMA user_version") == [(len(schema.migrations()),)]


async def test_committed_means_on_the_disk(path: Path) -> None:
    """WAL with synchronous=FULL (2): a commit waits for the disk."""
    async with SqliteFile(path, LABELS) as file:
        assert await file.fetch("PRAGMA journal_mode") == [("wal",)]
        async with file.transaction() as writer:
            assert list(await writer.execute_fetchall("PRAGMA synchronous")) == [(2,)]


async def test_nobody_else_may_read_the_files(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file:
        async with file.transaction() as writer:
            await writer.execute("UPDATE log_state SET checkpoint = 1")
        modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    assert modes == {"labels.sqlite": 0o600, "labels.sqlite-wal": 0o600, "labels.sqlite-shm": 0o600}


async def test_a_foreign_file_is_refused_by_name(path: Path) -> None:
    run(path, "CREATE TABLE recipes (name TEXT)")
    text = await refusal(path, Misconfigured)
    assert "not a label log" in text
    assert "data_dir" in text


async def test_a_file_of_another_program_is_refused_even_when_empty(path: Path) -> None:
    run(path, "PRAGMA application_id = 252006673")
    assert "0xf055111" in await refusal(path, Misconfigured)


async def test_the_two_logs_are_not_taken_for_each_other(path: Path) -> None:
    await made(path, TELEMETRY)
    assert "not a label log" in await refusal(path, Misconfigured)


async def test_a_newer_schema_is_refused_with_both_versions_and_the_fix(path: Path) -> None:
    run(await made(path), "PRAGMA user_version = 99")
    text = await refusal(path, Misconfigured)
    assert f"schema version 99 found, this program supports up to {len(LABELS.migrations())}" in text
    assert "restore a backup" in text


async def test_what_is_no_database_is_corrupt(path: Path) -> None:
    overwrite(path, b"not a database, however long it goes on " * 200)
    assert "SQLITE_NOTADB" in await refusal(path, Corrupt)


async def test_a_truncated_file_is_corrupt(path: Path) -> None:
    overwrite(path, contents(await made(path))[:-8192])
    assert "SQLITE_CORRUPT" in await refusal(path, Corrupt)


async def test_a_half_overwritten_file_is_corrupt(path: Path) -> None:
    raw = contents(await made(path))
    overwrite(path, raw[:4096] + b"\xaa" * (len(raw) - 4096))
    assert "SQLITE_CORRUPT" in await refusal(path, Corrupt)


@pytest.mark.parametrize("schema", [LABELS, TELEMETRY])
async def test_a_file_without_its_state_is_corrupt(path: Path, schema: Schema) -> None:
    run(await made(path, schema), "DELETE FROM log_state")
    assert "log_state has no row" in await refusal(path, Corrupt, schema)


async def test_a_label_beyond_the_head_is_corrupt(path: Path) -> None:
    run(await made(path), "INSERT INTO superseded VALUES (6, 7, 'did:key:z', x'00')")
    assert "the newest label is 6, the recorded head 0" in await refusal(path, Corrupt)


@pytest.mark.parametrize("position", [1, 3])
async def test_a_newest_record_beside_the_head_is_corrupt(path: Path, position: int) -> None:
    run(await made(path, TELEMETRY), "UPDATE log_state SET head = 2", f"INSERT INTO record VALUES ({position}, x'00')")
    assert f"the newest record is {position}, the recorded head 2" in await refusal(path, Corrupt, TELEMETRY)


async def test_a_table_that_vanished_is_corrupt(path: Path) -> None:
    run(await made(path), "DROP TABLE superseded")
    assert "no such table" in await refusal(path, Corrupt)


async def test_a_first_start_cut_short_is_taken_up_again(path: Path) -> None:
    """Between the switch to WAL and the first migration the file is there, and empty."""
    run(path, "PRAGMA journal_mode = WAL")
    assert contents(path)
    await made(path)


@pytest.mark.parametrize("where", ["absent/labels.sqlite", "."])
async def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path, where: str) -> None:
    with pytest.raises(Unavailable, match=str(tmp_path)):
        await made(tmp_path / where)


async def test_a_disk_without_a_write_ahead_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragma = SqliteFile._pragma

    async def stubborn(self: SqliteFile, name: str) -> object:
        return "delete" if name.startswith("journal_mode") else await pragma(self, name)

    monkeypatch.setattr(SqliteFile, "_pragma", stubborn)
    with pytest.raises(Misconfigured, match="local disk"):
        await made(path)


async def test_an_older_schema_is_carried_forward_with_its_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(await made(path), "UPDATE log_state SET checkpoint = 17")
    scripts = [
        *LABELS.migrations(),
        "ALTER TABLE log_state ADD COLUMN epoch INTEGER;\nUPDATE log_state SET epoch = 5;\n",
    ]
    monkeypatch.setattr(Schema, "migrations", lambda _: scripts)
    async with SqliteFile(path, LABELS) as file:
        assert await file.fetch("SELECT checkpoint, epoch FROM log_state") == [(17, 5)]
        assert await file.fetch("PRAGMA user_version") == [(len(scripts),)]


async def test_read_only_nothing_is_carried_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(path)
    scripts = [*LABELS.migrations(), "ALTER TABLE log_state ADD COLUMN epoch INTEGER;\n"]
    monkeypatch.setattr(Schema, "migrations", lambda _: scripts)
    before = contents(path)
    with pytest.raises(Misconfigured, match="start the labeler once"):
        async with SqliteFile(path, LABELS, read_only=True):
            pass
    assert contents(path) == before


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(path)
    scripts = [*LABELS.migrations(), "DROP TABLE evidence;\nDROP TABLE nowhere;\n"]
    with monkeypatch.context() as patched:
        patched.setattr(Schema, "migrations", lambda _: scripts)
        with pytest.raises(Corrupt, match="nowhere"):
            await made(path)
    async with SqliteFile(path, LABELS) as file:
        assert await file.fetch("PRAGMA user_version") == [(len(scripts) - 1,)]
        assert await file.fetch("SELECT count(*) FROM evidence") == [(0,)]


@pytest.mark.row(84)
async def test_a_log_of_the_first_version_knows_its_keys_after_the_update(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = LABELS.migrations()[:1]
    with monkeypatch.context() as patched:
        patched.setattr(Schema, "migrations", lambda _: first)
        await made(path)
    columns = "INSERT INTO label (seq, src, uri, cid, val, cts, ver, sig, key_id, body) VALUES "
    rows = [(1, "a", "did:key:zOld"), (2, "b", "did:key:zOld"), (3, "c", "did:key:zNew")]
    run(
        path,
        columns + ", ".join(f"({seq}, 's', '{uri}', '', 'v', 't', 1, x'', '{key}', x'')" for seq, uri, key in rows),
    )
    run(path, "UPDATE log_state SET head = 3")
    async with SqliteFile(path, LABELS) as file:
        assert sorted(await file.fetch("SELECT key_id FROM signing_key")) == [("did:key:zNew",), ("did:key:zOld",)]


@pytest.mark.parametrize("schema", [LABELS, TELEMETRY])
def test_migrations_are_numbered_without_a_gap(schema: Schema) -> None:
    names = sorted(found.name for found in schema._sql.iterdir() if found.name != "queries.sql")
    assert [int(name[:4]) for name in names] == list(range(1, len(schema.migrations()) + 1))


async def test_whatever_is_raised_inside_a_transaction_undoes_it(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file:

        async def fail() -> None:
            async with file.transaction() as writer:
                await writer.execute("UPDATE log_state SET checkpoint = 5")
                _ = 1 / 0

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await file.fetch("SELECT checkpoint FROM log_state") == [(0,)]


async def test_a_cancelled_transaction_is_undone_and_the_next_one_works(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file:
        inside = asyncio.Event()

        async def stuck() -> None:
            async with file.transaction() as writer:
                await writer.execute("UPDATE log_state SET checkpoint = 5")
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stuck())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with file.transaction() as writer:
            await writer.execute("UPDATE log_state SET floor = 0")
        assert await file.fetch("SELECT checkpoint FROM log_state") == [(0,)]


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_any_step_a_transaction_is_whole_or_absent(path: Path, steps: int) -> None:
    async with SqliteFile(path, LABELS) as file:

        async def both() -> None:
            async with file.transaction() as writer:
                await writer.execute("UPDATE log_state SET head = 5")
                await writer.execute("UPDATE log_state SET checkpoint = 5")

        task = asyncio.create_task(both())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with file.transaction() as writer:
            [(head, checkpoint)] = await writer.execute_fetchall("SELECT head, checkpoint FROM log_state")
        assert head == checkpoint


async def test_readers_do_not_wait_for_the_writer(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file, file.transaction() as writer:
        await writer.execute("UPDATE log_state SET checkpoint = 5")
        assert await file.fetch("SELECT checkpoint FROM log_state") == [(0,)]


async def test_the_reader_cannot_write(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file:
        with pytest.raises(Unavailable, match="SQLITE_READONLY"):
            await file.fetch("UPDATE log_state SET checkpoint = 5")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, Unavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Unavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, Unavailable),
        (sqlite3.SQLITE_CORRUPT_INDEX, Corrupt),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Corrupt),
    ],
)
async def test_extended_result_codes_are_blamed_as_their_primary_ones(
    path: Path, code: int, kind: type[Exception]
) -> None:
    error = sqlite3.OperationalError("simulated")
    error.sqlite_errorcode = code

    async def fail() -> None:
        async with file.transaction():
            raise error

    async with SqliteFile(path, LABELS) as file:
        with pytest.raises(kind, match="simulated"):
            await fail()


async def test_a_mistake_of_the_program_is_not_blamed_on_the_file(path: Path) -> None:
    async with SqliteFile(path, LABELS) as file:
        with pytest.raises(sqlite3.ProgrammingError):
            await file.fetch("SELECT ?", (1, 2))
