"""Scripts written out by hand, run under the policy we ship, and the labels they lead to."""

import copy
import importlib.resources
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from labeler.atproto.label import Label
from labeler.reputation.inputs import PolicyActivated
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Caps
from labeler.reputation.subject import Emission
from labeler.simulation.mail import START, Fate, Mail, Script
from labeler.simulation.passage import Outcome, Passage, Path

SHIPPED = importlib.resources.files("labeler").joinpath("policy.toml").read_text(encoding="utf-8")
CAPS = Caps(hourly=1_000, daily=10_000)
HOUR = 3_600
DAY = 24 * HOUR


class Told(NamedTuple):
    """What became of the members, and every enforcement label in its order."""

    outcomes: list[Outcome]
    labels: list[Label]

    @property
    def changes(self) -> list[str]:
        """The labels in short: `+val` or `-val`."""
        return [("-" if label.neg else "+") + label.val for label in self.labels]


class Listening(Passage):
    """A passage that keeps the enforcement labels it hears of."""

    labels: list[Label]

    def tell(self, emissions: list[Emission]) -> None:
        self.__dict__.setdefault("labels", []).extend(
            emission.label for emission in emissions if emission.label.val.startswith("mail-")
        )
        super().tell(emissions)


Play = Callable[..., Told]


@pytest.fixture(scope="session")
def shipped() -> str:
    """The text of the policy we ship."""
    return SHIPPED


@pytest.fixture(scope="session")
def activated() -> Judge:
    """A judge under the policy we ship, to be copied."""
    judge = Judge("did:web:labeler.example")
    judge.step(PolicyActivated(START, SHIPPED))
    return judge


@pytest.fixture
def play(activated: Judge) -> Play:
    """Run scripts by a path."""

    def run(scripts: Sequence[Script], path: Path, days: int = 30) -> Told:
        passage = Listening(copy.deepcopy(activated), scripts)
        outcomes = passage.run(path, days)
        return Told(outcomes, passage.labels if hasattr(passage, "labels") else [])

    return run


def mail(at: Sequence[int], fates: Sequence[Fate] | None = None, domains: Sequence[int] | None = None) -> Mail:
    """Mail at those seconds to a new recipient each, delivered unless told otherwise, at five domains in turn."""
    number = np.arange(len(at), dtype=np.int64)
    fate = np.zeros(len(at), dtype=np.int64) if fates is None else np.array(fates, dtype=np.int64)
    domain = number % 5 if domains is None else np.array(domains, dtype=np.int64)
    return Mail(np.array(at, dtype=np.int64), fate, number, domain)


def script(at: Sequence[int], fates: Sequence[Fate] | None = None, **more: Any) -> Script:
    """A script of such mail, with ample caps."""
    return Script(mail(at, fates), CAPS, **more)
