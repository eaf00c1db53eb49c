"""All DIDs, and one: where it stands, what it did, what was said of it, and what an operator may say."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from labeler.atproto.syntax import is_did, is_handle
from labeler.errors import BadInput, Unavailable
from labeler.moderation.roster import STANDINGS, Place, Wanted
from labeler.ports import HandleResolver
from labeler.reputation.activity import DAY_HOURS, Stretch, activity
from labeler.reputation.definitions import DEFINITIONS, RELAY_MEMBER
from labeler.reputation.subject import Subject, epoch
from labeler.reputation.volume import HOUR_S
from labeler.service.labeler import Labeler
from labeler.service.operator.cursor import read_cursor, write_cursor
from labeler.service.operator.desk import Event
from labeler.service.operator.dossier import Dossiers
from labeler.service.operator.emit_event import MAX_HOURS
from labeler.service.operator.set_override import grant_words
from labeler.web.charts import SIZES, Band, Line, draw, utc
from labeler.web.console.gate import Gate, Visit
from labeler.web.console.words import COUNTS, KINDS, LATER, tell
from labeler.web.forms import Form
from labeler.web.pages import segment
from labeler.web.site import Route, lost, see_other

DIDS: Final = "/console/dids"
PAGE: Final = 50
TEXT_CHARS: Final = 253  # of what is searched for
SORTS: Final = {
    "standing": "gravest standing",
    "recent": "newest mail",
    "accepted": "most messages",
    "invalid": "most missing recipients",
    "complaints": "most complaints",
    "cases": "most open cases",
    "did": "DID",
}
"""What the list can be sorted by, as the form calls it."""
WIDTHS: Final = {"day": (30, DAY_HOURS), "hour": (7 * DAY_HOURS, 1)}
SHOWN_ENTRIES: Final = 100


class Chart(NamedTuple):
    """One chart: its heading, and which columns of a stretch are drawn under which names."""

    title: str
    columns: Mapping[str, str]


CHARTS: Final = {
    "sent": Chart("Messages sent", {"sent": "messages"}),
    "bounces": Chart("Bounces", {"missing": "no such recipient", "refused": "refused for policy"}),
    "domains": Chart("New recipient domains", {"domains": "not written to in the month before"}),
    "complaints": Chart("Complaints", {"complaints": "recipients who complained"}),
}


class Members:
    """The pages."""

    def __init__(self, gate: Gate, labeler: Labeler, dossiers: Dossiers, handles: HandleResolver) -> None:
        self._gate = gate
        self._labeler = labeler
        self._dossiers = dossiers
        self._handles = handles

    def routes(self) -> list[Route]:
        """The paths."""
        see, act = self._gate.seeing, self._gate.acting
        return [
            Route("GET", DIDS, see(self._list)),
            Route("GET", DIDS + "/{did}", see(self._show)),
            Route("GET", DIDS + "/{did}/charts/{name}.svg", see(self._chart)),
            Route("POST", DIDS + "/{did}/{what:label|comment|question}", act(self._say)),
        ]

    async def _list(self, visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        query = visit.request.query
        text = query.get("q", "").strip().removeprefix("@")[:TEXT_CHARS]
        standing = query.get("standing") if query.get("standing") in STANDINGS else None
        sort = query["sort"] if query.get("sort") in SORTS else "standing"
        if is_did(text):
            return see_other(f"{DIDS}/{segment(text)}")
        problem = None
        listing = await self._labeler.members.page(Wanted(text, standing, sort), _place(query.get("after")), PAGE)
        if is_handle(text) and (not listing.totals or "handle" in query):
            try:
                return see_other(f"{DIDS}/{segment(await self._handles.resolve(text))}")
            except BadInput as error:
                problem = error.message
            except Unavailable:
                problem = f"{text}: nobody could say which DID is behind this handle; try again."
        asked = {"q": text, "standing": standing or "", "sort": sort}
        return self._gate.show(
            visit,
            "dids.html",
            here="dids",
            listing=listing,
            asked=asked,
            problem=problem,
            is_handle=is_handle(text),
            standings=STANDINGS,
            sorts=SORTS,
            total=sum(listing.totals.values()),
            more=urlencode(asked | {"after": write_cursor(listing.behind)}) if listing.behind is not None else None,
            begun="after" in query,
        )

    async def _show(self, visit: Visit, found: Mapping[str, str]) -> web.StreamResponse:
        return await self._page(visit, _did(found))

    async def _page(self, visit: Visit, did: str, status: int = 200, **values: Any) -> web.Response:
        dossier = await self._dossiers.open(did, visit.now)
        by = visit.request.query.get("by", "day")
        by = by if by in WIDTHS else "day"
        shown = dossier.told[-SHOWN_ENTRIES:]
        line = [(one.n, one.entry, tell(one.entry, one.word)) for one in reversed(shown)]
        subject = self._labeler.judge.subjects.get(did)
        return self._gate.show(
            visit,
            "did.html",
            status,
            **{
                "here": "dids",
                "did": did,
                "dossier": dossier,
                "standing": dossier.standing,
                "member": subject.member if subject is not None else Subject().member,
                "known": subject is not None,
                "line": line,
                "left_out": dossier.left_out + len(dossier.told) - len(shown),
                "by": by,
                "charts": CHARTS,
                "stretches": self._stretches(did, visit, by),
                "sizes": SIZES,
                "at": utc,
                "kinds": KINDS,
                "counts": COUNTS,
                "grant_words": grant_words,
                "definitions": DEFINITIONS,
                "max_hours": MAX_HOURS,
                "problem": None,
                "form": Form([]),
                **values,
            },
        )

    async def _chart(self, visit: Visit, found: Mapping[str, str]) -> web.StreamResponse:
        did, by = _did(found), visit.request.query.get("by", "day")
        chart = CHARTS.get(found["name"])
        if chart is None or by not in WIDTHS:
            raise lost("There is no such chart.")
        width = timedelta(hours=WIDTHS[by][1])
        stretches = self._stretches(did, visit, by)
        lines = [
            Line(name, [getattr(stretch, column) for stretch in stretches]) for column, name in chart.columns.items()
        ]
        end = utc(stretches[-1].hour) + width
        bands = [
            Band(span.val, span.start, span.end or end)
            for span in await self._dossiers.spans(did)
            if span.val != RELAY_MEMBER
        ]
        size = SIZES["small" if visit.request.query.get("size") == "small" else "large"]
        starts = [utc(stretch.hour) for stretch in stretches]
        drawn = await asyncio.to_thread(draw, f"{chart.title}, by {by}", starts, width, lines, bands, size)
        # It is shown as an image: no policy of ours is asked about its styles, and it runs nothing.
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return web.Response(text=drawn, content_type="image/svg+xml", charset="utf-8", headers=policy)

    async def _say(self, visit: Visit, form: Form, found: Mapping[str, str]) -> web.StreamResponse:
        did, desk = _did(found), self._labeler.desk
        try:
            match found["what"]:
                case "label":
                    told = await self._label(visit, _label_event(did, form))
                case "comment":
                    await desk.decide(visit.operator, Event("comment", did, comment=form.needed("comment")))
                    told = "The comment is kept."
                case _:
                    question, _ = await desk.ask(visit.operator, did, form.text("comment"))
                    answer_by, again = desk.answer_by(question)
                    told = f"Asked{' already' if again else ''}; the answer is due by {answer_by:%Y-%m-%d %H:%M} UTC."
        except BadInput as error:
            return await self._page(visit, did, error.status, problem=error.message, form=form)
        visit.session.told = told
        return see_other(f"{DIDS}/{segment(did)}")

    async def _label(self, visit: Visit, event: Event) -> str:
        """Set a label or take it back; return what came of it."""
        before = self._stamps(event.did)
        decision, position = await self._labeler.desk.decide(visit.operator, event)
        if not self._labeler.desk.taken(position):
            return LATER
        if decision.event == "propose-removal":
            return "A removal is proposed; another admin must confirm it."
        if self._stamps(event.did) != before:
            return f"Done: {', '.join((*decision.apply, *decision.negate))}."
        return f"Nothing has changed: {event.apply[0]} is in force as it is."

    def _stamps(self, did: str) -> dict[str, Any]:
        subject = self._labeler.judge.subjects.get(did)
        return dict(subject.stamped) if subject is not None else {}

    def _stretches(self, did: str, visit: Visit, by: str) -> list[Stretch]:
        subject = self._labeler.judge.subjects.get(did) or Subject()
        return activity(subject.windows, epoch(visit.now) // HOUR_S, *WIDTHS[by])


def _did(found: Mapping[str, str]) -> str:
    if not is_did(found["did"]):
        raise lost("This is no DID.")
    return found["did"]


def _label_event(did: str, form: Form) -> Event:
    val, hours = form.needed("val"), form.number("hours", MAX_HOURS)
    match form.needed("act"):
        case "apply":
            return Event("label", did, apply=(val,), hours=hours, comment=form.text("comment"))
        case "negate":
            return Event("label", did, negate=(val,), hours=hours, comment=form.text("comment"))
        case other:
            raise BadInput(f"act must be apply or negate, not {other[:40]!r}.")


def _place(cursor: str | None) -> Place | None:
    """Where a page begins; what cannot be read is the beginning."""
    with contextlib.suppress(BadInput):
        return read_cursor(cursor, int, str) if cursor is not None else None
    return None
