"""The embedded default: both logs in SQLite, one file each."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Self

import aiosqlite
import msgspec

from labeler.adapters.seq_mark import SeqMark
from labeler.adapters.sqlite_file import BUSY_TIMEOUT_S, Schema, SqliteFile
from labeler.atproto import cbor
from labeler.atproto.label import sign_label
from labeler.errors import Corrupt
from labeler.moderation.audit import AuditEntry, Head, Kept, Link, Unchained, begin_entry, chained, head_of
from labeler.ports import Bounds, Entry, LabelQuery, Resigned, Sequenced, Signer
from labeler.reputation.inputs import Input, decode_input, encode_input

TELEMETRY = Schema("telemetry", "telemetry log", 0x4D524C54)  # "MRLT"
LABELS = Schema("labels", "label log", 0x4D524C4C)  # "MRLL"

MAX_INTEGER = 2**63 - 1  # SQLite's largest; positions and cursors beyond it are simply after everything

FEW = 10_000
"""Up to this many matches are looked up by uri and sorted, a few milliseconds; more are found by walking in order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABOVE_ALL_TEXT = b""  # SQLite orders every BLOB after every TEXT (datatype3 §4.1)


class SqliteTelemetryLog:
    """`TelemetryLog` in one file: a row a record. With `read_only` it may stand beside the process that writes it."""

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, read_only: bool = False) -> None:
        self._file = SqliteFile(path, TELEMETRY, busy_timeout_s=busy_timeout_s, read_only=read_only)
        self._sql = TELEMETRY.queries()

    async def __aenter__(self) -> Self:
        await self._file.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._file.__aexit__()

    async def append(self, records: Sequence[Input]) -> int:
        """Write all records in one transaction; return the position of the last."""
        bodies = [encode_input(record) for record in records]
        async with self._file.transaction() as writer:
            [(head,)] = await writer.execute_fetchall(self._sql["head"])
            if bodies:
                await writer.executemany(self._sql["insert_record"], enumerate(bodies, head + 1))
                await writer.execute_fetchall(self._sql["move_head"], (head + len(bodies),))
        return int(head) + len(bodies)

    async def read(self, after: int, limit: int) -> Sequence[tuple[int, Input]]:
        """Return up to `limit` records with position > `after`; a hole between two of them is `Corrupt`."""
        rows = await self._file.fetch(self._sql["read"], (min(after, MAX_INTEGER), limit))
        if rows and rows[-1][0] - rows[0][0] != len(rows) - 1:
            raise Corrupt(f"{self._file.path}: records are missing between {rows[0][0]} and {rows[-1][0]}")
        return [(position, self._decode(position, body)) for position, body in rows]

    async def head(self) -> int:
        """Return the newest position ever given."""
        [(head,)] = await self._file.fetch(self._sql["head"])
        return int(head)

    async def trim(self, before: int) -> None:
        """Forget records with position < `before`."""
        async with self._file.transaction() as writer:
            await writer.execute_fetchall(self._sql["trim"], (min(before, MAX_INTEGER),))

    def _decode(self, position: int, body: bytes) -> Input:
        try:
            return decode_input(body)
        except (msgspec.DecodeError, TypeError) as error:
            raise Corrupt(f"{self._file.path}: record {position} cannot be read: {error}") from error


class SqliteLabelLog:
    """`LabelLog` in one file. What a label replaces is moved aside by the trigger in the schema.

    With `read_only` it may stand beside the process that writes it.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, read_only: bool = False) -> None:
        self._file = SqliteFile(path, LABELS, busy_timeout_s=busy_timeout_s, read_only=read_only)
        self._sql = LABELS.queries()
        self._mark = SeqMark(path.with_suffix(".seq"))
        self._read_only = read_only

    async def __aenter__(self) -> Self:
        if self._read_only:
            await self._file.__aenter__()
            return self
        self._mark.load()
        await self._file.__aenter__()
        head = (await self.bounds()).head
        resumed = self._mark.resume(head)
        if resumed != head:  # the log was wiped, or an old copy of it was put back
            async with self._file.transaction() as writer:
                await writer.execute_fetchall(self._sql["raise_head"], (resumed,))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._file.__aexit__()

    async def append(
        self, entries: Sequence[Entry], *, expected: int, checkpoint: int, audit: Sequence[AuditEntry] = ()
    ) -> list[int]:
        """Write seq, labels, evidence, the audit chain and the checkpoint in one transaction; return the seqs."""
        async with self._file.transaction() as writer:
            [(_, head, found)] = await writer.execute_fetchall(self._sql["bounds"])
            if found != expected:
                raise Corrupt(f"{self._file.path}: checkpoint is {found}, expected {expected}: another writer was here")
            placed = list(enumerate(entries, head + 1))
            if placed and placed[-1][0] > self._mark.value:
                await asyncio.to_thread(self._mark.cover, placed[-1][0])
            await writer.execute_fetchall(self._sql["move"], (head + len(placed), checkpoint))
            if placed:
                await writer.executemany(self._sql["note_key"], {(each.key_id,) for each in entries})
                await writer.executemany(self._sql["insert_label"], [_label_row(*each) for each in placed])
                await writer.executemany(
                    self._sql["insert_evidence"], [(seq, each.evidence_cid, each.evidence) for seq, each in placed]
                )
            noted = [*chain.from_iterable(each.noted(seq) for seq, each in placed), *audit]
            if noted:
                await self._lengthen(writer, noted, head, found)
        return [seq for seq, _ in placed]

    async def read(self, after: int, limit: int) -> Sequence[Sequenced]:
        """Return up to `limit` labels with seq > `after`, ascending."""
        return [Sequenced(*row) for row in await self._file.fetch(self._sql["read"], (min(after, MAX_INTEGER), limit))]

    async def bounds(self) -> Bounds:
        """Return floor, head and checkpoint."""
        [row] = await self._file.fetch(self._sql["bounds"])
        return Bounds(*row)

    async def find(self, query: LabelQuery) -> Sequence[Sequenced]:
        """Return labels matching `query`, ascending by seq."""
        ranges = list(_ranges(query))
        if not ranges:
            return []
        asked = ", ".join(["(?, ?)"] * len(ranges))
        bounds = [bound for each in ranges for bound in each]
        sql = self._sql["find_many" if await self._matches_many(query, asked, bounds) else "find_few"]
        rest = (min(query.after, MAX_INTEGER), _microseconds(query.now), query.limit)
        rows = await self._file.fetch(sql.format(asked=asked), (*bounds, *rest))
        return [Sequenced(*row) for row in rows]

    async def evidence(self, seq: int) -> bytes | None:
        """Return the evidence record behind `seq`, or None."""
        rows = await self._file.fetch(self._sql["evidence"], (min(seq, MAX_INTEGER),))
        return rows[0][0] if rows else None

    async def prune(self, before: int) -> None:
        """Forget labels with seq < `before` and move the floor, in one transaction."""
        async with self._file.transaction() as writer:
            for name in ("prune_labels", "prune_superseded", "move_floor"):
                await writer.execute_fetchall(self._sql[name], (min(before, MAX_INTEGER),))

    async def keys(self) -> frozenset[str]:
        """Return the key_ids noted for current labels."""
        return frozenset(key_id for (key_id,) in await self._file.fetch(self._sql["keys"]))

    async def resign(self, signer: Signer, src: str, after: int, limit: int) -> Resigned:
        """Sign anew up to `limit` labels that another key signed, in one transaction."""
        async with self._file.transaction() as writer:
            [(_, head, _)] = await writer.execute_fetchall(self._sql["bounds"])
            found = list(
                await writer.execute_fetchall(
                    self._sql["stale"], (min(after, MAX_INTEGER), src, signer.key_id, limit + 1)
                )
            )
            stale, done = found[:limit], len(found) <= limit
            rows = []
            for seq, body in stale:
                label = sign_label(replace(Sequenced(seq, body).label, sig=None), signer)
                rows.append((label.sig, signer.key_id, label.to_bytes(), seq))
            await writer.executemany(self._sql["replace_signature"], rows)
            if rows:
                await writer.executemany(self._sql["note_key"], [(signer.key_id,)])
            if done and after <= 0:  # the whole log was looked through
                await writer.execute_fetchall(self._sql["forget_keys"], (signer.key_id,))
        return Resigned(len(stale), int(head if done else stale[-1][0]), done)

    async def audit(self, after: int, limit: int, about: str | None = None) -> Sequence[Link]:
        """Return up to `limit` entries behind number `after`, all or those `about` one."""
        start = min(after, MAX_INTEGER)
        if about is None:
            return [Link(*row) for row in await self._file.fetch(self._sql["audit"], (start, limit))]
        if not _is_storable(about):
            return []
        return [Link(*row) for row in await self._file.fetch(self._sql["audit_about"], (about, start, limit))]

    async def audit_head(self) -> Head:
        """Return the head of the chain."""
        return _head(await self._file.fetch(self._sql["audit_head"]))

    async def unchained(self) -> Unchained:
        """Return how many rows of the old table there are, and a digest over them."""
        return await self._digest(self._file.fetch)

    async def kept(self, after: int, limit: int) -> Sequence[Kept]:
        """Return what is left of up to `limit` labels behind `after`."""
        start = min(after, MAX_INTEGER)
        return [Kept(*row) for row in await self._file.fetch(self._sql["kept"], (start, start, start, limit))]

    async def _lengthen(self, writer: aiosqlite.Connection, noted: list[AuditEntry], seq: int, checkpoint: int) -> None:
        """Write `noted` behind the chain; the first of all behind a `begin` at `seq` and `checkpoint`."""
        head = _head(await writer.execute_fetchall(self._sql["audit_head"]))
        if head.n == 0:
            noted.insert(0, begin_entry(noted[0].at, seq, checkpoint, await self._digest(writer.execute_fetchall)))
        await writer.executemany(self._sql["insert_link"], chained(head, noted))

    async def _digest(self, fetch: "Callable[[str, tuple[int, int]], Awaitable[Iterable[Any]]]") -> Unchained:
        rows, last, digest = 0, 0, hashlib.sha256()
        while page := list(await fetch(self._sql["old_audit"], (last, FEW))):
            rows, last = rows + len(page), page[-1][0]
            digest.update(b"".join(map(cbor.encode, page)))
        return Unchained(rows, digest.digest())

    async def _matches_many(self, query: LabelQuery, asked: str, bounds: list[str | bytes]) -> bool:
        if not query.prefixes or "" in query.prefixes:
            return "" in query.prefixes
        [(matches,)] = await self._file.fetch(self._sql["count_asked"].format(asked=asked), (*bounds, FEW + 1))
        return bool(matches > FEW)


def _head(rows: Iterable[Any]) -> Head:
    return head_of(next((Link(*row) for row in rows), None))


def _label_row(seq: int, entry: Entry) -> tuple[object, ...]:
    label = entry.label
    expires = None if label.neg else label.expires  # a negation stays for good
    if label.sig is None:
        raise Corrupt(f"label {label.val} on {label.uri} reached the log unsigned")
    return (
        seq,
        label.src,
        label.uri,
        label.cid or "",
        label.val,
        label.neg,
        label.cts,
        label.exp,
        label.ver,
        label.sig,
        entry.key_id,
        None if expires is None else _microseconds(expires),
        label.to_bytes(),
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _ranges(query: LabelQuery) -> Iterator[tuple[str, str | bytes]]:
    """Turn patterns into half-open ranges of uris in byte order. Nothing stored can equal what is not valid UTF-8."""
    for uri in filter(_is_storable, query.exact):
        yield uri, uri + "\0"  # the very next string
    for prefix in filter(_is_storable, query.prefixes):
        yield prefix, _after_prefix(prefix)


def _is_storable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _after_prefix(prefix: str) -> str | bytes:
    """Return the smallest text that is greater than every text beginning with `prefix`.

    UTF-8 orders by code point, so it is `prefix` with its last code point raised by one; U+10FFFF cannot be raised
    and gives way to the one before.
    """
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return _ABOVE_ALL_TEXT
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters
