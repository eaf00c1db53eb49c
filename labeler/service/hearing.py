"""What accounts say: reports about others, appeals about themselves, answers to what they were asked.

Rule 1: whoever speaks is who the token says, never who the body says. Rule 2: a report judges nobody; it is one more
thing for people to look at. Rule 3: an answer is given once the word is durable, and read wherever people will look for
it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from labeler.errors import BadInput, Unavailable
from labeler.moderation.cases import CaseBook, CaseKind
from labeler.moderation.history import History
from labeler.moderation.reasons import APPEAL, REASONS
from labeler.reputation.definitions import MAIL_REMOVED
from labeler.reputation.filings import Filing
from labeler.reputation.inputs import Answer, Report
from labeler.reputation.judge import Judge
from labeler.service.access import forbidden
from labeler.service.ingest import Ingest
from labeler.service.pipeline import Pipeline

JUDGED_SECONDS: Final = 5.0  # how long an answer waits until the word is judged, too
MAX_TYPE_SHOWN: Final = 200


class Complaint(NamedTuple):
    """What an account says about a member. `record` and `cid` are of the record reported, where it was one."""

    reason_type: str
    did: str
    text: str | None = None
    record: str | None = None
    cid: str | None = None
    tool: str | None = None


class Heard(NamedTuple):
    """An answer as it was taken: its place in the input log, and the open cases it belongs to."""

    answer: Answer
    position: int
    cases: tuple[int, ...]


class Hearing:
    """Takes accounts' words."""

    def __init__(self, judge: Judge, cases: CaseBook, history: History, ingest: Ingest, pipeline: Pipeline) -> None:
        self._judge = judge
        self._cases = cases
        self._history = history
        self._ingest = ingest
        self._pipeline = pipeline

    async def report(self, reporter: str, complaint: Complaint) -> tuple[Report, int]:
        """Write a report or an appeal; return it with its position: the first one's, where it was said within a day.

        Raises `BadInput`: 400 for a reason that is not taken here, or an appeal where there is nothing to appeal
        (NothingToAppeal); 403 for an appeal by somebody else (Forbidden), a second one (AlreadyAppealed), or a report
        by an account that is removed (AccountTakedown). Raises `Unavailable`.
        """
        reason = REASONS.get(complaint.reason_type)
        if reason is None:
            raise BadInput(f"Invalid reason type: {complaint.reason_type[:MAX_TYPE_SHOWN]}")
        appeal = reason.legacy == APPEAL
        if appeal and reporter != complaint.did:
            raise forbidden("You cannot appeal this report")

        def draft(received: datetime) -> Report:
            standing = self._standing(reporter, received)
            if appeal and not standing and self._cases.find_open(CaseKind.APPEAL, reporter) is None:
                message = "No label of this labeler stands on this account, so there is nothing to appeal."
                raise BadInput(message, name="NothingToAppeal")
            if not appeal and MAIL_REMOVED in standing:
                message = "Report not accepted from an account that was removed; it may appeal."
                raise BadInput(message, name="AccountTakedown", status=403)
            return Report(
                received,
                reporter,
                complaint.did,
                complaint.reason_type,
                reason.category,
                appeal,
                complaint.text or None,
                complaint.record,
                complaint.cid,
                complaint.tool,
            )

        found, position = await self._ingest.report(draft)
        await self._judged(position)
        return (self._first(found, position, draft) if isinstance(found, Filing) else found), position

    async def answer(self, did: str, text: str) -> Heard:
        """Write a member's answer; its clock stops, and what was decided meanwhile stays for people to look at.

        Raises `BadInput` (NothingToAnswer), `Unavailable`.
        """

        def draft(received: datetime) -> Answer:
            if not self._waiting(did) and not self._judge.asked(did, received):
                raise BadInput(
                    "Nobody asked this account anything, and no case about it is open.", name="NothingToAnswer"
                )
            return Answer(received, did, text)

        answer, position = await self._ingest.answer(draft)
        await self._judged(position)
        return Heard(answer, position, self._waiting(did))

    def _standing(self, did: str, now: datetime) -> frozenset[str]:
        """The labels of ours that an account bears."""
        subject = self._judge.subjects.get(did)
        active = subject.member.active if subject is not None else {}
        return frozenset(val for val, label in active.items() if label.exp is None or label.exp > now)

    def _waiting(self, did: str) -> tuple[int, ...]:
        """The open cases an answer of this account belongs to."""
        found = (self._cases.find_open(kind, did) for kind in (CaseKind.ABUSE_REPORT, CaseKind.SUSPENSION))
        return tuple(case.number for case in found if case is not None)

    def _first(self, filing: Filing, position: int, draft: Callable[[datetime], Report]) -> Report:
        """The report that was filed first; without its words while the history has not got so far."""
        word = self._history.words.get(position)
        return word if isinstance(word, Report) else msgspec.structs.replace(draft(filing.received), text=None)

    async def _judged(self, position: int) -> None:
        """Wait, for a moment, until people can see it. It is durable already: an error would be a lie."""
        with contextlib.suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(JUDGED_SECONDS):
                await self._pipeline.reached(position)
