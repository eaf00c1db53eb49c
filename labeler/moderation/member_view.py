"""What a member may know of the cases about it: that they are there and how they stand, in no operator's words.

Nobody who reported is named, and nothing is told that operators only consider: a removal proposed, a suspension that
the breaker held back.
"""

from collections.abc import Iterable
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.moderation.cases import Case, CaseKind

TOLD: Final = frozenset({CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN, CaseKind.ABUSE_REPORT, CaseKind.APPEAL})
SHOWN_MAX: Final = 20


def told_to_member(cases: Iterable[Case]) -> list[dict[str, Any]]:
    """Cases as their subject sees them (`email.atmos.reputation.defs#memberCase`), in the order given, the first 20."""
    return [_view(case) for case in cases if case.kind in TOLD][:SHOWN_MAX]


def _view(case: Case) -> dict[str, Any]:
    record: dict[str, Any] = {"id": case.number, "kind": case.kind.value, "openedAt": format_datetime(case.opened)}
    if case.answered is not None:
        record["answeredAt"] = format_datetime(case.answered)
    if case.closed is not None:
        record["closedAt"] = format_datetime(case.closed)
    if case.resolution is not None:
        record["resolution"] = case.resolution
    return record
