"""Everything people said, by its place in the input log and by whom it is about. Read by operators, never public."""

from collections.abc import Iterator

import msgspec

from labeler.reputation.inputs import Answer, Automation, CaseAction, Decision, Input, Override, Question, Report, Word

_WORDS = (Decision, CaseAction, Report, Answer, Automation, Question, Override)


class History:
    """Words in the order of the log; their position is their id."""

    def __init__(self) -> None:
        self.words: dict[int, Word] = {}
        self._about: dict[str, list[int]] = {}

    def take(self, position: int, record: Input) -> None:
        """Remember `record` if somebody said it."""
        if isinstance(record, _WORDS):
            self.words[position] = record
            if not isinstance(record, Automation):
                self._about.setdefault(record.did, []).append(position)

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
