"""`tools.ozone.moderation.queryEvents` and `getEvent`: what was said and done about members.

Rule 1: a cursor is the id of the last event seen; what happens meanwhile does not move the pages. Rule 2: a page may be
short and have a cursor all the same: one request looks at a bounded number of events. Rule 3: a filter on something
that no event here has finds nothing, as it would where events have it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from labeler.atproto.syntax import format_datetime, parse_datetime
from labeler.errors import BadInput
from labeler.moderation.history import Event, History
from labeler.moderation.statuses import Statuses
from labeler.ports import Clock
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.http import Call
from labeler.service.operator.ozone import event_view, repo_view
from labeler.service.query import read_cursor

DEFAULT_LIMIT: Final = 50
LOOKED_AT: Final = 5_000  # events that one request looks at
ASCENDING, DESCENDING = "asc", "desc"

Filter = Callable[[dict[str, Any]], bool]

_OF_NO_EVENT: Final = ("policies", "batchId", "ageAssuranceState")  # what events here never have


class QueryEvents:
    """The method over everything that is remembered. `src` is our own DID."""

    def __init__(self, history: History, src: str) -> None:
        self._history = history
        self._src = src

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer one page, the newest first unless asked otherwise; raises `BadInput` on a bad cursor or direction."""
        params = call.params
        limit = params.get("limit", DEFAULT_LIMIT)
        keeps = list(_filters(params))
        found: list[dict[str, Any]] = []
        events = self._chosen(params)
        for looked_at, (number, event) in enumerate(events, 1):
            view = event_view(number, event, self._src)
            if all(keep(view) for keep in keeps):
                found.append(view)
            if len(found) == limit or looked_at == LOOKED_AT:
                more = next(events, None) is not None
                return {"events": found} | ({"cursor": str(number)} if more else {})
        return {"events": found}

    def _chosen(self, params: dict[str, Any]) -> Iterator[tuple[int, Event]]:
        about = params.get("subject")
        record = about if about is not None and about.startswith("at://") else None
        if record is not None:
            about = record.removeprefix("at://").partition("/")[0]
        cursor = params.get("cursor")
        past = read_cursor(cursor) if cursor is not None else None
        oldest_first = read_direction(params) == ASCENDING
        for number, event in self._history.events(about, past=past, oldest_first=oldest_first):
            if record is None or record.rstrip("/") in (f"at://{about}", getattr(event, "subject", None)):
                yield number, event


class GetEvent:
    """One event with its subject."""

    def __init__(self, history: History, statuses: Statuses, handles: ClaimedHandles, clock: Clock, src: str) -> None:
        self._history = history
        self._statuses = statuses
        self._handles = handles
        self._clock = clock
        self._src = src

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer the modEventViewDetail; raises `BadInput` when there is no such event."""
        number = call.params["id"]
        event = self._history.event(number)
        if event is None:
            raise BadInput(f"There is no event {number}.")
        view = event_view(number, event, self._src)
        shown = {name: view[name] for name in ("id", "event", "createdBy", "createdAt", "modTool") if name in view}
        status = self._statuses.by_did.get(event.did)
        since = status.created if status is not None else event.received
        account = repo_view(event.did, await self._handles.of(event.did), since, status, self._clock.now())
        return shown | {"subject": {"$type": "tools.ozone.moderation.defs#repoView"} | account, "subjectBlobs": []}


def read_direction(params: dict[str, Any]) -> str:
    """Read sortDirection; raises `BadInput` for what is neither asc nor desc."""
    direction = params.get("sortDirection", DESCENDING)
    if direction not in (ASCENDING, DESCENDING):
        raise BadInput(f"sortDirection must be {ASCENDING} or {DESCENDING}.")
    return str(direction)


def is_account_wanted(params: dict[str, Any]) -> bool:
    """Whether accounts are among what is asked for; `collections` are of records, unless accounts are named."""
    kind = params.get("subjectType")
    if "subject" in params:
        return True
    return kind == "account" if kind is not None else not params.get("collections")


def _filters(params: dict[str, Any]) -> Iterator[Filter]:
    """One check for each filter that is asked for."""
    for name in _OF_NO_EVENT:
        if params.get(name):
            yield lambda _: False
    if params.get("withStrike"):
        yield lambda _: False
    if not is_account_wanted(params):
        yield lambda view: _of_record(view, params)
    elif params.get("subjectType") == "account":
        yield lambda view: "did" in view["subject"]
    yield from _of_envelope(params)
    yield from _of_content(params)


def _of_envelope(params: dict[str, Any]) -> Iterator[Filter]:
    types, by, tools = params.get("types"), params.get("createdBy"), params.get("modTool")
    if types:
        yield lambda view: view["event"]["$type"] in types
    if by is not None:
        yield lambda view: view["createdBy"] == by
    if tools:
        yield lambda view: view.get("modTool", {}).get("name") in tools
    after, before = _moment(params, "createdAfter"), _moment(params, "createdBefore")
    if after is not None:
        yield lambda view: view["createdAt"] >= after
    if before is not None:
        yield lambda view: view["createdAt"] <= before


def _of_content(params: dict[str, Any]) -> Iterator[Filter]:
    if params.get("hasComment"):
        yield lambda view: bool(view["event"].get("comment"))
    words = [word.strip().lower() for word in params.get("comment", "").split("||") if word.strip()]
    if words:
        yield lambda view: any(word in view["event"].get("comment", "").lower() for word in words)
    lists = {
        "addedLabels": "createLabelVals",
        "removedLabels": "negateLabelVals",
        "addedTags": "add",
        "removedTags": "remove",
    }
    for name, inside in lists.items():
        if params.get(name):
            yield _holds_all(inside, frozenset(params[name]))
    reasons = params.get("reportTypes")
    if reasons:
        yield lambda view: view["event"].get("reportType") in reasons


def _holds_all(name: str, wanted: frozenset[str]) -> Filter:
    return lambda view: wanted <= {*view["event"].get(name, ())}


def _of_record(view: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether an event is about a record of the kinds asked for; conversations are nobody's here."""
    if params.get("subjectType") not in (None, "record") or "uri" not in view["subject"]:
        return False
    collections = params.get("collections")
    named = view["subject"]["uri"].split("/")[3:4]  # none in a uri of an account, which older reports may hold
    return not collections or (bool(named) and named[0] in collections)


def _moment(params: dict[str, Any], name: str) -> str | None:
    """A moment as events write theirs, so that texts compare as moments do."""
    found: datetime | None = parse_datetime(params[name]) if name in params else None
    return format_datetime(found) if found is not None else None
