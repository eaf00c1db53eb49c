"""The fold with somebody who keeps the cases beside it, and short words for what people do about them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.moderation.history import History
from labeler.reputation.inputs import Answer, Automation, CaseAction, Decision, Input, Report
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Policy, parse_policy
from labeler.reputation.subject import Emission, Notice
from tests.unit.reputation.conftest import MEMBER, OPERATOR, POLICY, Story


class KeptCases(Judge):
    """A judge whose every record the case book and the history take in after it."""

    def __init__(self, src: str, reminders: list[int]) -> None:
        super().__init__(src)
        self.book, self.history = CaseBook([timedelta(hours=hours) for hours in reminders]), History()
        self.log: list[Input] = []
        self.told: list[Notice] = []

    def step(self, record: Input) -> list[Emission]:
        emissions = super().step(record)
        self.log.append(record)
        notices = list(self.notices)
        self.notices.clear()
        self.history.take(len(self.log), record, emissions)
        self.told += [*notices, *self.book.take(len(self.log), record, emissions, notices)]
        return emissions

    def due(self) -> Any:
        return min((due for due in (super().due(), self.book.due()) if due is not None), default=None)


class Office(Story):
    """A story in which people look at cases."""

    def __init__(self, policy: str | None = POLICY, reminders: tuple[int, ...] = (24, 48, 72)) -> None:
        super().__init__(None)
        self.kept = KeptCases(self.judge.src, list(reminders))
        self.judge = self.kept
        if policy is not None:
            self.activate(policy)

    @property
    def book(self) -> CaseBook:
        return self.kept.book

    def tell(self, record: Input) -> list[str]:
        """Any record, received now."""
        return self._tell(self.judge.step(record))

    def act(self, case: Case, act: str, **fields: Any) -> list[str]:
        """An operator does something about a case."""
        did = "" if case.kind is CaseKind.INCIDENT else case.about
        fields = {"operator": OPERATOR, "did": did} | fields
        return self.tell(CaseAction(self.now, case=case.number, act=act, kind=case.kind, **fields))

    def resolve(self, case: Case, resolution: str, **fields: Any) -> list[str]:
        """An operator decides a case."""
        return self.act(case, "resolve", resolution=resolution, **fields)

    def word(self, event: str, did: str = MEMBER, **fields: Any) -> list[str]:
        """An operator says something about a member that is no label."""
        return self.tell(Decision(self.now, OPERATOR, did, event, **fields))

    def report(self, did: str = MEMBER, *, appeal: bool = False, text: str | None = "why") -> list[str]:
        """Somebody reports a member, or it appeals."""
        reporter = did if appeal else "did:plc:reporter"
        return self.tell(Report(self.now, reporter, did, "reasonOther", "spam", appeal, text))

    def answer(self, did: str = MEMBER) -> list[str]:
        """The member answers."""
        return self.tell(Answer(self.now, did, "it was a mistake"))

    def automate(self, mode: str) -> list[str]:
        """The rules shall decide, pretend or rest."""
        return self.tell(Automation(self.now, OPERATOR, mode))

    def case(self, kind: CaseKind, about: str = MEMBER) -> Case:
        """The open case of a kind."""
        found = self.book.find_open(kind, about)
        assert found is not None
        return found

    def reminded(self) -> list[str]:
        """What people were reminded of since the last time."""
        told = [notice.text.partition(":")[0] for notice in self.kept.told if notice.kind == "case-reminder"]
        self.kept.told.clear()
        return told


@pytest.fixture
def office() -> Office:
    """An office under the policy we ship, on a Friday at noon."""
    return Office()


@pytest.fixture
def open_office() -> Callable[..., Office]:
    """Open an office under another policy, or with other reminders."""
    return Office


@pytest.fixture
def policy() -> Policy:
    """The policy we ship."""
    return parse_policy(POLICY)


@pytest.fixture
def shipped() -> str:
    """The policy as we ship it."""
    return POLICY
