"""The fold with short words for what happens to it: mail, silence, an operator's word, and the labels they lead to."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import labeler
from labeler.atproto import cbor
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, Decision, Override, PolicyActivated, Question, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Policy, parse_policy
from labeler.reputation.subject import Emission

POLICY = (Path(labeler.__file__).parent / "policy.toml").read_text(encoding="utf-8")
RELAY, MEMBER, OPERATOR = "did:web:relay.example", "did:plc:member", "did:plc:operator"
FRIDAY = datetime(2026, 3, 6, 12, tzinfo=UTC)
SIGNS = {"apply": "+", "renew": "~", "negate": "-"}


def evidence(emission: Emission) -> dict[str, Any]:
    """The record behind a label change."""
    record = cbor.decode(emission.evidence)
    assert isinstance(record, dict)
    return record


def sign(emission: Emission) -> str:
    """A label change in one word: +val applied, ~val renewed, -val negated; in brackets where it is only pretended."""
    change = str(evidence(emission)["change"])
    assert (emission.label.neg is True) == (change == "negate")
    word = SIGNS[change] + emission.label.val
    return f"({word})" if emission.shadow else word


class Story:
    """A judge under a policy, and a clock. Every word returns the label changes it led to, in their order."""

    def __init__(self, policy: str | None = POLICY, start: datetime = FRIDAY) -> None:
        self.now = start
        self.judge = Judge("did:web:labeler.example.com")
        self.emissions: list[Emission] = []
        self._count = 0
        if policy is not None:
            self.activate(policy)

    def activate(self, policy: str) -> list[str]:
        """From here on `policy` decides."""
        return self._tell(self.judge.step(PolicyActivated(self.now, policy)))

    def batch(self, *events: SendEvent, relay: str = RELAY) -> list[str]:
        """A relay reports events, received now."""
        return self._tell(self.judge.step(Batch(self.now, relay, events)))

    def event(self, kind: Kind, did: str = MEMBER, at: datetime | None = None, **fields: Any) -> SendEvent:
        """An event that happens now, or at `at`, with an id of its own."""
        self._count += 1
        return SendEvent(id=f"e{self._count}", kind=kind, did=did, at=at or self.now, **fields)

    def message(
        self,
        outcome: str | None = "2.0.0",
        *,
        did: str = MEMBER,
        at: datetime | None = None,
        recipient: int | None = None,
        at_domain: str | None = None,
        **fields: Any,
    ) -> list[SendEvent]:
        """One message to one recipient, a new one unless named, and what became of it (a status, or nothing yet)."""
        self._count += 1
        number = self._count if recipient is None else recipient
        who = {
            "domain": "shop.example",
            "message_id": f"<m{self._count}@relay>",
            "recipient": f"{number:032x}",
            "recipient_domain": at_domain or f"d{number % 5}.example",
        } | fields
        events = [self.event(Kind.ACCEPTED, did, at, **who)]
        if outcome is not None:
            kind = {"2": Kind.DELIVERED, "4": Kind.DEFERRED, "5": Kind.BOUNCED}[outcome[0]]
            events.append(self.event(kind, did, at, status=outcome, **who))
        return events

    def about(self, message: SendEvent, kind: Kind, **fields: Any) -> SendEvent:
        """What became of a message, told now."""
        bound = {"message_id": message.message_id, "recipient": message.recipient, "domain": message.domain}
        return self.event(kind, message.did, **(bound | fields))

    def mail(self, good: int = 0, bad: int = 0, **fields: Any) -> list[str]:
        """One batch of mail: `good` messages delivered, `bad` ones to recipients that do not exist."""
        outcomes = ["2.0.0"] * good + ["5.1.1"] * bad
        return self.batch(*(event for outcome in outcomes for event in self.message(outcome, **fields)))

    def one_by_one(self, outcomes: Sequence[str], **fields: Any) -> list[list[str]]:
        """Messages a minute apart, each reported at once; the changes after each."""
        changes = []
        for outcome in outcomes:
            changes.append(self.batch(*self.message(outcome, **fields)))
            self.wait(minutes=1)
        return changes

    def decide(
        self, apply: Sequence[str] = (), negate: Sequence[str] = (), did: str = MEMBER, hours: int | None = None
    ) -> list[str]:
        """An operator decides."""
        decision = Decision(self.now, OPERATOR, did, apply=tuple(apply), negate=tuple(negate), duration_h=hours)
        return self._tell(self.judge.step(decision))

    def ask(self, did: str = MEMBER) -> list[str]:
        """An operator asks the member to explain."""
        return self._tell(self.judge.step(Question(self.now, OPERATOR, did)))

    def override(self, did: str = MEMBER, **granted: Any) -> list[str]:
        """An operator grants the member something."""
        return self._tell(self.judge.step(Override(self.now, OPERATOR, did, **granted)))

    def notices(self) -> list[str]:
        """What people were told since the last time, in short."""
        told = [f"{notice.kind} {notice.about}" for notice in self.judge.notices]
        self.judge.notices.clear()
        return told

    def wait(self, **span: float) -> list[str]:
        """Let time pass; timers fire when they are due."""
        end, changes = self.now + timedelta(**span), list[str]()
        while (due := self.judge.due()) is not None and due <= end:
            self.now = due
            changes += self.tick()
            assert self.judge.due() != due, "a timer must not fire for ever"
        self.now = end
        return changes

    def tick(self) -> list[str]:
        """A tick, now."""
        return self._tell(self.judge.step(Tick(self.now)))

    def active(self, did: str = MEMBER) -> set[str]:
        """What a consumer of the stream holds to be active now."""
        published = [emission.label for emission in self.emissions if not emission.shadow]
        labels = {label.val: label for label in published if label.uri == did}
        return {val for val, label in labels.items() if label.is_active(self.now)}

    def last(self) -> Emission:
        """The newest label change."""
        return self.emissions[-1]

    def _tell(self, emissions: list[Emission]) -> list[str]:
        self.emissions += emissions
        return [sign(emission) for emission in emissions]


@pytest.fixture
def story() -> Story:
    """A story under the policy we ship, on a Friday at noon."""
    return Story()


@pytest.fixture
def begin() -> Callable[..., Story]:
    """Begin a story under another policy, or at another time."""
    return Story


@pytest.fixture(scope="session")
def shipped() -> str:
    """The text of the policy we ship."""
    return POLICY


@pytest.fixture(scope="session")
def policy(shipped: str) -> Policy:
    """The policy we ship."""
    return parse_policy(shipped)
