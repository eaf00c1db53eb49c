"""The queue of cases, and one case with its evidence and the form that decides it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from labeler.atproto.syntax import is_did
from labeler.errors import BadInput
from labeler.moderation.case_entries import CaseEntry
from labeler.moderation.cases import Case, CaseKind
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.service.labeler import Labeler
from labeler.service.operator.desk import ACTS
from labeler.service.operator.dossier import Dossiers
from labeler.service.operator.emit_event import MAX_HOURS
from labeler.service.operator.resolutions import RESOLUTIONS, Resolution
from labeler.web.console.gate import Gate, Visit
from labeler.web.console.words import KINDS, LATER, RESOLUTION_WORDS
from labeler.web.forms import Form
from labeler.web.site import Route, lost, see_other

CASES: Final = "/console/cases"
PAGE: Final = 50
STATES: Final = ("open", "closed", "all")
WHOSE: Final = ("anybody", "mine", "nobody")
_RANK: Final = {"immediate": 0, "urgent": 1, "routine": 2}
_CONFLICTS: Final = frozenset({"CaseChanged", "CaseClosed", "CaseOpen"})
_DIGITS: Final = 9
_CAPS_MOST: Final = 10**6


class Cases:
    """The pages."""

    def __init__(self, gate: Gate, labeler: Labeler, dossiers: Dossiers) -> None:
        self._gate = gate
        self._labeler = labeler
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
            "kind": query.get("kind") if query.get("kind") in RESOLUTIONS else "",
            "state": query["state"] if query.get("state") in STATES else "open",
            "whose": query["whose"] if query.get("whose") in WHOSE else "anybody",
            "q": query.get("q", "").strip()[:253],
        }
        book = self._labeler.cases
        cases = sorted(
            _asked_for(book.open() if asked["state"] == "open" else book.cases.values(), asked, visit.operator.did),
            key=_urgency,
        )
        page = _number(query.get("page")) or 1
        shown = cases[(page - 1) * PAGE : page * PAGE]
        return self._gate.show(
            visit,
            "cases.html",
            here="cases",
            cases=shown,
            total=len(cases),
            asked=asked,
            kinds=KINDS,
            states=STATES,
            whose=WHOSE,
            page=page,
            pages=-(-len(cases) // PAGE),
            query=urlencode(asked),
            is_did=is_did,
            age=lambda moment: age(moment, visit.now),
        )

    async def _show(self, visit: Visit, found: Mapping[str, str]) -> web.StreamResponse:
        return await self._page(visit, self._case(found))

    def _case(self, found: Mapping[str, str]) -> Case:
        case = self._labeler.cases.cases.get(_number(found["number"]))
        if case is None:
            raise lost(f"There is no case {found['number'][:_DIGITS]}.")
        return case

    async def _page(self, visit: Visit, case: Case, status: int = 200, **values: Any) -> web.Response:
        about = is_did(case.about)
        judge = self._labeler.judge
        policy = judge.policy
        return self._gate.show(
            visit,
            "case.html",
            status,
            **{
                "here": "cases",
                "case": case,
                "kind": KINDS[case.kind],
                "proofs": await self._dossiers.proofs(case) if about else [],
                "standing": _standing(judge, case, visit.now) if about else None,
                "others": [other for other in self._labeler.cases.about(case.about) if other is not case][:10],
                "kinds": KINDS,
                "resolutions": {name: RESOLUTION_WORDS[name] for name in RESOLUTIONS[case.kind]},
                "grants": "override" in RESOLUTIONS[case.kind],
                "rules": policy.rules if policy is not None else (),
                "max_hours": MAX_HOURS,
                "age": lambda moment: age(moment, visit.now),
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
            if self._labeler.pipeline.position < position:
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


def _standing(judge: Judge, case: Case, now: datetime) -> Mapping[str, Any]:
    return standing(judge, case.about, now).full()


def _asked_for(cases: Iterable[Case], asked: Mapping[str, Any], did: str) -> Iterable[Case]:
    owner = {"mine": did, "nobody": None}
    for case in cases:
        fits = not asked["kind"] or case.kind is CaseKind(asked["kind"])
        fits = fits and (asked["state"] != "closed" or case.closed is not None)
        fits = fits and (asked["whose"] == "anybody" or case.assignee == owner[asked["whose"]])
        if fits and asked["q"].lower() in case.about.lower():
            yield case


def _urgency(case: Case) -> tuple[Any, ...]:
    """Open ones first, the escalated and urgent of them first, then the oldest; closed ones the newest first."""
    if case.closed is not None:
        return 1, False, 0, -case.closed.timestamp()
    return 0, not case.escalated, _RANK.get(case.urgency, len(_RANK)), case.opened.timestamp()


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
        form.number("hourly_cap", _CAPS_MOST),
        form.number("daily_cap", _CAPS_MOST),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
