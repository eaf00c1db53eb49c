"""The fold with every rule within reach: replay, reading, forgetting and the order inside a batch change no byte."""

from datetime import timedelta
from itertools import groupby
from pathlib import Path
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

import labeler
from labeler.reputation.inputs import Batch, Input, PolicyActivated, Tick, decode_input, encode_input
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.reputation.subject import Emission
from labeler.reputation.windows import SubjectWindows
from tests.scenes import LOWERED, MEMBER, NEIGHBOUR, SCENES, START, Relay, Scene, changed

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text(encoding="utf-8")
SHADOWED = {f'id = "{rule}"': f'id = "{rule}"\nmode = "shadow"' for rule in ("complaints", "domain-spray")}
NEAR = changed(SHIPPED, LOWERED | {"auto_ask = false": "auto_ask = true"} | SHADOWED)
SRC = "did:web:labeler.example"
HISTORIES = st.lists(SCENES, min_size=3, max_size=12)
MAIL_TO_THE_DEAD = [  # two addresses turn out not to exist, and are written to again, in one batch
    *(Scene(0, "enrol", 1, 9), Scene(0, "known", 9, 0)),
    *(Scene(9_000, "bounce", 2, 0), Scene(1, "knock", 2, 7), Scene(1, "knock", 2, 7)),
]
Said = list[tuple[bytes, bytes, bool]]


class NeverSweeps(Judge):
    """A judge with all the memory in the world."""

    def _sweep(self, windows: SubjectWindows, hour: int) -> None:
        pass


def log_of(scenes: list[Scene]) -> list[Input]:
    """The input log of a history: reports come five in a batch, and timers have fired when they were due."""
    judge, log = Judge(SRC), list[Input]()
    for record in (PolicyActivated(START, NEAR), *batched(list(Relay().play(scenes)))):
        while (due := judge.due()) is not None and due < record.received:
            log.append(Tick(due))
            judge.step(log[-1])
        log.append(record)
        judge.step(record)
    return log


def batched(records: list[Input]) -> list[Input]:
    together = list[Input]()
    for is_batch, group in groupby(records, lambda record: isinstance(record, Batch)):
        if not is_batch:
            together += group
            continue
        reports = [record for record in group if isinstance(record, Batch)]
        for first in range(0, len(reports), 5):
            some = reports[first : first + 5]
            events = tuple(event for report in some for event in report.events)
            together.append(Batch(some[-1].received, some[-1].relay, events))
    return together


def said(emissions: list[Emission]) -> Said:
    return [(item.label.unsigned_bytes(), item.evidence, item.shadow) for item in emissions]


def told(log: list[Input], judge: Judge | None = None) -> list[Said]:
    judge = judge or Judge(SRC)
    return [said(judge.step(record)) for record in log]


@settings(max_examples=100)
@given(HISTORIES, st.randoms(use_true_random=False))
@example(MAIL_TO_THE_DEAD, Random(1))
@example(MAIL_TO_THE_DEAD, Random(2))
def test_the_order_inside_a_batch_changes_nothing(scenes: list[Scene], random: Random) -> None:
    log = log_of(scenes)
    shuffled = [
        Batch(record.received, record.relay, tuple(random.sample(record.events, len(record.events))))
        if isinstance(record, Batch)
        else record
        for record in log
    ]
    assert told(shuffled) == told(log)


@settings(max_examples=60)
@given(HISTORIES)
def test_the_log_written_and_read_gives_the_same_bytes(scenes: list[Scene]) -> None:
    log = log_of(scenes)
    assert told([decode_input(encode_input(record)) for record in log]) == told(log)


@settings(max_examples=60)
@given(HISTORIES)
def test_reading_changes_nothing(scenes: list[Scene]) -> None:
    log, read, answers = log_of(scenes), Judge(SRC), list[Said]()
    for record in log:
        for did in (MEMBER, NEIGHBOUR, "did:plc:nobody"):
            for ahead in (-3, 0, 50):
                standing(read, did, record.received + timedelta(hours=ahead))
        read.due()
        answers.append(said(read.step(record)))
    assert answers == told(log)


@settings(max_examples=100)
@given(HISTORIES)
def test_forgetting_changes_nothing_within_a_month(scenes: list[Scene]) -> None:
    """What was new more than a month ago is new again (`SubjectWindows.sweep`); so long no history here is."""
    log = log_of([scene._replace(after_s=min(scene.after_s, 200_000)) for scene in scenes])
    assert told(log, NeverSweeps(SRC)) == told(log)
