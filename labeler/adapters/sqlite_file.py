"""One SQLite file of ours: opened, recognised, migrated; a writer, a reader, and whose fault an error is.

Rule 1: nothing is changed in a file before it is known to be ours.
Rule 2: one writer connection, and a transaction holds it from BEGIN to the end. The reader is a connection of its own;
in WAL mode it never waits for the writer.
Rule 3: committed means on the disk (synchronous=FULL).
"""

import asyncio
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import aiosqlite

from labeler.errors import Corrupt, Misconfigured, Unavailable

BUSY_TIMEOUT_S = 5.0

_OUTSIDE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
"""Primary result codes that blame the disk or another process. The rest say that the file contradicts itself."""

_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: fsync alone leaves the data in the drive's cache
    "PRAGMA journal_size_limit = 67108864",  # bytes; gives a WAL that once grew back to the disk
)


class Schema(NamedTuple):
    """One kind of file: `folder` of its SQL, `what` for messages, `application_id` (SQLite file format §1.3)."""

    folder: str
    what: str
    application_id: int

    @property
    def _sql(self) -> Traversable:
        return resources.files("labeler.adapters") / "sql" / self.folder

    def migrations(self) -> list[str]:
        """Return the scripts in order; the first leads to schema version 1, the next to 2, …"""
        names = sorted(found.name for found in self._sql.iterdir() if re.match(r"\d{4}_", found.name))
        return [(self._sql / name).read_text("utf-8") for name in names]

    def queries(self) -> dict[str, str]:
        """Return the statements of `queries.sql` by the name above each."""
        _, *pairs = re.split(r"^-- name: (\w+)\n", (self._sql / "queries.sql").read_text("utf-8"), flags=re.MULTILINE)
        return dict(zip(pairs[::2], pairs[1::2], strict=True))


class SqliteFile:
    """An open database file. `async with`; raises `Misconfigured`, `Corrupt` or `Unavailable` on the way in.

    With `read_only` nothing is made, migrated or written, and a transaction is `Unavailable`.
    """

    def __init__(
        self, path: Path, schema: Schema, *, busy_timeout_s: float = BUSY_TIMEOUT_S, read_only: bool = False
    ) -> None:
        self.path = path
        self._schema = schema
        self._busy_timeout_s = busy_timeout_s
        self._read_only = read_only
        self._turn = asyncio.Lock()
        self._connections = AsyncExitStack()
        self._writer: aiosqlite.Connection
        self._reader: aiosqlite.Connection

    async def __aenter__(self) -> "SqliteFile":
        async with AsyncExitStack() as stack:
            with self._blame():
                await (self._open_to_read(stack) if self._read_only else self._open_to_write(stack))
                await self._check()
            self._connections = stack.pop_all()
        return self

    async def _open_to_write(self, stack: AsyncExitStack) -> None:
        # Evidence is for few eyes. SQLite gives its -wal and -shm files the mode of the main one.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._writer = await stack.enter_async_context(self._connect())
        version = await self._recognise()
        await self._use_wal()
        for pragma in _PRAGMAS:
            await self._writer.execute_fetchall(pragma)
        if version < len(self._schema.migrations()):
            await self._migrate()
        self._reader = await stack.enter_async_context(self._connect())
        await self._reader.execute_fetchall("PRAGMA query_only = ON")

    async def _open_to_read(self, stack: AsyncExitStack) -> None:
        os.close(os.open(self.path, os.O_RDONLY))  # says in plainer words than SQLite why it cannot be opened
        self._reader = self._writer = await stack.enter_async_context(self._connect())
        version, needed = await self._recognise(), len(self._schema.migrations())
        if version < needed:
            raise Misconfigured(
                f"{self.path}: schema version {version} found, {needed} is needed to read it; "
                "start the labeler once with this program version"
            )

    async def __aexit__(self, *_: object) -> None:
        with self._blame():
            await self._connections.aclose()

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of one SELECT, run on the reader, as tuples."""
        with self._blame():
            return list(await self._reader.execute_fetchall(sql, parameters))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend the writer for one transaction: all of it is durable afterwards, or none of it, whatever is raised.

        When the caller is cancelled, the statement under way still runs to its end, as does the roll-back queued
        behind it, before the next transaction begins: a connection works its queue in order.
        """
        async with self._turn:
            with self._blame():
                try:
                    await self._writer.execute_fetchall("BEGIN IMMEDIATE")
                    yield self._writer
                    await self._writer.commit()
                except BaseException:
                    await self._writer.rollback()
                    raise

    def _connect(self) -> aiosqlite.Connection:
        options: dict[str, Any] = {"timeout": self._busy_timeout_s, "isolation_level": None}
        if self._read_only:
            return aiosqlite.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, **options)
        return aiosqlite.connect(self.path, **options)

    async def _pragma(self, name: str) -> Any:
        [(value,)] = await self._writer.execute_fetchall(f"PRAGMA {name}")
        return value

    async def _recognise(self) -> int:
        """Return the schema version (0: the file is new), or refuse the file."""
        # The first statement that reads the file is also what finds a broken header or a truncated file.
        [(objects,)] = await self._writer.execute_fetchall("SELECT count(*) FROM sqlite_master")
        found, version = await self._pragma("application_id"), await self._pragma("user_version")
        supported = len(self._schema.migrations())
        if found != self._schema.application_id and (objects or found or version):
            raise Misconfigured(
                f"{self.path}: this SQLite file is not a {self._schema.what} (application_id {found:#x}, expected "
                f"{self._schema.application_id:#x}); move it away, or point data_dir at another folder"
            )
        if version > supported:
            raise Misconfigured(
                f"{self.path}: schema version {version} found, this program supports up to {supported}; "
                "start the program version that wrote it, or restore a backup made before the upgrade"
            )
        return int(version)

    async def _use_wal(self) -> None:
        mode = await self._pragma("journal_mode = WAL")
        if mode != "wal":
            raise Misconfigured(
                f"{self.path}: SQLite cannot use its write-ahead log here (journal_mode stays {mode}); "
                "put data_dir on a local disk"
            )

    async def _migrate(self) -> None:
        async with self.transaction() as writer:
            # Read inside the transaction: another process may have been first.
            version = await self._pragma("user_version")
            for script in self._schema.migrations()[version:]:
                for statement in _statements(script):
                    await writer.execute_fetchall(statement)
            await writer.execute_fetchall(f"PRAGMA application_id = {self._schema.application_id}")
            await writer.execute_fetchall(f"PRAGMA user_version = {len(self._schema.migrations())}")

    async def _check(self) -> None:
        # A few index look-ups. Reading every page (quick_check) takes minutes on a large file.
        contradictions = await self.fetch(self._schema.queries()["contradictions"])
        if contradictions:
            raise Corrupt(f"{self.path}: " + "; ".join(text for (text,) in contradictions))

    @contextmanager
    def _blame(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:
                raise  # the module itself was misused: a mistake in this program
            name = getattr(error, "sqlite_errorname", "")
            kind = Unavailable if code & 0xFF in _OUTSIDE else Corrupt  # the low byte is the primary code
            raise kind(f"{self.path}: {error} ({name})") from error
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}") from error


def _statements(script: str) -> Iterator[str]:
    """Split a script where statements end. `executescript` would commit first, and so break the transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
