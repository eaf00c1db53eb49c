"""What the audit chain notes of the input log: every word of people, every policy.

Kept are who said what about whom and when, and where it stands in the input log. Personal text of members and of those
who report them is kept as its SHA-256 only: the text is in the input log, and the digest holds it there.

The bytes of an entry are for ever. A field that is added to a word must be left out of its entry while it says nothing,
or words of before would no longer agree with theirs.
"""

import hashlib
import tomllib
from typing import Any, Final

import msgspec

from labeler.atproto.syntax import format_datetime
from labeler.moderation.audit import LABELER, AuditEntry
from labeler.reputation.inputs import Answer, Automation, Batch, CaseAction, Input, PolicyActivated, Report, Tick, Word

_ELSEWHERE: Final = frozenset({"received", "operator", "reporter", "did", "text"})  # not in the body as they are
_NAMES: Final = {
    "duration_h": "durationInHours",
    "hourly_cap": "hourlyCap",
    "daily_cap": "dailyCap",
    "external_id": "externalId",
    "add_tags": "addTags",
    "remove_tags": "removeTags",
    "subject_cid": "subjectCid",
}


def word_entry(position: int, record: Input) -> AuditEntry | None:
    """What is noted of the record at `position`; None for telemetry and ticks, which are nobody's word."""
    match record:
        case Batch() | Tick():
            return None
        case PolicyActivated():
            told: dict[str, Any] = {"hash": _sha256(record.text), "mode": _mode(record.text)}
            about = actor = LABELER
        case Automation():
            told, about, actor = _fields(record), LABELER, record.operator
        case Report():
            told, about, actor = _fields(record), record.did, record.reporter
        case Answer():
            told, about, actor = _fields(record), record.did, record.did
        case CaseAction():
            told, about, actor = _fields(record), record.did or f"case:{record.case}", record.operator
        case _:
            told, about, actor = _fields(record), record.did, record.operator
    kind = str(record.__struct_config__.tag)
    return AuditEntry(kind, format_datetime(record.received), about, actor, {"position": position, **told})


def _fields(word: Word) -> dict[str, Any]:
    """What a word says, under the names of the wire; without what it does not say."""
    told: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(word).items():
        silent = value is None or value is False or value in ("", ())
        if name not in _ELSEWHERE and not silent:
            told[_NAMES.get(name, name)] = list(value) if isinstance(value, tuple) else value
    text = getattr(word, "text", None)
    return told if text is None else told | {"textSha256": _sha256(text)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mode(policy: str) -> str:
    """The mode as it is written: a policy that no later version of the program takes has its entry all the same."""
    return str(tomllib.loads(policy).get("mode", "enforce"))
