"""`tools.ozone.moderation.queryStatuses`: which members wait for whom, and how each stands.

Rule 1: pages are keyed by what they are sorted by, so that what happens meanwhile neither repeats nor hides a member
that stays as it is. Rule 2: members without the moment sorted by come last, in either direction. Rule 3: a filter on
something no member here has finds nobody.
"""

import hashlib
import heapq
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from labeler.atproto.syntax import parse_datetime
from labeler.errors import BadInput
from labeler.moderation.statuses import Statuses, SubjectStatus
from labeler.ports import Clock
from labeler.service.http import Call
from labeler.service.operator.ozone import DEFS, status_view
from labeler.service.operator.query_events import DEFAULT_LIMIT, DESCENDING, is_account_wanted, read_direction

Keep = Callable[[SubjectStatus], bool]
Key = tuple[int, int, int]  # has no such moment; the moment in ms, negated for the newest first; number

_FIELDS: Final[dict[str, Callable[[SubjectStatus], datetime | None]]] = {
    "lastReportedAt": lambda status: status.reported_at,
    "lastReviewedAt": lambda status: status.reviewed_at,
}
_OF_NOBODY: Final = (
    "hostingDeletedAfter",
    "hostingDeletedBefore",
    "hostingUpdatedAfter",
    "hostingUpdatedBefore",
    "hostingStatuses",
    "minReportedRecordsCount",
    "minTakendownRecordsCount",
    "minPriorityScore",
    "minStrikeCount",
    "ageAssuranceState",
)
_CURSOR: Final = re.compile(r"([01]):(-?[0-9]{1,16}):([0-9]{1,16})", re.ASCII)


class QueryStatuses:
    """The method over the statuses of all members."""

    def __init__(self, statuses: Statuses, clock: Clock) -> None:
        self._statuses = statuses
        self._clock = clock

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer one page; raises `BadInput` on a bad cursor, field or direction."""
        params, now = call.params, self._clock.now()
        limit, key = params.get("limit", DEFAULT_LIMIT), _key(params)
        past = _read_cursor(params.get("cursor"))
        keeps = list(_filters(params, now))
        chosen = (status for status in self._chosen(params) if all(keep(status) for keep in keeps))
        behind = (status for status in chosen if past is None or key(status) > past)
        found = heapq.nsmallest(limit + 1, behind, key=key)  # one more, to know whether it ends
        answer: dict[str, Any] = {"subjectStatuses": [status_view(status, now) for status in found[:limit]]}
        if len(found) > limit:
            answer["cursor"] = ":".join(map(str, key(found[limit - 1])))
        return answer

    def _chosen(self, params: dict[str, Any]) -> Iterator[SubjectStatus]:
        subject = params.get("subject")
        if subject is None:
            yield from self._statuses.by_did.values()
        elif subject in self._statuses.by_did:
            yield self._statuses.by_did[subject]


def _key(params: dict[str, Any]) -> Callable[[SubjectStatus], Key]:
    name = params.get("sortField", "lastReportedAt")
    if name not in _FIELDS:
        raise BadInput(f"sortField must be one of {', '.join(_FIELDS)}: accounts here have nothing else to sort by.")
    field, sign = _FIELDS[name], -1 if read_direction(params) == DESCENDING else 1

    def key(status: SubjectStatus) -> Key:
        at = field(status)
        return (1, 0, status.number) if at is None else (0, sign * int(at.timestamp() * 1000), status.number)

    return key


def _read_cursor(cursor: str | None) -> Key | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadInput("invalid cursor")
    return int(match[1]), int(match[2]), int(match[3])


def _filters(params: dict[str, Any], now: datetime) -> Iterator[Keep]:
    """One check for each filter that is asked for."""
    if any(params.get(name) for name in _OF_NOBODY) or not is_account_wanted(params):
        yield lambda _: False
    yield from _of_review(params, now)
    yield from _of_moments(params)
    yield from _of_tags(params, now)
    yield from _of_queue(params)
    ignored = params.get("ignoreSubjects")
    if ignored:
        yield lambda status: status.did not in ignored
    comment = params.get("comment", "").lower()
    if comment:
        yield lambda status: comment in (status.comment or "").lower()


def _of_review(params: dict[str, Any], now: datetime) -> Iterator[Keep]:
    state, by = params.get("reviewState"), params.get("lastReviewedBy")
    if state is not None:
        yield lambda status: DEFS + status.state == state
    if by is not None:
        yield lambda status: status.reviewed_by == by
    if "appealed" in params:
        yield lambda status: (status.appealed or False) == params["appealed"]
    if "takendown" in params:
        yield lambda status: status.stopped(now) == params["takendown"]
    least = params.get("minAccountSuspendCount")
    if least is not None:
        yield lambda status: status.suspensions >= least
    if params.get("onlyMuted"):
        yield lambda status: status.muted(now)
    elif not params.get("includeMuted") and "subject" not in params:
        yield lambda status: not status.muted(now)


def _of_moments(params: dict[str, Any]) -> Iterator[Keep]:
    for word, name in (("reported", "lastReportedAt"), ("reviewed", "lastReviewedAt")):
        for side in ("After", "Before"):
            if word + side in params:
                yield _at_side(_FIELDS[name], parse_datetime(params[word + side]), later=side == "After")


def _at_side(field: Callable[[SubjectStatus], datetime | None], bound: datetime, *, later: bool) -> Keep:
    def keep(status: SubjectStatus) -> bool:
        at = field(status)
        return at is not None and (at > bound if later else at < bound)

    return keep


def _of_tags(params: dict[str, Any], now: datetime) -> Iterator[Keep]:
    """Any of `tags`, each of which may ask for several at once by `&&`; none of `excludeTags`."""
    wanted = [{part.strip() for part in tag.split("&&")} for tag in params.get("tags", ())]
    unwanted = frozenset(params.get("excludeTags", ()))
    if wanted:
        yield lambda status: any(together <= {*status.tagged(now)} for together in wanted)
    if unwanted:
        yield lambda status: unwanted.isdisjoint(status.tagged(now))


def _of_queue(params: dict[str, Any]) -> Iterator[Keep]:
    """One moderator's share of the members, where several divide them."""
    count, index, seed = params.get("queueCount", 0), params.get("queueIndex"), params.get("queueSeed", "")
    if count > 1 and index is not None:
        yield lambda status: _drawn(seed, status.did) % count == index


def _drawn(seed: str, did: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {did}".encode()).digest()[:8])
