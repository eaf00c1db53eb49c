"""`python -m benchmarks.query [ROWS …]`: what a query costs as the log grows.

One label log is grown to each size in turn, and the same lookups are timed on it: one uri, nobody, a hundred uris, the
prefix of one member and of many, a page of everything. A flat line is an index that works.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from labeler.adapters.sqlite import SqliteLabelLog
from labeler.atproto.label import Label
from labeler.ports import LabelQuery

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LOOKUPS = 400
CHUNK = 250_000  # rows written in one transaction
LIMIT = 51  # a default page, and one more to see whether it ends
NOW = datetime(2026, 11, 2, tzinfo=UTC)
SIG = bytes(64)  # what is measured is finding, not signing
INSERT = (
    "INSERT INTO label (seq, src, uri, cid, val, neg, cts, exp, ver, sig, key_id, expires, body) "
    "VALUES (?, ?, ?, '', ?, NULL, ?, NULL, 1, ?, 'did:key:zBenchmark', NULL, ?)"
)


class Cost(NamedTuple):
    """Microseconds a lookup, median and 99th percentile."""

    median: float
    p99: float


def uri(number: int) -> str:
    """Spread members over the key space, as hashes are spread."""
    return f"did:plc:{number * 2654435761 % 2**32:08x}{number:08d}"


def rows(first: int, last: int) -> Iterator[tuple[object, ...]]:
    """Make the rows of the labels first … last."""
    for seq in range(first, last + 1):
        label = Label("did:web:labeler.example", uri(seq), "mail-throttled", "2026-11-01T00:00:00.000Z", sig=SIG)
        yield seq, label.src, label.uri, label.val, label.cts, SIG, label.to_bytes()


def grow(path: Path, first: int, last: int) -> None:
    """Write the labels first … last past the adapter: signing a million would take longer than measuring."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -1000000")
        for start in range(first, last + 1, CHUNK):
            database.executemany(INSERT, rows(start, min(start + CHUNK - 1, last)))
            database.commit()
        database.execute("UPDATE log_state SET head = ?", (last,))


def queries(kind: str, size: int) -> Iterator[LabelQuery]:
    """Yield lookups of one kind, all over the log."""
    for turn in range(LOOKUPS):
        number = 1 + turn * 7919 % size
        match kind:
            case "one uri":
                yield LabelQuery((uri(number),), (), 0, LIMIT, NOW)
            case "nobody":
                yield LabelQuery((uri(size + 1 + turn),), (), 0, LIMIT, NOW)
            case "100 uris":
                yield LabelQuery(tuple(uri(1 + (number + 31 * each) % size) for each in range(100)), (), 0, LIMIT, NOW)
            case "prefix of one":
                yield LabelQuery((), (uri(number),), 0, LIMIT, NOW)
            case "prefix of a sixteenth":
                yield LabelQuery((), (f"did:plc:{turn % 16:x}",), 0, LIMIT, NOW)
            case "everything, a page":
                yield LabelQuery((), ("",), number - 1, LIMIT, NOW)
            case _:
                raise ValueError(kind)


KINDS = ("one uri", "nobody", "100 uris", "prefix of one", "prefix of a sixteenth", "everything, a page")


async def measure(path: Path, size: int) -> dict[str, Cost]:
    """Time every kind of lookup through the adapter."""
    found = {}
    async with SqliteLabelLog(path) as log:
        for kind in KINDS:
            spent = []
            for query in queries(kind, size):
                began = time.perf_counter()
                await log.find(query)
                spent.append((time.perf_counter() - began) * 1e6)
            found[kind] = Cost(statistics.median(spent), statistics.quantiles(spent, n=100)[98])
    return found


def main() -> None:
    """Grow the log, measure at each size, print one line a kind."""
    parser = argparse.ArgumentParser(description="Time label queries as the log grows.")
    parser.add_argument("sizes", metavar="ROWS", type=int, nargs="*", default=SIZES)
    sizes = sorted(parser.parse_args().sizes)
    results: dict[int, dict[str, Cost]] = {}
    with tempfile.TemporaryDirectory() as folder, Console(stderr=True).status("growing") as status:
        path = Path(folder, "labels.sqlite")
        asyncio.run(_create(path))
        reached = 0
        for size in sizes:
            status.update(f"growing to {size:,} labels")
            grow(path, reached + 1, size)
            reached = size
            status.update(f"measuring at {size:,} labels")
            results[size] = asyncio.run(measure(path, size))
    table = Table(title="Microseconds a query: median (99th percentile)")
    table.add_column("query")
    for size in sizes:
        table.add_column(f"{size:,} labels", justify="right")
    for kind in KINDS:
        table.add_row(kind, *(f"{results[size][kind].median:,.0f} ({results[size][kind].p99:,.0f})" for size in sizes))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


async def _create(path: Path) -> None:
    async with SqliteLabelLog(path):
        pass


if __name__ == "__main__":
    main()
