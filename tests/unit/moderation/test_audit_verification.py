"""A chain that agrees with its logs, and every way in which one can not."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.atproto.cbor import cid_of
from labeler.atproto.label import Label
from labeler.moderation.audit import (
    GENESIS,
    AuditEntry,
    Head,
    Kept,
    Link,
    Unchained,
    begin_entry,
    chained,
    head_of,
    label_entry,
)
from labeler.moderation.audit_verification import Extent, Verification
from labeler.moderation.audit_words import word_entry
from labeler.reputation.inputs import Input, PolicyActivated, Question, Tick

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = "2026-03-02T12:00:00.000Z"
SIG = b"s" * 64


def label(uri: str, **fields: Any) -> Label:
    return replace(Label("did:web:l.example", uri, "mail-throttled", AT, sig=SIG), **fields)


LABELS = [label("did:plc:a"), label("did:plc:b"), label("did:plc:a", neg=True)]  # seqs 11, 12, 13
EVIDENCE = [b"one", b"two", b"three"]
WORDS: list[Input] = [PolicyActivated(NOON, ""), Tick(NOON), Question(NOON + timedelta(1), "did:plc:m", "did:plc:b")]
OLD = Unchained(2, hashlib.sha256(b"rows").digest())


@dataclass
class Logs:
    """Two labels and positions 1 to 4 older than the chain; then three words and three labels, in turn."""

    entries: list[AuditEntry] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    inputs: list[tuple[int, Input]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    pins: dict[int, bytes] = field(default_factory=dict)
    before: Unchained = OLD
    floor: int = 0
    head: Head | None = None

    def __post_init__(self) -> None:
        words = [word_entry(position, record) for position, record in enumerate(WORDS, 5)]
        labels = [label_entry(seq, each, "r", "why", cid_of(EVIDENCE[seq - 11])) for seq, each in enumerate(LABELS, 11)]
        setting = AuditEntry("setting", AT, "labeler", "labeler", {"set": {}, "unset": []})
        self.entries = [begin_entry(AT, 10, 4, OLD), setting, *filter(None, words[:1]), *labels[:2]]
        self.entries += [*filter(None, words[1:]), labels[2]]
        successors = [13, None, None]
        self.kept = [Kept(9, b"", None, None), Kept(10, None, b"", 11)]
        self.kept += [
            Kept(seq, EVIDENCE[seq - 11], each.to_bytes(), successors[seq - 11]) for seq, each in enumerate(LABELS, 11)
        ]
        self.inputs = [(position, Tick(NOON)) for position in range(1, 5)] + list(enumerate(WORDS, 5))
        self.chain()

    def chain(self) -> None:
        """Bind the entries anew, as somebody with the disk can."""
        self.links = chained(Head(0, GENESIS, ""), self.entries)

    def verify(self) -> Verification:
        head = self.head or head_of(self.links[-1] if self.links else None)
        found = Verification(Extent(head, 13, self.floor, 7), self.before, self.pins)
        for link in self.links:
            found.link(link)
        kept, inputs = list(self.kept), list(self.inputs)
        while kept and kept[0].seq <= found.last_seq:
            found.kept(kept.pop(0))
        while inputs and inputs[0][0] <= found.last_position:
            found.word(*inputs.pop(0))
        found.settle()
        for row in kept:
            found.kept(row)
        for position, record in inputs:
            found.word(position, record)
        found.end()
        return found

    def replaced(self, place: int, **body: Any) -> None:
        """Edit the body of entry `place` + 1 and bind everything anew."""
        entry = self.entries[place]
        self.entries[place] = entry._replace(body={**entry.body, **body})
        self.chain()

    def row(self, place: int, **fields: Any) -> None:
        self.kept[place] = self.kept[place]._replace(**fields)


@pytest.fixture
def logs() -> Logs:
    return Logs()


def test_what_agrees_is_counted(logs: Logs) -> None:
    logs.pins = {3: logs.links[2].hash, 7: logs.links[6].hash}
    found = logs.verify()
    assert (found.fault, found.labels, found.words) == (None, 3, 2)


def test_a_new_log_is_good() -> None:
    found = Verification(Extent(Head(0, GENESIS, ""), 0, 0, 0), Unchained(0, b""), {})
    found.settle()
    found.end()
    assert found.fault is None


def test_what_came_in_meanwhile_is_left_for_the_next_time(logs: Logs) -> None:
    logs.kept.append(Kept(14, b"", b"", None))
    logs.row(3, successor=14)
    logs.inputs.append((8, PolicyActivated(NOON, "")))
    assert logs.verify().fault is None


def test_what_was_pruned_and_trimmed_is_no_fault(logs: Logs) -> None:
    logs.floor = 11
    logs.row(2, body=None, successor=None)
    logs.inputs = [(7, WORDS[2])]
    assert logs.verify().fault is None
    logs.inputs = []
    assert logs.verify().fault == "entry 3: the input log has no policy at position 5"


def edit(logs: Logs) -> None:
    logs.links[3] = logs.links[3]._replace(raw=logs.links[3].raw.replace(b"why", b"not"))


def bind(logs: Logs) -> None:
    """Edited, and everything behind it bound anew: only the label itself still tells."""
    logs.replaced(3, reason="not", sha256="0" * 64)


def pinned(logs: Logs) -> None:
    logs.pins = {6: logs.links[5].hash}
    logs.replaced(3, reason="not")


def beyond(logs: Logs) -> None:
    logs.pins = {9: GENESIS, 8: GENESIS}


def unreadable(logs: Logs) -> None:
    last = logs.links[-1]
    logs.links.append(Link(8, "", b"\xff", hashlib.sha256(last.hash + b"\xff").digest()))
    logs.head = Head(8, GENESIS, "")


def second_begin(logs: Logs) -> None:
    logs.entries.append(logs.entries[0])
    logs.chain()


def no_begin(logs: Logs) -> None:
    del logs.entries[0]
    logs.chain()


def misfiled(logs: Logs) -> None:
    logs.links[3] = logs.links[3]._replace(about="did:plc:z")


def moved(logs: Logs, place: int, to: int) -> None:
    logs.entries.insert(to, logs.entries.pop(place))
    logs.chain()


def cut_tail(logs: Logs) -> None:
    del logs.links[5:]


def cut_tail_of_both(logs: Logs) -> None:
    cut_tail(logs)
    logs.kept.pop()


def nothing_left(logs: Logs) -> None:
    logs.links, logs.kept, logs.inputs = [], [], []


def another_body(logs: Logs) -> None:
    logs.row(2, body=label("did:plc:c").to_bytes())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (edit, "entry 4: its hash is not that of its bytes behind entry 3"),
        (bind, "label 11 (entry 4): it is not the label noted"),
        (pinned, "entry 6: its hash is not the pinned one"),
        (beyond, "entry 8: it was pinned, and the chain ends at 7"),
        (unreadable, "entry 8: it cannot be read: "),
        (second_begin, "entry 8: a chain begins with one begin, and this is a begin"),
        (no_begin, "entry 1: a chain begins with one begin, and this is a setting"),
        (misfiled, "entry 4: it is filed under did:plc:z and about did:plc:a"),
        (lambda logs: logs.links.pop(2), "entry 3: it is missing"),
        (lambda logs: logs.links.insert(3, logs.links.pop(2)), "entry 3: it is missing"),
        (lambda logs: moved(logs, 3, 4), "entry 5: seq 11 does not follow 12"),
        (lambda logs: moved(logs, 2, 5), "entry 6: input position 5 does not follow 7"),
        (cut_tail, "label 13: it has no audit entry"),
        (cut_tail_of_both, "input position 7: this question has no audit entry"),
        (
            lambda logs: setattr(logs, "head", Head(9, GENESIS, "")),
            "entry 8: the chain ends before it, and went up to 9",
        ),
        (nothing_left, "entry 1: there are labels, and no chain"),
        (lambda logs: logs.replaced(0, rows=3), "entry 1: the audit rows older than the chain are not those"),
        (lambda logs: logs.replaced(0, seq="x"), "entry 1: it does not say where the chain begins"),
        (lambda logs: logs.kept.pop(0), "entry 1: 1 labels are older than the chain, and 2 audit rows"),
        (lambda logs: logs.replaced(3, seq=True), "entry 4: seq True does not follow 10"),
        (lambda logs: logs.replaced(2, position=4), "entry 3: input position 4 does not follow 4"),
        (lambda logs: logs.row(3, evidence=None), "label 12 (entry 5): the evidence behind it is not the one noted"),
        (lambda logs: logs.row(3, evidence=b"2"), "label 12 (entry 5): the evidence behind it is not the one noted"),
        (lambda logs: logs.row(3, body=None), "label 12 (entry 5): it is gone from the log"),
        (lambda logs: logs.row(3, body=b"\xff"), "label 12 (entry 5): it cannot be read: "),
        (another_body, "label 11 (entry 4): it is not the label noted"),
        (lambda logs: logs.kept.pop(3), "label 12 (entry 5): it is gone from the log"),
        (lambda logs: logs.kept.pop(4), "label 13 (entry 7): it is gone from the log"),
        (lambda logs: logs.row(2, successor=None), "label 11: label 13 took its place, and the log does not say so"),
        (lambda logs: logs.row(3, successor=13), "label 12: it was put aside for label 13, which is another"),
        (lambda logs: logs.inputs.pop(4), "entry 3: the input log has no policy at position 5"),
        (lambda logs: logs.inputs.pop(6), "entry 6: the input log has no question at position 7"),
        (
            lambda logs: logs.inputs.__setitem__(6, (7, Tick(NOON))),
            "entry 6: the input log has no question at position 7",
        ),
        (lambda logs: logs.inputs.__setitem__(5, (6, WORDS[2])), "input position 6: this question has no audit entry"),
        (
            lambda logs: logs.inputs.__setitem__(4, (5, PolicyActivated(NOON, "#"))),
            "entry 3: the input log says otherwise",
        ),
    ],
)
def test_whatever_does_not_agree_is_named(logs: Logs, change: Any, fault: str) -> None:
    change(logs)
    found = logs.verify().fault
    assert found is not None
    assert found.startswith(fault)


def test_a_signature_made_anew_changes_nothing(logs: Logs) -> None:
    logs.row(3, body=label("did:plc:b", sig=b"t" * 64).to_bytes())
    assert logs.verify().fault is None
