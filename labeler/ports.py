"""The seams between the judgement and the world: small protocols, their semantics in the docstrings.

An adapter implements a port completely or does not exist; `tests/contract/` holds one suite a port and runs it against
every adapter. Lifecycle is `async with`. Errors: `Unavailable` when the medium did not do its part (nothing was
written), `Corrupt` when what is stored contradicts itself.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.errors import BadInput, Corrupt
from labeler.moderation.audit import AuditEntry, Head, Kept, Link, Unchained, label_entry
from labeler.reputation.inputs import Input


class TelemetryLog(Protocol):
    """The input log. Positions are 1, 2, 3, … in the order of `append`, never reused, not even after `trim`."""

    async def append(self, records: Sequence[Input]) -> int:
        """Write all records or none, durably; return the position of the last one."""
        ...

    async def read(self, after: int, limit: int) -> Sequence[tuple[int, Input]]:
        """Up to `limit` records with position > `after`, ascending, as (position, record)."""
        ...

    async def head(self) -> int:
        """Position of the newest record, 0 when none was ever written."""
        ...

    async def trim(self, before: int) -> None:
        """Forget records with position < `before`; positions of the others stay as they are."""
        ...


class Entry(NamedTuple):
    """One label on its way into the log: signed, with the evidence and the words behind it.

    `evidence` is the canonical record (DAG-CBOR), `evidence_cid` its content address; `actor` is a rule id or an
    operator. `words`: what the audit chain is to say before it.
    """

    label: Label
    key_id: str
    evidence: bytes
    evidence_cid: str
    actor: str
    reason: str
    words: tuple[AuditEntry, ...] = ()

    def noted(self, seq: int) -> tuple[AuditEntry, ...]:
        """What the audit chain says of it once it has its `seq`."""
        return (*self.words, label_entry(seq, self.label, self.actor, self.reason, self.evidence_cid))


class Sequenced(NamedTuple):
    """A label with its place in the stream.

    `body` is the signed label as DRISL, byte for byte what `Label.to_bytes` gave: ready to be spliced into a frame.
    Whoever needs the fields asks for `label`, which decodes `body` anew each time; raises `Corrupt`.
    """

    seq: int
    body: bytes

    @property
    def label(self) -> Label:
        """The label itself."""
        try:
            return Label.from_map(cbor.decode(self.body))
        except BadInput as error:
            raise Corrupt(f"label {self.seq} in the log cannot be read: {error}") from error


class LabelQuery(NamedTuple):
    """What `queryLabels` asks: `exact` uris or `prefixes` (plain string prefixes; "" is everything), OR-ed."""

    exact: tuple[str, ...]
    prefixes: tuple[str, ...]
    after: int
    limit: int
    now: datetime


class Bounds(NamedTuple):
    """`floor`: newest seq ever pruned, 0 while the history is whole; `head`: newest seq ever given; `checkpoint`:
    input-log position up to which the labels stand in this log."""

    floor: int
    head: int
    checkpoint: int


class Resigned(NamedTuple):
    """How many labels were signed anew, and up to which seq none of another key is left; `done`: nowhere is one."""

    labels: int
    last: int
    done: bool


class Signer(Protocol):
    """Holds the label key. `key_id` is its did:key; `sign` returns r‖s, 64 bytes, low-S, over SHA-256 of `data`."""

    @property
    def key_id(self) -> str:
        """The did:key of the public half."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign `data` (unhashed)."""
        ...


class LabelLog(Protocol):
    """The label log: the only place that assigns seq, and the only one that lengthens the audit chain."""

    async def append(
        self, entries: Sequence[Entry], *, expected: int, checkpoint: int, audit: Sequence[AuditEntry] = ()
    ) -> list[int]:
        """Write seq, label rows, evidence, the audit chain and the checkpoint in ONE transaction; return the seqs.

        Conditional: when the stored checkpoint is not `expected`, another writer was here; raises `Corrupt` and
        writes nothing. `entries` may be empty (only the checkpoint moves). seq ≥ 1, strictly increasing in commit
        order, never reused. A new label supersedes the previous one with the same (src, uri, cid, val): the old row
        leaves `read` and `find`, its seq stays a gap.

        The chain grows by what is `noted` of each of `entries`, then by `audit`; the very first it is given come behind
        a `begin_entry` with the `at` of the first of them.
        """
        ...

    async def read(self, after: int, limit: int) -> Sequence[Sequenced]:
        """Up to `limit` labels with seq > `after`, ascending, superseded ones left out."""
        ...

    async def bounds(self) -> Bounds:
        """Where the log begins and ends, and how far the input log has been judged."""
        ...

    async def find(self, query: LabelQuery) -> Sequence[Sequenced]:
        """Labels matching `query`, ascending by seq > `query.after`, at most `query.limit`.

        Superseded rows never, expired ones (exp ≤ now) never, negations always (mirrors need them). Matching is
        byte-wise: case matters, `_` and `%` are ordinary characters.
        """
        ...

    async def evidence(self, seq: int) -> bytes | None:
        """The evidence record behind the label at `seq` (superseded or not), or None."""
        ...

    async def prune(self, before: int) -> None:
        """Forget labels with seq < `before`, superseded ones too; `floor` follows, `head` stays where it is.

        Their evidence and audit entries stay: what was decided remains provable. Consumers keep what they were told.
        """
        ...

    async def keys(self) -> frozenset[str]:
        """The key_ids that current labels are signed with. One that `resign` has not yet looked for may be among them
        although its last label is gone."""
        ...

    async def resign(self, signer: Signer, src: str, after: int, limit: int) -> Resigned:
        """Sign anew, in ONE transaction, up to `limit` current labels of `src` with seq > `after` that another key
        signed. Only `sig` and the key_id change: same seq, same `cts`, same everything."""
        ...

    async def audit(self, after: int, limit: int, about: str | None = None) -> Sequence[Link]:
        """Up to `limit` entries of the audit chain with number > `after`, ascending; only those `about` it, if given.

        Given out as they are stored, checked by nobody.
        """
        ...

    async def audit_head(self) -> Head:
        """Where the audit chain ends."""
        ...

    async def unchained(self) -> Unchained:
        """What was audited before there was a chain."""
        ...

    async def kept(self, after: int, limit: int) -> Sequence[Kept]:
        """What is left of up to `limit` labels with seq > `after`, ascending: superseded and pruned ones too."""
        ...


class DidResolver(Protocol):
    """Finds DID documents, and never takes long: a few seconds at most, whatever the other side does.

    A document is given out only if its `id` is the DID asked for; nothing else in it is checked.
    """

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """The document of `did`, the caller's to keep.

        `refresh` asks for what is published now rather than what is remembered; who remembers may hold back when asked
        too often, and then gives what it has. Raises `BadInput` when the DID has no document or none that may be
        fetched, `Unavailable` when nobody could say.
        """
        ...


class HandleResolver(Protocol):
    """Finds the DID behind a handle, and never takes long: ten seconds at most, whatever the other side does.

    A handle proves nothing by itself: whoever owns the name can point it at anybody. So a DID is given out only if its
    document claims the handle in return, `at://<handle>` in `alsoKnownAs`. Letters of any case are the same handle.
    """

    async def resolve(self, handle: str) -> str:
        """The DID of `handle`.

        Raises `BadInput`: `HandleNotFound` when it names no DID, `InvalidHandle` when it is none, names several, lies
        in a domain that is not resolved, or leads to a DID that does not claim it. Raises `Unavailable` when nobody
        could say.
        """
        ...


class Message(NamedTuple):
    """What people are told: a notice as it leaves the house. No address that mail came from or went to is ever in it.

    `about` is a DID or a provider, `at` when it happened, `link` where to look, `case` the number of the case that
    waits for a decision.
    """

    kind: str
    about: str
    at: datetime
    text: str
    link: str
    case: int | None = None

    @property
    def id(self) -> str:
        """32 hex digits; one that is told twice has the same."""
        said = (self.kind, self.about, self.at.isoformat(), self.text, str(self.case))
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]


class Notifier(Protocol):
    """One way to reach people."""

    async def send(self, message: Message) -> None:
        """Hand the message over, once, within half a minute; raises `Unavailable` when it was not surely taken,
        `Undeliverable` when trying again is in vain.

        The error says why, and holds neither a secret nor the address it was sent to. Who tries again may say the same
        thing twice; `message.id` tells.
        """
        ...


class Clock(Protocol):
    """The one place that reads the time."""

    def now(self) -> datetime:
        """Aware UTC, millisecond resolution, never going backwards within a process."""
        ...


class Lock(Protocol):
    """At most one writer a data directory; the lock dies with its process."""

    def hold(self) -> AbstractContextManager[None]:
        """Take the lock or raise `Misconfigured` saying who holds it."""
        ...
