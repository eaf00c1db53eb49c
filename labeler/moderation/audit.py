"""The audit chain: one entry for every label, word, policy and setting, each bound to all before it.

An entry's canonical bytes are DRISL. The chain over entries 1, 2, 3, …:

    hash(0) = 32 zero bytes        hash(n) = SHA-256(hash(n - 1) ‖ bytes of entry n)

So a hash stands for everything up to it, and whoever noted one down (n and hash, a pin) can tell later whether
anything before was edited, left out, put in or moved. Entry 1 is always a `begin`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self, cast

from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.errors import BadInput, Corrupt

VERSION: Final = 1
GENESIS: Final = bytes(32)
LABELER: Final = "labeler"
"""As `about` and `actor`: the labeler itself, which no DID and no rule is called."""

_TEXTS: Final = ("kind", "at", "about", "actor")


class AuditEntry(NamedTuple):
    """What happened: `kind` (begin, label, policy, setting, or a word of people: decision, case, report, answer,
    question, override, automation), `at` (datetime string), `about` (the label's uri, a DID, `case:N` or `LABELER`),
    `actor` (a DID, a rule or `LABELER`); `body` has text, whole numbers, booleans, lists and maps only, so that JSON
    shows it as it is.
    """

    kind: str
    at: str
    about: str
    actor: str
    body: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The canonical bytes; raises `BadInput` on what DRISL cannot say."""
        return cbor.encode(self._asdict())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read canonical bytes; raises `BadInput` on any other."""
        found = cbor.decode(raw)
        if not isinstance(found, dict) or found.keys() != set(cls._fields):
            raise BadInput("not a map of kind, at, about, actor and body")
        if not all(isinstance(found[name], str) for name in _TEXTS) or not isinstance(found["body"], dict):
            raise BadInput("kind, at, about and actor are text, body is a map")
        return cls(**cast(Any, found))


class Link(NamedTuple):
    """An entry in the chain: its number, what it can be found by, its canonical bytes, the hash up to and with it."""

    n: int
    about: str
    raw: bytes
    hash: bytes

    @property
    def entry(self) -> AuditEntry:
        """The entry itself, decoded anew each time; raises `Corrupt`."""
        try:
            return AuditEntry.from_bytes(self.raw)
        except BadInput as error:
            raise Corrupt(f"audit entry {self.n} cannot be read: {error}") from error


class Head(NamedTuple):
    """Where the chain ends: number and hash of the newest entry and its `at`. Before the first: 0, zeros, ''."""

    n: int
    hash: bytes
    at: str

    def __str__(self) -> str:
        return f"{self.n}:{self.hash.hex()}"

    def to_bytes(self, src: str) -> bytes:
        """What the labeler `src` signs when it publishes this head: DRISL of ver, src, n, hash (hex) and at.

        No label has these fields, so neither signature can be taken for the other's.
        """
        return cbor.encode({"ver": VERSION, "src": src, "n": self.n, "hash": self.hash.hex(), "at": self.at})


class Unchained(NamedTuple):
    """Audit rows of before there was a chain: how many, and SHA-256 over their DRISL, one list a row, in order."""

    rows: int
    digest: bytes


class Kept(NamedTuple):
    """What a log still has of the label it once published at `seq`: the record behind it, None when that is gone; its
    `body` the signed label as DRISL, None once it was pruned; `successor`, the seq of the label that took its place."""

    seq: int
    evidence: bytes | None
    body: bytes | None
    successor: int | None


def next_hash(before: bytes, raw: bytes) -> bytes:
    """The hash of an entry with bytes `raw` after `before`."""
    return hashlib.sha256(before + raw).digest()


def chained(head: Head, entries: Iterable[AuditEntry]) -> list[Link]:
    """Number and bind `entries` behind `head`."""
    links, n, before = [], head.n, head.hash
    for entry in entries:
        raw = entry.to_bytes()
        n, before = n + 1, next_hash(before, raw)
        links.append(Link(n, entry.about, raw, before))
    return links


def head_of(link: Link | None) -> Head:
    """The head of a chain whose newest entry is `link`."""
    return Head(0, GENESIS, "") if link is None else Head(link.n, link.hash, link.entry.at)


def begin_entry(at: str, seq: int, checkpoint: int, before: Unchained) -> AuditEntry:
    """The first entry: labels up to `seq` and input up to `checkpoint` are older than the chain, as are the rows
    `before`."""
    body = {
        "ver": VERSION,
        "seq": seq,
        "checkpoint": checkpoint,
        "rows": before.rows,
        "rowsSha256": before.digest.hex(),
    }
    return AuditEntry("begin", at, LABELER, LABELER, body)


def label_entry(seq: int, label: Label, actor: str, reason: str, evidence_cid: str) -> AuditEntry:
    """What is noted of a published label. Its `cts` is the entry's `at`, its `uri` the entry's `about`.

    `sha256` is over what was signed, without the signature: signing anew changes nothing.
    """
    body: dict[str, Any] = {
        "seq": seq,
        "src": label.src,
        "val": label.val,
        "reason": reason,
        "evidence": evidence_cid,
        "sha256": hashlib.sha256(label.unsigned_bytes()).hexdigest(),
    }
    optional = {"cid": label.cid, "neg": label.neg, "exp": label.exp}
    body |= {name: value for name, value in optional.items() if value is not None}
    return AuditEntry("label", label.cts, label.uri, actor, body)


def parse_pin(text: str) -> tuple[int, bytes]:
    """Read a pin as `Head` writes it, N:HASH; raises `BadInput`."""
    number, _, digits = text.strip().partition(":")
    if not (number.isascii() and number.isdecimal()) or len(number) > 16 or len(digits) != 64:
        raise BadInput(f"{text!r} is no pin; write N:HASH, as labeler audit head prints it")
    try:
        return int(number), bytes.fromhex(digits)
    except ValueError:
        raise BadInput(f"{text!r} is no pin; the hash is 64 hex digits") from None
