"""Telemetry through the fold: journal record in, judgement out, every rule of the shipped policy on.

Once with the week of a few large members, once with many members alike: there every event meets windows that nobody
touched for long. By itself: `python -m benchmarks.fold [DIDs] [events]`.
"""

import json
import sys
from collections.abc import Iterable
from importlib.resources import files
from itertools import islice

import msgspec

from benchmarks.report import Row, alternate, rate, show
from benchmarks.spread import spread
from benchmarks.workload import RELAY, START, events
from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Batch, PolicyActivated, decode_input, encode_input
from labeler.reputation.judge import Judge
from labeler.service.collector import spare_what_lasts

EVENTS = 200_000
DIDS = 5_000
WIDE_EVENTS, WIDE_DIDS = 1_000_000, 2_000
BATCH = 1_000


def fold(journal: list[bytes]) -> Judge:
    """The judge after every record of a journal."""
    judge = Judge("did:web:labeler.example")
    judge.step(PolicyActivated(START, files("labeler").joinpath("policy.toml").read_text()))
    for raw in journal:
        judge.step(decode_input(raw))
    return judge


def journal_of(made: Iterable[SendEvent]) -> tuple[list[bytes], list[bytes]]:
    """Records as the input log keeps them, and the same events as lines of JSON."""
    records, lines, rest = list[bytes](), list[bytes](), iter(made)
    while batch := tuple(islice(rest, BATCH)):
        records.append(encode_input(Batch(batch[-1].at, RELAY, batch)))
        lines += [msgspec.json.encode(event) for event in batch]
    return records, lines


def compare(stage: str, made: Iterable[SendEvent]) -> Row:
    """Decode and fold a journal; the reference parses the same events with `json.loads`."""
    journal, lines = journal_of(made)
    spare_what_lasts()  # as the service does

    def parse() -> None:
        for line in lines:
            json.loads(line)

    ours, reference = alternate(lambda: rate(len(lines), lambda: fold(journal)), lambda: rate(len(lines), parse))
    return Row(stage, "events/s", ours, reference, "json.loads of the same events")


def measure() -> Row:
    """A few large members."""
    return compare("fold, decode included", events(EVENTS, dids=DIDS))


def measure_wide(dids: int = WIDE_DIDS, count: int = WIDE_EVENTS) -> Row:
    """Many members alike."""
    return compare(f"fold of {dids:,} members alike", spread(count, dids=dids))


if __name__ == "__main__":
    show([measure_wide(*map(int, sys.argv[1:]))] if len(sys.argv) > 1 else [measure(), measure_wide()])
