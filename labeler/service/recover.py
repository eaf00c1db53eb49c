"""Start-up: the input log is read once, and what the process must know is there again.

The intake remembers every record, so that no event counts twice. The judge takes every record up to the checkpoint, and
what it says of them is thrown away: those labels stand in the label log already. What lies behind the checkpoint is
left to the pipeline, as if it had just come in.
"""

import asyncio
from datetime import datetime
from typing import NamedTuple

from labeler.errors import Corrupt
from labeler.ports import TelemetryLog
from labeler.reputation.inputs import Batch, PolicyActivated, Report
from labeler.reputation.intake import Intake
from labeler.service.oversight import Oversight

PAGE = 64  # records; a record is a batch of up to 1 000 events


class Recovered(NamedTuple):
    """Where the input log ends: `received` of its newest record, of its newest batch, and its newest policy."""

    head: int
    received: datetime | None
    heard: datetime | None
    policy: PolicyActivated | None


async def recover(telemetry: TelemetryLog, checkpoint: int, judge: Oversight, intake: Intake) -> Recovered:
    """Bring `judge` to `checkpoint` and `intake` to the head of the log; raises `Corrupt` when the log is shorter."""
    head, received, heard, policy = 0, None, None, None
    while page := await telemetry.read(head, PAGE):
        for position, record in page:
            intake.remember(record)
            if isinstance(record, Report):
                intake.written(record, position)
            if position <= checkpoint:
                judge.replay(position, record)
            head, received = position, record.received
            if isinstance(record, Batch):
                heard = record.received
            elif isinstance(record, PolicyActivated):
                policy = record
            await asyncio.sleep(0)  # a signal must get through between two batches
    head = max(head, await telemetry.head())
    if head < checkpoint:
        raise Corrupt(
            f"the labels stand at input position {checkpoint}, but the input log ends at {head}: "
            "the two files are not of the same labeler, or one was restored from an older backup"
        )
    return Recovered(head, received, heard, policy)
