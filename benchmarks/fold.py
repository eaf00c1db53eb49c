"""Telemetry through the fold: journal record in, judgement out, every rule of the shipped policy on."""

import json
from importlib.resources import files

import msgspec

from benchmarks.report import Row, alternate, rate
from benchmarks.workload import RELAY, START, events
from labeler.reputation.inputs import Batch, PolicyActivated, decode_input, encode_input
from labeler.reputation.judge import Judge

EVENTS = 200_000
DIDS = 5_000


def measure() -> Row:
    """Decode and fold the journal of `EVENTS` events; the reference parses the same events with `json.loads`."""
    made = events(EVENTS, dids=DIDS)
    batches = [Batch(made[at + 999].at, RELAY, tuple(made[at : at + 1000])) for at in range(0, EVENTS, 1000)]
    journal = [encode_input(batch) for batch in batches]
    lines = [msgspec.json.encode(event) for event in made]
    policy = files("labeler").joinpath("policy.toml").read_text()

    def fold() -> None:
        judge = Judge("did:web:labeler.example")
        judge.step(PolicyActivated(START, policy))
        for raw in journal:
            judge.step(decode_input(raw))

    def parse() -> None:
        for line in lines:
            json.loads(line)

    ours, reference = alternate(lambda: rate(EVENTS, fold), lambda: rate(EVENTS, parse))
    return Row("fold, decode included", "events/s", ours, reference, "json.loads of the same events")
