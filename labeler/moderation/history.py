"""What people said and what the rules did, by whom it is about. Read by operators, never public.

Rule 1: a word's id is its place in the input log. Rule 2: what the rules did to one member on one record is one event,
and its id says so and where. Rule 3: words stay; of what the rules did the newest stay.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from labeler.reputation.inputs import Answer, Automation, CaseAction, Decision, Input, Override, Question, Report, Word
from labeler.reputation.subject import Emission

RULES_FROM: Final = 1 << 51  # ids of what rules did begin here; JSON carries whole numbers up to 2^53 everywhere
SLOTS: Final = 1 << 14  # members on one record that are told apart
LABELLINGS_KEPT: Final = 100_000

_WORDS = (Decision, CaseAction, Report, Answer, Automation, Question, Override)


class Labelling(NamedTuple):
    """Labels of one member that the rules applied and took back on one record. `until`: when the first applied ends."""

    received: datetime
    did: str
    apply: tuple[str, ...]
    negate: tuple[str, ...]
    until: datetime | None
    reason: str


Event = Decision | CaseAction | Report | Answer | Question | Override | Labelling


class History:
    """Words in the order of the log, and what the rules did in between."""

    def __init__(self) -> None:
        self.words: dict[int, Word] = {}
        self.labellings: dict[int, Labelling] = {}
        self.automation: Automation | None = None  # the newest word about the rules
        self._about: dict[str, list[int]] = {}
        self._events: list[int] = []
        self._events_about: dict[str, list[int]] = {}

    def take(self, position: int, record: Input, emissions: Iterable[Emission] = ()) -> None:
        """Remember `record` if somebody said it, and the labels it led to that nobody ordered."""
        if isinstance(record, _WORDS):
            self.words[position] = record
            if isinstance(record, Automation):
                self.automation = record
            elif record.did:  # an action on an incident is about no member
                self._about.setdefault(record.did, []).append(position)
                self._note(position, record.did)
        for slot, labelling in enumerate(_by_rules(record, emissions)):
            number = RULES_FROM + position * SLOTS + slot
            self.labellings[number] = labelling
            self._note(number, labelling.did)
            if len(self.labellings) > LABELLINGS_KEPT:
                del self.labellings[next(iter(self.labellings))]

    def drop_text(self, position: int) -> None:
        """Forget the words of the report or answer at that position; that there was one stays."""
        match self.words.get(position):
            case Report() as word:
                self.words[position] = msgspec.structs.replace(word, text=None)
            case Answer() as word:
                self.words[position] = msgspec.structs.replace(word, text="")

    def about(self, did: str) -> Iterator[tuple[int, Word]]:
        """What was said about a member, the oldest first, each with its position."""
        return ((position, self.words[position]) for position in self._about.get(did, ()))

    def subjects(self) -> Iterator[str]:
        """Everybody about whom anything was said, in the order of the first word."""
        return iter(self._about)

    def event(self, number: int) -> Event | None:
        """The word or the deed of that id, if it is about a member and remembered."""
        if number >= RULES_FROM:
            return self.labellings.get(number)
        word = self.words.get(number)
        return word if word is not None and not isinstance(word, Automation) and word.did else None

    def events(
        self, about: str | None = None, *, past: int | None = None, oldest_first: bool = False
    ) -> Iterator[tuple[int, Event]]:
        """Everything about members, or one, from the newest back, each with its id; `past`: an id to go on behind."""
        numbers = self._events if about is None else self._events_about.get(about, [])
        if oldest_first:
            begin = 0 if past is None else bisect_right(numbers, _place(past), key=_place)
            chosen: Iterable[int] = range(begin, len(numbers))
        else:
            end = len(numbers) if past is None else bisect_left(numbers, _place(past), key=_place)
            chosen = range(end - 1, -1, -1)
        for index in chosen:
            event = self.event(numbers[index])
            if event is not None:
                yield numbers[index], event

    def _note(self, number: int, did: str) -> None:
        self._events.append(number)
        self._events_about.setdefault(did, []).append(number)


def _place(number: int) -> tuple[int, int]:
    """Where an event stands: a word before what the rules did on the same record."""
    if number < RULES_FROM:
        return number, -1
    return divmod(number - RULES_FROM, SLOTS)


def _by_rules(record: Input, emissions: Iterable[Emission]) -> list[Labelling]:
    """The labels no human ordered, those of one member together; what does not fit the slots is left out."""
    ordered_by = record.operator if isinstance(record, Decision | CaseAction) else None
    grouped: dict[str, list[Emission]] = {}
    for emission in emissions:
        if not emission.shadow and emission.actor != ordered_by:
            grouped.setdefault(emission.label.uri, []).append(emission)
    return [_labelling(did, found) for did, found in list(grouped.items())[:SLOTS]]


def _labelling(did: str, emissions: list[Emission]) -> Labelling:
    applied = [emission for emission in emissions if not emission.label.neg]
    return Labelling(
        emissions[0].received,
        did,
        tuple(emission.label.val for emission in applied),
        tuple(emission.label.val for emission in emissions if emission.label.neg),
        applied[0].label.expires if applied else None,
        "; ".join(dict.fromkeys(f"{emission.rule}: {emission.reason}" for emission in emissions)),
    )
