"""The one writer of the input log.

Theory of operation. Everything the fold will ever see comes through here: batches of telemetry, operators' decisions,
policies, ticks. Handlers hand over a job and wait for its future. One loop takes all jobs that wait, stamps each with
its own `received`, asks the intake what may enter, and writes the records in ONE append (group commit). Only then is
anybody answered. When the append fails, nothing was written: every admission is undone and every waiting caller is
told to come back, so that a retry is a first try and not a duplicate.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar, cast

from labeler.errors import Unavailable
from labeler.ports import Clock, TelemetryLog
from labeler.reputation.events import SendEvent
from labeler.reputation.filings import Filing
from labeler.reputation.inputs import (
    Answer,
    Automation,
    Batch,
    CaseAction,
    Decision,
    Input,
    Override,
    PolicyActivated,
    Question,
    Report,
    Tick,
    Word,
)
from labeler.reputation.intake import Admission, Intake
from labeler.service.observe import Metrics
from labeler.service.recover import Recovered
from labeler.service.wake import Wake

MAX_GROUP = 16  # jobs in one append: keeps one commit, and the loop's longest breath, in the tens of milliseconds
MILLISECOND = timedelta(milliseconds=1)

log = logging.getLogger(__name__)


Admitted = Admission | Word | Filing | PolicyActivated | Tick
_Word = TypeVar("_Word", Decision, CaseAction, Report, Answer, Automation, Question, Override)


class Receipt(NamedTuple):
    """What one job admitted, and the position of its record, or of the newest one when it wrote none."""

    admitted: Admitted
    position: int


class _Job(NamedTuple):
    admit: Callable[[datetime], Admitted]  # takes `received`; raises `BadInput`
    receipt: asyncio.Future[Receipt]


class Ingest:
    """Takes jobs, writes records, answers. `run` is the loop; nobody else appends to the input log."""

    def __init__(
        self,
        log_: TelemetryLog,
        intake: Intake,
        clock: Clock,
        arrived: Wake,
        metrics: Metrics,
        recovered: Recovered,
    ) -> None:
        """Begin where the log ends, as `recover` found it."""
        self._log = log_
        self._intake = intake
        self._clock = clock
        self._arrived = arrived
        self._metrics = metrics
        self._received = recovered.received
        self._jobs: list[_Job] = []
        self._waiting = asyncio.Event()
        self._closing = False
        self.position = recovered.head
        self.heard = recovered.heard  # when telemetry last came in; readiness asks
        self.policy = recovered.policy  # the newest one written
        self.failed = False  # whether the newest append failed; readiness asks

    async def submit(self, relay: str, events: Sequence[SendEvent]) -> Admission:
        """Admit events of one relay; return once those admitted are durable. Raises `Unavailable`: nothing was."""
        receipt = await self._hand_over(lambda received: self._intake.admit(relay, events, received))
        return cast(Admission, receipt.admitted)

    async def decide(self, draft: Callable[[datetime], Decision]) -> tuple[Decision, int]:
        """Write the decision `draft` makes of its `received`; return it with its position.

        Raises `BadInput` when the intake refuses it, `Unavailable` when it could not be written.
        """

        return await self._word(draft, self._intake.admit_decision)

    async def ask(self, draft: Callable[[datetime], Question]) -> tuple[Question, int]:
        """Write an operator's question to a member; return and raise as `decide`."""
        return await self._word(draft, self._intake.admit_question)

    async def override(self, draft: Callable[[datetime], Override], rules: Collection[str]) -> tuple[Override, int]:
        """Write what an operator grants a member, where `rules` may be excepted; return and raise as `decide`."""
        return await self._word(draft, lambda override: self._intake.admit_override(override, rules))

    async def act(self, draft: Callable[[datetime], CaseAction]) -> tuple[CaseAction, int]:
        """Write an operator's action on a case; return and raise as `decide`."""
        return await self._word(draft, self._intake.admit_case)

    async def report(self, draft: Callable[[datetime], Report]) -> tuple[Report | Filing, int]:
        """Write a report or an appeal; return and raise as `decide`. What was filed before is not written again."""
        receipt = await self._hand_over(lambda received: self._intake.admit_report(draft(received)))
        return cast(Report | Filing, receipt.admitted), receipt.position

    async def answer(self, draft: Callable[[datetime], Answer]) -> tuple[Answer, int]:
        """Write a member's answer; return and raise as `decide`."""
        return await self._word(draft, lambda _: None)

    async def automate(self, draft: Callable[[datetime], Automation]) -> tuple[Automation, int]:
        """Write what the rules shall do from here on; return and raise as `decide`."""
        return await self._word(draft, lambda _: None)

    async def activate(self, text: str) -> int:
        """Write that the policy `text` decides from here on; return the position. Raises `Unavailable`."""
        return (await self._hand_over(lambda received: PolicyActivated(received, text))).position

    async def tick(self) -> int:
        """Write that a timer of the fold fired; return the position. Raises `Unavailable`."""
        return (await self._hand_over(Tick)).position

    async def run(self) -> None:
        """Write until `close`; returns when the last job that came in before is answered."""
        while True:
            await self._waiting.wait()
            while self._jobs:
                jobs, self._jobs = self._jobs[:MAX_GROUP], self._jobs[MAX_GROUP:]
                await self._commit(jobs)
            if self._closing:
                return
            self._waiting.clear()

    def close(self) -> None:
        """Take no more jobs; `run` finishes those that wait and returns."""
        self._closing = True
        self._waiting.set()

    async def _word(self, draft: Callable[[datetime], _Word], check: Callable[[_Word], None]) -> tuple[_Word, int]:
        """Write what an operator says, once `check` lets it in."""

        def admit(received: datetime) -> _Word:
            word = draft(received)
            check(word)
            return word

        receipt = await self._hand_over(admit)
        return cast(_Word, receipt.admitted), receipt.position

    async def _hand_over(self, admit: Callable[[datetime], Admitted]) -> Receipt:
        if self._closing:
            raise Unavailable("the labeler is shutting down")
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(admit, receipt))
        self._waiting.set()
        return await receipt

    async def _commit(self, jobs: list[_Job]) -> None:
        done: list[tuple[_Job, Admitted, Input | None]] = []
        for job in jobs:
            if job.receipt.cancelled():
                continue  # the caller is gone, and nothing was promised
            admitted = self._admit(job)
            if admitted is not None:
                done.append((job, admitted, _record(admitted)))
        records = [record for _, _, record in done if record is not None]
        try:
            # A batch of duplicates has nothing to write: what it repeats was durable before its first answer.
            last = await self._log.append(records) if records else self.position
        except Unavailable as error:
            self._undo(records)
            self._refuse([job for job, _, _ in done], error)
            return
        if records:
            self._written(last, records)
        position = last - len(records)
        for job, admitted, record in done:
            position += record is not None
            if isinstance(record, Report):
                self._intake.written(record, position)
            at = admitted.position if isinstance(admitted, Filing) else position
            if not job.receipt.done():
                job.receipt.set_result(Receipt(admitted, at))

    def _admit(self, job: _Job) -> Admitted | None:
        received = self._stamp()
        try:
            admitted = job.admit(received)
        except Exception as error:  # noqa: BLE001 - BadInput or worse, it concerns this caller and no other
            job.receipt.set_exception(error)
            return None
        self._received = received
        return admitted

    def _written(self, last: int, records: list[Input]) -> None:
        self.failed = False
        self.position = last
        self.heard = max((r.received for r in records if isinstance(r, Batch)), default=self.heard)
        self.policy = next((r for r in reversed(records) if isinstance(r, PolicyActivated)), self.policy)
        self._metrics.input_head.set(last)
        self._metrics.commits.observe(len(records))
        self._arrived.wake()

    def _stamp(self) -> datetime:
        """Read the clock, but stay at least a millisecond after the record before: the fold's time never stands."""
        now = self._clock.now()
        if self._received is not None and now <= self._received:
            return self._received + MILLISECOND
        return now

    def _undo(self, records: list[Input]) -> None:
        for record in reversed(records):
            self._intake.forget(record)

    def _refuse(self, jobs: list[_Job], error: Unavailable) -> None:
        self.failed = True
        self._metrics.storage_failures.labels("input").inc()
        log.error("the input log could not be written: %s", error, extra={"fields": {"waiting": len(jobs)}})
        for job in jobs:
            if not job.receipt.done():
                job.receipt.set_exception(Unavailable(str(error)))


def _record(admitted: Admitted) -> Input | None:
    """What a job writes: nothing where all of it was there before."""
    match admitted:
        case Admission():
            return admitted.batch
        case Filing():
            return None
        case _:
            return admitted
