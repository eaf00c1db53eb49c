"""Pages of what is rare: incidents, shadow, a long history, no policy yet, a log that is away or contradicts itself."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest

from labeler.adapters.handle_static import StaticHandles
from labeler.errors import Corrupt
from labeler.reputation.inputs import Tick
from labeler.reputation.subject import Notice
from labeler.service.access import Access, Operator, Role
from labeler.service.http import Http
from labeler.service.labeler import Labeler
from labeler.service.operator import desk, dossier
from labeler.service.operator.resolutions import Resolution
from labeler.service.rate import Rate, RateLimits
from labeler.service.schema import load_lexicons
from labeler.web.assets import Assets
from labeler.web.console.cases import _resolution
from labeler.web.console.console import console
from labeler.web.console.members import _label_event
from labeler.web.forms import Form
from labeler.web.pages import Pages
from labeler.web.site import Site
from tests.e2e.console.conftest import text_of
from tests.unit.service.conftest import NOON, Service, sent_event
from tests.unit.web.serving import served

ADMIN = Operator("did:plc:admin", Role.ADMIN)
ALICE = "did:plc:alice"


class Console(NamedTuple):
    """A service over logs that can fail, and an admin who is logged in."""

    service: Service
    client: httpx.AsyncClient
    corrupted: list[Corrupt]

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return text_of(answer.text)


async def logged_in(service: Service) -> AsyncIterator[Console]:
    await service.start()
    nothing: Any = None
    labeler = Labeler(
        service.clock, nothing, service.telemetry, service.labels, service.judge, service.cases, service.history,
        service.statuses, service.desk, service.member_list, nothing, service.ingest, service.pipeline,
        service.published, service.metrics,
        nothing, nothing, nothing, nothing,
    )  # fmt: skip
    assets, corrupted = Assets(), list[Corrupt]()
    access = Access([(hashlib.sha256(b"admin").hexdigest(), ADMIN)], None, [ADMIN])
    pages = Pages("did:web:labeler.example.com", assets.url)
    attempts = Rate(RateLimits(), service.clock)
    routes = console(pages, labeler, access, StaticHandles(service.dids), attempts, "http://localhost")
    http = Http({}, {}, access, load_lexicons(), service.metrics, corrupted.append, None, Site(pages, routes))
    async with served(http) as client:
        assert (await client.post("/console/login", data={"token": "admin"})).status_code == 303
        yield Console(service, client, corrupted)
    await service.stop()


@pytest.fixture
async def office() -> AsyncIterator[Console]:
    async for made in logged_in(Service()):
        yield made


async def test_an_incident_is_a_case_about_a_provider(office: Console) -> None:
    cases = office.service.cases
    cases.take(1, Tick(NOON), [], [Notice("incident", "big<b>.example", NOON, "fails for 7 members, clean elsewhere")])
    office.service.judge.incidents.stretches["big<b>.example"] = [(int(NOON.timestamp()) // 3600,) * 2]
    assert "1: Provider incident" in await office.see("/console/cases")
    page = await office.see("/console/cases/1")
    assert "big<b>.example" in page
    assert "fails for 7 members" in page
    assert "Dismiss" in page
    assert "Lift" not in page
    raw = (await office.client.get("/console/cases/1")).text
    assert "<b>.example" not in raw


async def test_what_shadow_and_canary_say_is_counted(office: Console) -> None:
    metrics = office.service.metrics
    metrics.shadow.labels("mail-throttled", "velocity").inc(3)
    metrics.disagreed("mail-suspended", "candidate", over=False)
    page = await office.see("/console/policy")
    assert "mail-throttled velocity 3" in page
    assert "No canary policy is watched." in page  # whatever is counted from one that was


async def test_before_the_first_policy_pages_say_so(office: Console) -> None:
    office.service.judge._verdicts.policy = office.service.judge.enacted = None
    assert "No policy is in force yet." in await office.see("/console/policy")
    for path in ("/console", "/console/dids", f"/console/dids/{ALICE}"):
        await office.see(path)


async def test_a_long_history_is_cut_and_says_so(office: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dossier, "KEPT", 5)
    monkeypatch.setattr(dossier, "PAGE", 3)
    for number in range(6):
        assert (await office.service.emit(event=_event(number)))[0] == 200
    page = await office.see(f"/console/dids/{ALICE}")
    assert "7 older entries are left out" in page  # of twelve: six decisions, and a label for each
    assert "the audit has all" in page


def _event(number: int) -> dict[str, Any]:
    kind = {"createLabelVals": ["mail-throttled"], "negateLabelVals": []}
    undo = {"createLabelVals": [], "negateLabelVals": ["mail-throttled"]}
    return {"$type": "tools.ozone.moderation.defs#modEventLabel"} | (undo if number % 2 else kind)


async def test_the_newest_policy_activation_and_settings_are_in_the_audit(office: Console) -> None:
    page = await office.see("/console/audit")
    assert "policy activated (enforce)" in page
    assert "the audit chain begins" in page
    assert "There is no entry about did:plc:nobody" in await office.see("/console/audit?about=did:plc:nobody")


async def test_the_audit_is_read_page_by_page(office: Console) -> None:
    for number in range(60):
        await office.service.tell("email.atmos.operator.setOverride", "admin", hourlyCap=number + 1)
    newest = (await office.client.get("/console/audit")).text
    assert 'rel="next"' in newest
    older = await office.see("/console/audit?before=13")
    assert "the audit chain begins" in older
    about = (await office.client.get(f"/console/audit?about={ALICE}")).text
    assert "&amp;after=" in about


async def test_a_log_that_is_away_is_told_as_a_page(office: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PUBLISH_SECONDS", 0.1)
    assert (await office.service.emit(event=_suspend()))[0] == 200
    office.service.labels.broken = True
    answer = await office.client.post(
        "/console/dids/did:plc:bob/label", data={"csrf": await _csrf(office), "act": "apply", "val": "mail-throttled"}
    )
    assert answer.status_code == 303
    assert "It is kept, and takes effect as soon as labels can be published." in await office.see("/console")
    fields = {"csrf": await _csrf(office), "revision": "0", "resolution": "lift"}
    assert (await office.client.post("/console/cases/1/resolve", data=fields)).status_code == 303
    assert "It is kept, and takes effect" in await office.see("/console/cases/1")
    office.service.telemetry.broken = True
    answer = await office.client.post(
        f"/console/dids/{ALICE}/comment", data={"csrf": await _csrf(office), "comment": "x"}
    )
    assert answer.status_code == 503
    assert "try again" in answer.text
    assert "no space left" not in answer.text
    assert "The newest write to a log failed" in await office.see("/console")
    office.service.labels.broken = office.service.telemetry.broken = False
    await office.service.until(lambda: office.service.pipeline.position == office.service.ingest.position)
    assert "closed: lift" in await office.see("/console/cases/1")


def _suspend() -> dict[str, Any]:
    return {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-suspended"],
        "negateLabelVals": [],
    }


async def _csrf(office: Console) -> str:
    page = (await office.client.get("/console")).text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


async def test_our_own_corruption_is_told_without_details_and_ends_the_service(
    office: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise Corrupt("entry 3 does not follow")

    monkeypatch.setattr(office.service.labels, "audit", broken)
    page = await office.see("/console/audit", 500)
    assert "Internal Server Error" in page
    assert "entry 3" not in page
    assert len(office.corrupted) == 1


async def test_terms_of_one_member_and_blocks_are_shown(office: Console) -> None:
    service = office.service
    await service.submit(sent_event(1, kind="enrolled", domain="alice.example"))
    await service.tell("email.atmos.operator.setOverride", "admin", hourlyCap=7, exempt=["velocity"], durationInHours=5)
    assert (await service.emit())[0] == 200
    assert (await service.emit(event=_event(1)))[0] == 200
    page = await office.see(f"/console/dids/{ALICE}")
    assert "exempt from velocity, hourly cap 7" in page
    assert "Rules may not set mail-throttled" in page
    assert "alice.example" in await office.see("/console/dids?q=ALICE.example")


async def test_a_handle_that_nobody_has_is_said_to(office: Console) -> None:
    assert "nobody.example" in await office.see("/console/dids?q=nobody.example")


def test_a_typed_zero_is_no_field_left_empty() -> None:
    """What is done about it is the desk's: it refuses."""
    typed = [("hours", "0"), ("hourly_cap", "0"), ("daily_cap", "0")]
    assert _resolution(Form([("resolution", "override"), *typed])) == Resolution("override", None, 0, (), 0, 0)
    assert _resolution(Form([("resolution", "override")])) == Resolution("override")
    for act in ("apply", "negate"):
        assert _label_event(ALICE, Form([("act", act), ("val", "mail-throttled"), *typed])).hours == 0
