"""Labels signed and appended durably, evidence and audit with them."""

import asyncio
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.report import Row, alternate, rate
from labeler.adapters.sqlite import SqliteLabelLog
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.ports import Entry

LABELS = 10_240
BATCH = 256
KEY = PrivateKey.from_hex("01" * 32)


def label(number: int) -> Label:
    """One unsigned label on a subject of its own."""
    return Label("did:web:labeler.example", f"did:plc:member{number}", "mail-throttled", "2026-11-02T00:00:00.000Z")


def entry(number: int) -> Entry:
    """Sign one label and put it with evidence of ordinary size."""
    return Entry(sign_label(label(number), KEY), KEY.public_key.did_key, b"e" * 400, "bafy", "rule", "reason")


async def fill(path: Path, count: int) -> None:
    """Sign and append `count` labels in batches of `BATCH`."""
    async with SqliteLabelLog(path) as log:
        for at in range(0, count, BATCH):
            await log.append([entry(number) for number in range(at, at + BATCH)], expected=0, checkpoint=0)


def bare(path: Path, count: int) -> None:
    """Sign, and insert the bytes into one table with one index, as durably."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE label(seq INTEGER PRIMARY KEY, uri TEXT, body BLOB)")
        database.execute("CREATE INDEX by_uri ON label(uri)")
        for at in range(0, count, BATCH):
            rows = []
            for number in range(at, at + BATCH):
                unsigned = label(number)
                signed = replace(unsigned, sig=KEY.sign(unsigned.unsigned_bytes()))
                rows.append((number + 1, unsigned.uri, signed.to_bytes()))
            database.executemany("INSERT INTO label VALUES (?,?,?)", rows)
            database.commit()


def measure() -> Row:
    """Batches of `BATCH`, `LABELS` in all, synchronous=FULL on both sides."""

    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return rate(LABELS, lambda: asyncio.run(fill(Path(folder, "labels.sqlite"), LABELS)))

    def reference() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return rate(LABELS, lambda: bare(Path(folder, "bare.sqlite"), LABELS))

    return Row("sign and append, batches of 256", "labels/s", *alternate(ours, reference), "bare sqlite3, one table")
