"""`email.atmos.operator.askMember`: an operator asks a member to explain, and the acceptable-use page's clock runs.

It is the only thing that starts the clock, unless the policy asks by itself: an abuse report alone judges nobody. While
a question is open, asking again is recorded and starts nothing: the first clock goes on, and the answer says so.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.errors import Unavailable
from labeler.reputation.inputs import Question
from labeler.reputation.judge import Judge, question_id
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.ingest import Ingest
from labeler.service.operator import taken_in
from labeler.service.pipeline import Pipeline


class AskMember:
    """The method, with its way to the input log and back from the pipeline. The judge knows how long there is."""

    def __init__(self, judge: Judge, ingest: Ingest, pipeline: Pipeline) -> None:
        self._judge = judge
        self._ingest = ingest
        self._pipeline = pipeline

    async def answer(self, call: Call) -> dict[str, Any]:
        """Ask; answer with the moment until which the member has time, and whether it was asked already.

        Raises `BadInput`, `Unavailable`.
        """
        operator = require_operator(call.caller, Role.MODERATOR)
        did, comment = call.body["did"], call.body.get("comment")
        policy = self._judge.policy
        if policy is None:
            raise Unavailable("no policy is in force yet, so nobody knows how long an answer may take")

        def draft(received: datetime) -> Question:
            return Question(received, operator.did, did, comment)

        question, position = await self._ingest.ask(draft)
        await taken_in(self._pipeline, position)
        began, again = self._clock(question)
        deadline = began + timedelta(seconds=policy.abuse.answer_within.seconds)
        return {
            "id": position,
            "did": question.did,
            "askedBy": question.operator,
            "askedAt": format_datetime(question.received),
            "answerBy": format_datetime(deadline),
            "askedAlready": again,
        }

    def _clock(self, question: Question) -> tuple[datetime, bool]:
        """When the newest clock of the member began, and whether that was before this question."""
        asked = self._judge.asked(question.did, question.received)
        if not asked:  # it waits to be judged, or was answered in the same breath
            return question.received, False
        began_s = max(report.asked_s or 0 for report in asked)
        again = all(report.asked_by != question_id(question.received) for report in asked)
        return datetime.fromtimestamp(began_s, UTC), again
