"""The first page: how the pool does, what is in force, how fast it comes in, and whether the rules decide."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from labeler.errors import BadInput
from labeler.moderation.roster import STANDINGS
from labeler.reputation.activity import busiest_providers
from labeler.reputation.definitions import DEFINITIONS
from labeler.reputation.subject import epoch
from labeler.reputation.volume import HOUR_S
from labeler.service.labeler import Labeler
from labeler.service.operator.automation import automation_view
from labeler.web.console.gate import HOME, Gate, Visit
from labeler.web.console.words import KINDS, MODES
from labeler.web.forms import Form
from labeler.web.site import Route, see_other

PROVIDERS_SHOWN: Final = 15
SAMPLES: Final = 60
SAMPLE_SECONDS: Final = 5.0  # between two samples; so the rate is that of the last five minutes at most


class Tempo:
    """How many events a second come in, between the looks of those who ask."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def rate(self, now: float, total: float) -> tuple[float, float]:
        """Events a second, and over how many seconds; (0, 0) at the first look."""
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, total))
        began, before = self._samples[0]
        return ((total - before) / (now - began), now - began) if now > began else (0.0, 0.0)


class News(NamedTuple):
    """What every page shows in its head, and what scripts ask for again and again; cheap to tell."""

    open_cases: int
    mode: str
    seq: int
    lag: int
    mark: str

    @staticmethod
    def of(labeler: Labeler) -> "News":
        """As things stand. `mark` changes when a label was published or somebody said something."""
        seq, word = int(labeler.metrics.registry.get_sample_value("labeler_seq_head") or 0), 0
        if labeler.history.words:
            word = next(reversed(labeler.history.words))
        lag = max(0, labeler.ingest.position - labeler.pipeline.position)
        return News(sum(1 for _ in labeler.cases.open()), labeler.judge.automation, seq, lag, f"{seq}.{word}")


class Overview:
    """The page, its buttons, and the numbers for scripts."""

    def __init__(self, gate: Gate, labeler: Labeler) -> None:
        self._gate = gate
        self._labeler = labeler
        self._tempo = Tempo()

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("GET", HOME, self._gate.seeing(self._show)),
            Route("POST", "/console/automation", self._gate.acting(self._automate)),
            Route("GET", "/console/live", self._live),
        ]

    async def _show(self, visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        return await self._page(visit)

    async def _page(self, visit: Visit, status: int = 200, **values: Any) -> web.Response:
        labeler = self._labeler
        hour = epoch(visit.now) // HOUR_S
        totals = await labeler.members.totals()
        events = labeler.metrics.registry.get_sample_value("labeler_events_total", {"result": "accepted"}) or 0.0
        a_second, over = self._tempo.rate(visit.now.timestamp(), events)
        waiting = Counter(case.kind for case in labeler.cases.open())
        return self._gate.show(
            visit,
            "overview.html",
            status,
            **{
                "here": "overview",
                "modes": MODES,
                "kinds": KINDS,
                "totals": totals,
                "standings": STANDINGS,
                "definitions": DEFINITIONS,
                "rate": a_second,
                "rate_over": int(over),
                "events": int(events),
                "held": labeler.pipeline.held,
                "failed": labeler.ingest.failed or labeler.pipeline.failed,
                "heard": labeler.ingest.heard,
                "breaker": labeler.judge.breaker,
                "automation": automation_view(labeler.judge, labeler.history),
                "waiting": sorted(waiting.items()),
                "oldest": min((case.opened for case in labeler.cases.open()), default=None),
                "providers": busiest_providers(
                    labeler.judge.pool, labeler.judge.incidents.stretches, hour, PROVIDERS_SHOWN
                ),
                "policy": labeler.judge.enacted,
                "problem": None,
                "typed": "",
                **values,
            },
        )

    async def _automate(self, visit: Visit, form: Form, _: Mapping[str, str]) -> web.StreamResponse:
        try:
            word, _position = await self._labeler.desk.automate(
                visit.operator, form.needed("mode"), form.text("comment")
            )
        except BadInput as error:
            return await self._page(visit, error.status, problem=error.message, typed=form.text("comment") or "")
        visit.session.told = f"Automation is {word.mode} from here on."
        return see_other(HOME)

    async def _live(self, request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
        """The numbers in the head of every page. Asking for them keeps no session alive."""
        if self._gate.visitor(request, idly=True) is None:
            raise web.HTTPUnauthorized
        return web.json_response(News.of(self._labeler)._asdict())
