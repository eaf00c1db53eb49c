"""When which label stood, read out of the audit chain: a label begins, is renewed, runs out or is taken back."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from labeler.atproto.syntax import parse_datetime
from labeler.moderation.audit import AuditEntry


class Span(NamedTuple):
    """A label in force from `start` on; `end` None: no end is set. An `end` after now is when it will run out."""

    val: str
    start: datetime
    end: datetime | None


def spans(entries: Iterable[AuditEntry]) -> list[Span]:
    """The spans of one subject's labels out of its entries, ascending; in the order they began."""
    found: list[Span] = []
    standing: dict[str, int] = {}  # val → its place in `found`
    for entry in entries:
        if entry.kind != "label":
            continue
        val, at = str(entry.body["val"]), parse_datetime(entry.at)
        known = standing.get(val)
        if known is not None and _over(found[known], at):
            del standing[val]
            known = None
        if entry.body.get("neg"):
            if known is not None:
                found[known] = found[known]._replace(end=at)
                del standing[val]
            continue
        exp = entry.body.get("exp")
        end = parse_datetime(str(exp)) if exp is not None else None
        if known is None:
            standing[val] = len(found)
            found.append(Span(val, at, end))
        else:
            found[known] = found[known]._replace(end=end)
    return found


def _over(span: Span, at: datetime) -> bool:
    return span.end is not None and span.end <= at
