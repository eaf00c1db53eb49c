"""`email.atmos.operator.askMember`: an operator asks a member to explain, and the acceptable-use page's clock runs.

It is the only thing that starts the clock, unless the policy asks by itself: an abuse report alone judges nobody. While
a question is open, asking again is recorded and starts nothing: the first clock goes on, and the answer says so.
"""

from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import Desk


class AskMember:
    """The method, around the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer(self, call: Call) -> dict[str, Any]:
        """Ask; answer with the moment until which the member has time, and whether it was asked already.

        Raises `BadInput`, `Unavailable`.
        """
        operator = require_operator(call.caller, Role.MODERATOR)
        self._desk.policy()  # nobody knows how long an answer may take before there is one
        question, position = await self._desk.ask(operator, call.body["did"], call.body.get("comment"))
        answer_by, again = self._desk.answer_by(question)
        return {
            "id": position,
            "did": question.did,
            "askedBy": question.operator,
            "askedAt": format_datetime(question.received),
            "answerBy": format_datetime(answer_by),
            "askedAlready": again,
        }
