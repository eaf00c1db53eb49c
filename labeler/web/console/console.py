"""The console put together: one gate, and the pages behind it."""

from labeler.ports import HandleResolver
from labeler.service.access import Access
from labeler.service.labeler import Labeler
from labeler.service.operator.case_view import CaseViews
from labeler.service.operator.dossier import Dossiers
from labeler.service.rate import Rate
from labeler.web.console.cases import Cases
from labeler.web.console.gate import Gate
from labeler.web.console.members import Members
from labeler.web.console.overview import News, Overview
from labeler.web.console.records import Records
from labeler.web.pages import Pages
from labeler.web.site import Route


def console(
    pages: Pages, labeler: Labeler, access: Access, handles: HandleResolver, attempts: Rate, origin: str
) -> list[Route]:
    """Every path of the console. `attempts` counts logins by address; `origin` is our own."""
    gate = Gate(pages, access, attempts, labeler.clock.now, origin, lambda: News.of(labeler))
    dossiers = Dossiers(labeler.judge, labeler.labels, labeler.cases, labeler.history)
    views = CaseViews(labeler.desk, labeler.judge, labeler.cases, labeler.clock)
    return [
        *gate.routes(),
        *Overview(gate, labeler).routes(),
        *Members(gate, labeler, dossiers, handles).routes(),
        *Cases(gate, labeler, dossiers, views).routes(),
        *Records(gate, labeler).routes(),
    ]
