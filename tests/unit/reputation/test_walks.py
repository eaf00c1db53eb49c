"""The stories in `tests/vectors/walks`, played. Their format is described beside them."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.events import Kind, SendEvent

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

WALKS = sorted((Path(__file__).parents[2] / "vectors" / "walks").glob("*.toml"))
KEYS = {"at", "good", "bad", "spray", "complaints", "forged", "enrolled", "lift", "apply", "changes"}
UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def span(text: str) -> timedelta:
    """A time such as 3d2h10m."""
    assert re.fullmatch(r"(\d+[dhm])+", text), text
    return timedelta(**{UNITS[unit]: int(number) for number, unit in re.findall(r"(\d+)([dhm])", text)})


def mail(story: "Story", step: dict[str, Any], reached: list[SendEvent]) -> list[SendEvent]:
    events = []
    for number in range(step.get("good", 0) + step.get("bad", 0)):
        domain = f"{step['at']}-{number}.example" if step.get("spray") else None
        events += story.message("2.0.0" if number < step.get("good", 0) else "5.1.1", at_domain=domain)
    reached += [event for event in events if event.kind == Kind.DELIVERED]
    return events


def play(story: "Story", step: dict[str, Any], reached: list[SendEvent]) -> list[str]:
    """What one step leads to."""
    events = mail(story, step, reached)
    events += [
        story.event(Kind.COMPLAINED, message_id=event.message_id, recipient=event.recipient)
        for event in reached[: step.get("complaints", 0)]
    ]
    events += [
        story.event(Kind.BOUNCED, message_id=f"forged {n}", recipient=f"{n:032x}", status="5.1.1")
        for n in range(step.get("forged", 0))
    ]
    if "enrolled" in step:
        events.append(story.event(Kind.ENROLLED, hourly_cap=step["enrolled"]))
    changes = story.batch(*events) if events else []
    if "lift" in step or "apply" in step:
        changes += story.decide(apply=step.get("apply", ()), negate=step.get("lift", ()))
    return changes


@pytest.mark.parametrize("path", WALKS, ids=[path.stem for path in WALKS])
def test_the_story_goes_as_told(story: "Story", path: Path) -> None:
    walk, start, reached = tomllib.loads(path.read_text(encoding="utf-8")), story.now, list[SendEvent]()
    assert set(walk) == {"story", "steps"}
    for step in walk["steps"]:
        assert step.keys() <= KEYS
        wait = start + span(step["at"]) - story.now
        assert wait >= timedelta(0), "a story is told in order"
        changes = story.wait(seconds=wait.total_seconds()) + play(story, step, reached)
        assert changes == step.get("changes", []), f"{walk['story']} At {step['at']}:"


def test_there_are_stories() -> None:
    assert len(WALKS) >= 7
