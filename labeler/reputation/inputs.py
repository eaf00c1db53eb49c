"""The input log's records: everything the fold sees, and nothing else.

Each record carries `received`, stamped once by the one clock; the fold takes it as `now`. Replaying the records gives
the published labels back byte for byte.
"""

from datetime import datetime

import msgspec

from labeler.reputation.events import SendEvent


class Batch(msgspec.Struct, frozen=True, tag="batch", omit_defaults=True):
    """Events admitted from one relay; no event in it was ever admitted before."""

    received: datetime
    relay: str
    events: tuple[SendEvent, ...]


class Decision(msgspec.Struct, frozen=True, tag="decision", omit_defaults=True):
    """What an operator decided about one subject. `duration_h` None means until further notice."""

    received: datetime
    operator: str
    did: str
    event: str = "label"
    apply: tuple[str, ...] = ()
    negate: tuple[str, ...] = ()
    duration_h: int | None = None
    comment: str | None = None
    external_id: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


class CaseAction(msgspec.Struct, frozen=True, tag="case", omit_defaults=True):
    """What an operator did about a case: `claim`, `release`, `comment`, `resolve` or `reopen`.

    A resolution may change labels of the case's subject as a decision does, and grant what an override grants. `kind`
    is the case's, `did` its subject where that is a member; `revision`: how many actions the case had seen when this
    one was decided on.
    """

    received: datetime
    operator: str
    case: int
    act: str
    kind: str
    did: str = ""
    resolution: str | None = None
    apply: tuple[str, ...] = ()
    negate: tuple[str, ...] = ()
    duration_h: int | None = None
    exempt: tuple[str, ...] = ()
    hourly_cap: int | None = None
    daily_cap: int | None = None
    comment: str | None = None
    revision: int | None = None


class Report(msgspec.Struct, frozen=True, tag="report", omit_defaults=True):
    """An account reported a member, or a member appealed. It judges nobody.

    `reason` is the report type's full name; `category` the short one that the policy rates.
    """

    received: datetime
    reporter: str
    did: str
    reason: str
    category: str
    appeal: bool = False
    text: str | None = None
    subject: str | None = None  # the record reported, as an AT URI, where it was not the account
    subject_cid: str | None = None
    tool: str | None = None  # the program it was made with, as that names itself


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """A member's answer to whatever it was asked or reported for."""

    received: datetime
    did: str
    text: str


class Automation(msgspec.Struct, frozen=True, tag="automation", omit_defaults=True):
    """From here on the rules decide (`enforce`), only record what they would (`shadow`), or rest (`pause`)."""

    received: datetime
    operator: str
    mode: str
    comment: str | None = None


class Question(msgspec.Struct, frozen=True, tag="question", omit_defaults=True):
    """An operator asked the member to explain; from here on the acceptable-use page's clock runs."""

    received: datetime
    operator: str
    did: str
    comment: str | None = None


class Override(msgspec.Struct, frozen=True, tag="override", omit_defaults=True):
    """What an operator grants one member until the term ends, instead of whatever was granted before.

    `exempt` names rules that judge it no more; caps replace the agreed ones. `duration_h` None means until further
    notice. Nothing granted takes the override back.
    """

    received: datetime
    operator: str
    did: str
    exempt: tuple[str, ...] = ()
    hourly_cap: int | None = None
    daily_cap: int | None = None
    duration_h: int | None = None
    comment: str | None = None


class PolicyActivated(msgspec.Struct, frozen=True, tag="policy", omit_defaults=True):
    """From here on this policy text decides. The text itself is kept: a hash alone could not be replayed."""

    received: datetime
    text: str


class Tick(msgspec.Struct, frozen=True, tag="tick", omit_defaults=True):
    """A timer of the fold came due; written when it fired, so that replay fires it at the same place."""

    received: datetime


Word = Decision | CaseAction | Report | Answer | Automation | Question | Override
"""What people said, each about one member or about the labeler itself."""

Input = Batch | Decision | CaseAction | Report | Answer | Automation | Question | Override | PolicyActivated | Tick

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Input)


def encode_input(record: Input) -> bytes:
    """Encode a record for the journal: MessagePack of the struct, one record a batch."""
    return _encoder.encode(record)


def decode_input(raw: bytes) -> Input:
    """Decode what `encode_input` wrote; raises `msgspec.DecodeError` on anything else."""
    return _decoder.decode(raw)  # type: ignore[no-any-return]
