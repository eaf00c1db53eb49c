"""The queue of cases, and one case with its evidence and the form that decides it."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from labeler.atproto.syntax import is_did, parse_datetime
from labeler.errors import BadInput
from labeler.moderation.case_entries import CaseEntry
from labeler.moderation.case_queue import NOBODY, PLACE_NUMBERS, Place, Wanted, page
from labeler.moderation.cases import Case, CaseKind
from labeler.service.access import Role
from labeler.service.labeler import Labeler
from labeler.service.operator.case_view import CaseViews
from labeler.service.operator.cursor import read_cursor, write_cursor
from labeler.service.operator.desk import ACTS
from labeler.service.operator.dossier import Dossiers
from labeler.service.operator.emit_event import MAX_HOURS
from labeler.service.operator.read_cases import STATES
from labeler.service.operator.resolutions import MAX_CAP, Resolution
from labeler.web.console.gate import Gate, Visit
from labeler.web.console.words import FIELD_WORDS, KINDS, LATER
from labeler.web.forms import Form
from labeler.web.site import Route, lost, see_other

CASES: Final = "/console/cases"
PAGE: Final = 50
WHOSE: Final = ("anybody", "mine", "nobody")
_CONFLICTS: Final = frozenset({"CaseChanged", "CaseClosed", "CaseOpen"})
_DIGITS: Final = 9


class Cases:
    """The pages."""

    def __init__(self, gate: Gate, labeler: Labeler, dossiers: Dossiers, views: CaseViews) -> None:
        self._gate = gate
        self._labeler = labeler
        self._views = views
        self._dossiers = dossiers

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("GET", CASES, self._gate.seeing(self._list)),
            Route("GET", CASES + "/{number}", self._gate.seeing(self._show)),
            Route("POST", CASES + "/{number}/{act}", self._gate.acting(self._act)),
        ]

    async def _list(self, visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        query = visit.request.query
        asked = {
            "kind": query["kind"] if query.get("kind") in KINDS else "",
            "state": query["state"] if query.get("state") in STATES else "open",
            "whose": query["whose"] if query.get("whose") in WHOSE else "anybody",
            "q": query.get("q", "").strip()[:253],
        }
        wanted = Wanted(
            open=STATES[asked["state"]],
            kind=CaseKind(asked["kind"]) if asked["kind"] else None,
            assignee={"mine": visit.operator.did, "nobody": NOBODY}.get(asked["whose"]),
            part=asked["q"],
        )
        found = page(self._labeler.cases, wanted, _place(query.get("after")), PAGE)
        return self._gate.show(
            visit,
            "cases.html",
            here="cases",
            cases=[self._views.brief(case, visit.operator) for case in found.cases],
            total=found.total,
            asked=asked,
            kinds=KINDS,
            states=STATES,
            whose=WHOSE,
            begun="after" in query,
            more=urlencode(asked | {"after": write_cursor(found.behind)}) if found.behind is not None else None,
            is_did=is_did,
            age=lambda moment: age(parse_datetime(moment), visit.now),
        )

    async def _show(self, visit: Visit, found: Mapping[str, str]) -> web.StreamResponse:
        return await self._page(visit, self._case(found))

    def _case(self, found: Mapping[str, str]) -> Case:
        try:
            return self._labeler.desk.case(_number(found["number"]))
        except BadInput as error:
            raise lost(error.message) from error

    async def _page(self, visit: Visit, case: Case, status: int = 200, **values: Any) -> web.Response:
        view = self._views.full(case, visit.operator)
        policy = self._labeler.judge.policy
        options = [option for option in view["resolutions"] if visit.may(_rank(option["role"]))]
        fields = {field for option in options for part in ("needs", "oneOf", "takes") for field in option[part]}
        return self._gate.show(
            visit,
            "case.html",
            status,
            **{
                "here": "cases",
                "case": view["case"],
                "entries": view["entries"],
                "member": view.get("member"),
                "kind": KINDS[case.kind],
                "proofs": await self._dossiers.proofs(case) if "member" in view else [],
                "others": [other for other in self._labeler.cases.about(case.about) if other is not case][:10],
                "kinds": KINDS,
                "options": options,
                "fields": fields,
                "field_words": FIELD_WORDS,
                "least": min((option["role"] for option in view["resolutions"]), key=_rank, default=None),
                "rules": policy.rules if policy is not None else (),
                "reopening": ACTS["reopen"],
                "max_hours": MAX_HOURS,
                "age": lambda moment: age(parse_datetime(moment), visit.now),
                "problem": None,
                "changes": [],
                "form": Form([]),
                **values,
            },
        )

    async def _act(self, visit: Visit, form: Form, found: Mapping[str, str]) -> web.StreamResponse:
        case, act = self._case(found), found["act"]
        if act not in ACTS:
            raise lost("Nothing of that kind can be done with a case.")
        desk, revision = self._labeler.desk, form.number("revision")
        try:
            if revision is None:
                raise BadInput("The form does not say which revision of the case was looked at.")
            if act == "resolve":
                _, position = await desk.resolve(visit.operator, case.number, _resolution(form), revision=revision)
                visit.session.told = f"Case {case.number}: {form.text('resolution')}, done."
                if case.closed is not None:
                    visit.session.told = f"Case {case.number} is closed: {case.resolution}."
            else:
                comment = form.needed("comment") if act == "comment" else form.text("comment")
                _, position = await desk.act(visit.operator, case.number, act, comment=comment, revision=revision)
                visit.session.told = f"Case {case.number}: {act}, done."
            if not desk.taken(position):
                visit.session.told = LATER
        except BadInput as error:
            overtaken = error.name in _CONFLICTS or (revision is not None and revision != case.revision)
            status = 409 if overtaken else error.status
            changes = _since(case, revision) if overtaken else []
            return await self._page(visit, case, status, problem=error.message, changes=changes, form=form)
        return see_other(f"{CASES}/{case.number}")


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    minutes = max(0, int((now - moment).total_seconds()) // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _rank(role: str) -> Role:
    return Role[role.upper()]


def _since(case: Case, revision: int | None) -> list[CaseEntry]:
    """What people did since the revision that somebody looked at."""
    done = [entry for entry in case.entries if entry.what in ACTS]
    missed = case.revision - (revision if revision is not None else case.revision)
    return done[-missed:] if missed > 0 else done[-1:] if case.closed is not None else []


def _resolution(form: Form) -> Resolution:
    return Resolution(
        form.needed("resolution"),
        form.text("comment"),
        form.number("hours", MAX_HOURS),
        form.texts("exempt"),
        form.number("hourly_cap", MAX_CAP),
        form.number("daily_cap", MAX_CAP),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0


def _place(cursor: str | None) -> Place | None:
    """Where a page begins; what cannot be read is the beginning."""
    with contextlib.suppress(BadInput):
        return read_cursor(cursor, *[int] * PLACE_NUMBERS) if cursor is not None else None
    return None
