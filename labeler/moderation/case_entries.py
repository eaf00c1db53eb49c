"""What is in a case, and what goes first when there is too much of it.

Anybody may report, and reminders come by themselves: a flood of either must push out neither what operators said and
did nor what the member answered last.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

_LABELS: Final = ("label ", "negate ")


class CaseEntry(NamedTuple):
    """One thing that happened in a case: when, at which place of the input log, by whom, what, in which words."""

    at: datetime
    position: int
    actor: str
    what: str
    text: str = ""


def lightest(entries: Sequence[CaseEntry]) -> int:
    """The place of the entry to do without: never the first, the oldest of those that weigh least."""
    answers = [place for place, entry in enumerate(entries) if entry.what == "answer"]
    newest = answers[-1] if answers else None
    return min(range(1, len(entries)), key=lambda place: 3 if place == newest else _weight(entries[place]))


def _weight(entry: CaseEntry) -> int:
    """0 for reports of accounts and for notices, 1 for older answers and appeals and for labels by rules, 2 for the
    words of operators.
    """
    by_itself = entry.actor == "labeler"
    if "#" in entry.what or (by_itself and not entry.what.startswith(_LABELS)):  # reasons of reports are NSID#name
        return 0
    return 1 if entry.what in ("answer", "appeal") or not entry.actor.startswith("did:") else 2
