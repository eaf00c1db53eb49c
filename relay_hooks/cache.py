"""Which labels hold for whom, from a stream of labels. PURE: the time is an argument.

Rule 1: one label a (src, uri, val); the newest `cts` wins, and at the same instant the higher seq. Rule 2: a negation
wins like any other label and then hides what it takes back. Rule 3: expiry is judged when read, so a label ends on
time even while nothing arrives. Hence the same labels give the same answer in any order and however often.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from labeler.atproto.label import Label
from labeler.atproto.syntax import parse_datetime
from labeler.errors import BadInput


class Held(NamedTuple):
    """The label that counts for its (uri, val), with its place in the stream and its dates read once."""

    label: Label
    seq: int
    created: datetime
    expires: datetime | None


class LabelCache:
    """The labels of one labeler, `src`. Labels of anybody else are refused."""

    def __init__(self, src: str) -> None:
        self.src = src
        self._held: dict[str, dict[str, Held]] = {}  # uri → val → label

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Held]:
        for labels in list(self._held.values()):
            yield from labels.values()

    def apply(self, label: Label, seq: int) -> bool:
        """Take one verified label; True when it now counts, False when a newer one does already.

        Raises `BadInput` on a label of another `src` or with dates that cannot be read.
        """
        if label.src != self.src:
            raise BadInput(f"a label of {label.src} has no place among those of {self.src}")
        held = Held(label, seq, parse_datetime(label.cts), label.expires)
        labels = self._held.get(label.uri, {})
        present = labels.get(label.val)
        if present is not None and (present.created, present.seq) >= (held.created, seq):
            return False
        self._held[label.uri] = {**labels, label.val: held}  # replaced, so that another thread may be reading
        return True

    def active(self, did: str, now: datetime) -> dict[str, Label]:
        """Return what holds for a subject at `now` (aware), by value."""
        labels = self._held.get(did)
        if labels is None:
            return {}
        return {
            val: held.label
            for val, held in labels.items()
            if not held.label.neg and (held.expires is None or held.expires > now)
        }

    def snapshot(self) -> list[Held]:
        """List everything that counts, negations included: without them an older label could come back."""
        return list(self)

    def load(self, entries: list[tuple[int, Mapping[str, Any]]]) -> None:
        """Take in what `snapshot` gave, as (seq, label map); raises `BadInput` and changes nothing on a bad entry."""
        fresh = LabelCache(self.src)
        for seq, fields in entries:
            fresh.apply(Label.from_map(fields), seq)
        self._held = fresh._held
