"""The service on a real socket, over logs in memory that can be made to fail, with a clock the test moves."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from labeler.adapters.did_static import StaticDids
from labeler.adapters.handle_static import StaticHandles
from labeler.adapters.memory import MemoryLabelLog, MemoryTelemetryLog
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.atproto.service_auth import AuthPolicy
from labeler.doors import ozone
from labeler.errors import Corrupt, Unavailable
from labeler.moderation.audit import AuditEntry
from labeler.moderation.cases import CaseBook
from labeler.moderation.docket import Docket
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.moderation.roster import Roster
from labeler.moderation.statuses import Statuses
from labeler.ports import Entry
from labeler.reputation.canary import Canary
from labeler.reputation.inputs import Input
from labeler.reputation.intake import Intake
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Notice
from labeler.service.access import (
    Access,
    Caller,
    Operator,
    Relay,
    Role,
    require_anyone,
    require_operator,
    require_relay,
)
from labeler.service.audit import GetAuditHead, ListAudit
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.create_report import CreateReport
from labeler.service.did_cache import CachedDids
from labeler.service.give_answer import GiveAnswer
from labeler.service.health import Health
from labeler.service.hearing import Hearing
from labeler.service.http import JSON_BYTES, Http, Method, Procedure, Query, Subscription
from labeler.service.identity import Identity
from labeler.service.ingest import Ingest
from labeler.service.labeler import Labeler
from labeler.service.observe import Metrics
from labeler.service.operator.ask_member import AskMember
from labeler.service.operator.casework import Office, casework
from labeler.service.operator.desk import Desk
from labeler.service.operator.member_list import MemberList
from labeler.service.operator.set_override import SetOverride
from labeler.service.oversight import Oversight
from labeler.service.pipeline import Pipeline
from labeler.service.query import Labels
from labeler.service.rate import Rate, RateLimits, ReportLimits, ReportRate
from labeler.service.recover import recover
from labeler.service.reputation import GetEvidence, GetPolicy, GetStanding
from labeler.service.schema import load_lexicons
from labeler.service.service_auth import ServiceAuth
from labeler.service.signing import Pen
from labeler.service.stream import StreamLimits, Streams
from labeler.service.submit import Submit
from labeler.service.wake import Wake
from tests.unit.service.ozone_client import Ozone

DID = "did:web:labeler.example.com"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = PrivateKey.from_hex("22" * 32)
POLICY = Path("labeler/policy.toml").read_text(encoding="utf-8")
LEXICONS = load_lexicons()
TOKENS: dict[str, Caller] = {
    "relay": Relay("did:web:smtp.example.com"),
    "other-relay": Relay("did:web:smtp.example.net"),
    "admin": Operator("did:plc:admin", Role.ADMIN),
    "moderator": Operator("did:plc:moderator", Role.MODERATOR),
    "triage": Operator("did:plc:triage", Role.TRIAGE),
}


class ManualClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


class Signer:
    """A signer over a fixed key."""

    key_id = KEY.public_key.did_key

    def sign(self, data: bytes) -> bytes:
        return KEY.sign(data)


class FlakyTelemetryLog(MemoryTelemetryLog):
    """An input log whose disk can fail, and which remembers how it was appended to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.appends: list[int] = []
        self.gate: asyncio.Event | None = None  # holds appends back until it is set
        self.at_gate = False

    async def append(self, records: Sequence[Input]) -> int:
        if self.gate is not None:
            self.at_gate = True
            await self.gate.wait()
        if self.broken:
            raise Unavailable("no space left on device")
        self.appends.append(len(records))
        return await super().append(records)


class FlakyLabelLog(MemoryLabelLog):
    """A label log whose disk can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.corrupt = False
        self.appends: list[tuple[int, int]] = []  # labels and checkpoint

    async def append(
        self, entries: Sequence[Entry], *, expected: int, checkpoint: int, audit: Sequence[AuditEntry] = ()
    ) -> list[int]:
        if self.broken:
            raise Unavailable("no space left on device")
        self.appends.append((len(entries), checkpoint))
        return await super().append(entries, expected=expected, checkpoint=checkpoint, audit=audit)

    async def bounds(self) -> Any:
        if self.broken:
            raise Unavailable("no space left on device")
        if self.corrupt:
            raise Corrupt("the head went backwards")
        return await super().bounds()


@dataclass
class Service:
    """One running service and the ways to speak to it."""

    clock: ManualClock = field(default_factory=ManualClock)
    telemetry: FlakyTelemetryLog = field(default_factory=FlakyTelemetryLog)
    labels: FlakyLabelLog = field(default_factory=FlakyLabelLog)
    metrics: Metrics = field(default_factory=Metrics)
    arrived: Wake = field(default_factory=Wake)
    published: Wake = field(default_factory=Wake)
    judge: Judge = field(default_factory=lambda: Judge(DID))
    canary: Canary | None = None
    policy_text: str = POLICY
    limits: StreamLimits = field(default_factory=StreamLimits)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    report_limits: ReportLimits = field(default_factory=ReportLimits)
    report_days: int = 90
    told: list[Notice] = field(default_factory=list)
    corrupted: list[Corrupt] = field(default_factory=list)
    signer_key: str = KEY.public_key.did_key
    dids: StaticDids = field(default_factory=StaticDids)
    handles: StaticHandles = field(init=False)
    members: list[Relay | Operator] = field(default_factory=list)
    policy: AuthPolicy = field(default_factory=AuthPolicy)

    async def start(self) -> None:
        bounds = await self.labels.bounds()
        intake = Intake()
        self.handles = StaticHandles(self.dids)
        self.cases, self.history = CaseBook([timedelta(hours=hours) for hours in (24, 48, 72)]), History()
        self.statuses = Statuses()
        docket = Docket(self.cases, self.history, self.statuses, Retention(timedelta(days=self.report_days)))
        oversight = self.oversight = Oversight(
            self.judge, self.metrics, self.clock, docket, self.canary, self.told.append
        )
        recovered = await recover(self.telemetry, bounds.checkpoint, oversight, intake)
        self.ingest = Ingest(self.telemetry, intake, self.clock, self.arrived, self.metrics, recovered)
        pen = Pen(Signer(), DID)
        self.pipeline = Pipeline(
            self.telemetry, self.labels, oversight, pen, self.clock, self.arrived, self.published, self.metrics
        )
        self.desk = Desk(self.judge, self.cases, self.ingest, self.pipeline, timedelta(hours=24))
        self.member_list = MemberList(Roster(self.judge, self.cases), self.clock)
        self.hearing = Hearing(self.judge, self.cases, self.history, self.ingest, self.pipeline)
        self.pipeline.start(bounds.checkpoint, bounds.head)
        self.streams = Streams(self.labels, self.published, LEXICONS, self.metrics, self.limits)
        self.health = Health(self.telemetry, self.labels, self.ingest, self.pipeline, self.clock, self.metrics)
        self.tasks = [
            asyncio.create_task(self.ingest.run()),
            asyncio.create_task(self.pipeline.run(self.ingest.tick)),
        ]
        if recovered.policy is None:
            await self.pipeline.reached(await self.ingest.activate(self.policy_text))
        await self._listen()

    async def _listen(self) -> None:
        identity = Identity(DID, Signer.key_id, "https://labeler.example.com")
        known = [member.did for member in self.members]
        self.cache = CachedDids(self.dids, self.metrics, known=known)
        access = Access(
            [(hashlib.sha256(token.encode()).hexdigest(), caller) for token, caller in TOKENS.items()],
            ServiceAuth(DID, self.cache, self.clock, self.metrics, known=known, policy=self.policy),
            self.members,
        )
        http = Http(
            self.methods(),
            {**identity.pages(), **self.health.pages()},
            access,
            LEXICONS,
            self.metrics,
            self.corrupted.append,
            Rate(self.rate_limits, self.clock, self.limits.proxies),
        )
        self.runner = http.runner()
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        self.session = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}", auto_decompress=False, skip_auto_headers=["Content-Type"]
        )

    def methods(self) -> dict[str, Method]:
        reports = ReportRate(self.report_limits, self.clock, self.limits.proxies)
        return {
            "com.atproto.moderation.createReport": Procedure(
                CreateReport(self.hearing).answer, require_anyone, rate=reports
            ),
            "email.atmos.reputation.answer": Procedure(GiveAnswer(self.hearing).answer, require_anyone, rate=reports),
            "com.atproto.label.queryLabels": Query(Labels(self.labels, self.clock, DID).answer),
            "com.atproto.label.subscribeLabels": Subscription(self.streams.subscribe),
            "email.atmos.telemetry.submitEvents": Procedure(
                Submit(self.ingest, self.metrics).answer,
                require_relay,
                2 * 1024 * 1024,
                raw=True,
                turns=asyncio.Semaphore(32),
            ),
            "email.atmos.reputation.getStanding": Query(
                GetStanding(self.judge, self.cases, self.clock).answer, checked=True, personal=True
            ),
            "email.atmos.reputation.getEvidence": Query(GetEvidence(self.labels).answer, require_anyone, checked=True),
            "email.atmos.reputation.getPolicy": Query(GetPolicy(self.judge, self.ingest).answer, checked=True),
            "email.atmos.reputation.getAuditHead": Query(
                GetAuditHead(self.labels, Pen(Signer(), DID)).answer, checked=True
            ),
            "email.atmos.operator.listAudit": Query(
                ListAudit(self.labels).answer, lambda caller: require_operator(caller, Role.TRIAGE), checked=True
            ),
            "email.atmos.operator.askMember": Procedure(
                AskMember(self.desk).answer,
                lambda caller: require_operator(caller, Role.MODERATOR),
            ),
            "email.atmos.operator.setOverride": Procedure(
                SetOverride(self.desk).answer,
                lambda caller: require_operator(caller, Role.ADMIN),
            ),
            **ozone(cast(Labeler, self), DID, self.team, ClaimedHandles(self.cache, self.handles), JSON_BYTES),
            **casework(Office(self.desk, self.judge, self.cases, self.history, self.member_list, self.clock)),
        }

    @property
    def shown(self) -> FlakyLabelLog:
        return self.labels

    @property
    def team(self) -> list[Operator]:
        return [caller for caller in (*TOKENS.values(), *self.members) if isinstance(caller, Operator)]

    async def stop(self) -> None:
        await self.session.close()
        await self.streams.close()
        await self.runner.cleanup()
        await self.cache.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, Any]:
        """Send one request; return status, parsed JSON (or bytes) and headers."""
        sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
        if data is not None or json is not None:
            sent["Content-Type"] = "application/json"
        content = io.BytesIO(data) if data is not None else None
        async with self.session.request(
            method, path, json=json, data=content, headers=sent | (headers or {})
        ) as answer:
            body = await answer.read()
            parsed = await answer.json() if body and answer.content_type == "application/json" else body
            return answer.status, parsed, answer.headers

    async def submit(self, *events: dict[str, Any], token: str = "relay") -> tuple[int, Any]:
        status, body, _ = await self.call(
            "POST", "/xrpc/email.atmos.telemetry.submitEvents", json={"events": list(events)}, token=token
        )
        return status, body

    async def emit(self, did: str = "did:plc:alice", token: str = "moderator", **body: Any) -> tuple[int, Any]:
        """Send emitEvent; by default it throttles `did`."""
        event = {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": ["mail-throttled"],
            "negateLabelVals": [],
        }
        sent = {
            "event": event,
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
            "createdBy": "did:plc:somebody",
        }
        status, answer, _ = await self.call(
            "POST", "/xrpc/tools.ozone.moderation.emitEvent", json=sent | body, token=token
        )
        return status, answer

    async def tell(self, nsid: str, token: str | None, **body: Any) -> tuple[int, Any]:
        """Call a procedure about did:plc:alice, or whom the body names."""
        status, answer, _ = await self.call("POST", f"/xrpc/{nsid}", json={"did": "did:plc:alice"} | body, token=token)
        return status, answer

    async def standing(self, token: str | None = "triage", did: str = "did:plc:alice") -> Any:
        """Where a member stands, as an operator sees it unless `token` is another's or nobody's."""
        status, body, _ = await self.call("GET", f"/xrpc/email.atmos.reputation.getStanding?did={did}", token=token)
        assert status == 200, body
        return body

    async def query(self, **params: Any) -> tuple[int, Any]:
        async with self.session.get("/xrpc/com.atproto.label.queryLabels", params=params) as answer:
            return answer.status, await answer.json()

    def subscribe(self, query: str = "", **options: Any) -> Any:
        return self.session.ws_connect("/xrpc/com.atproto.label.subscribeLabels" + query, **options)

    async def publish(self, count: int, did: str = "did:plc:member{}", size: int = 0) -> list[int]:
        """Put signed labels straight into the label log and wake the streams, past judge and pipeline."""
        checkpoint = (await self.labels.bounds()).checkpoint
        start = (await self.labels.bounds()).head
        entries = []
        for number in range(start + 1, start + count + 1):
            label = Label(
                src=DID,
                uri=did.format(number) + "x" * size,
                val="mail-throttled",
                cts="2026-03-02T12:00:00.000Z",
            )
            entries.append(Entry(sign_label(label, KEY), Signer.key_id, b"\xa0", "bafyevidence", "test", "because"))
        seqs = await self.labels.append(entries, expected=checkpoint, checkpoint=checkpoint)
        self.published.wake()
        return seqs

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for what only a counter or a flag tells."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - nobody signals it
                await asyncio.sleep(0.002)

    @asynccontextmanager
    async def busy_disk(self, jobs: int) -> AsyncIterator[None]:
        """Keep the input log busy with a tick, so that what the block hands over waits; lets go once `jobs` wait."""
        gate = self.telemetry.gate = asyncio.Event()
        tick = asyncio.create_task(self.ingest.tick())
        await self.until(lambda: self.telemetry.at_gate)
        yield
        await self.until(lambda: len(self.ingest._jobs) >= jobs)
        gate.set()
        await asyncio.gather(tick, return_exceptions=True)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def advance(self, **span: float) -> None:
        """Move the clock, and let the pipeline look at it."""
        self.clock.time += timedelta(**span)
        self.arrived.wake()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    running = Service()
    await running.start()
    yield running
    await running.stop()


def sent_event(number: int, **fields: Any) -> dict[str, Any]:
    event = {"id": f"event-{number}", "kind": "accepted", "did": "did:plc:alice", "at": "2026-03-02T11:59:00.000Z"}
    return event | fields


@pytest.fixture
def event() -> Any:
    """Return a maker of good events, numbered; keywords replace fields."""
    return sent_event


@pytest.fixture
def ozone_tool(service: Service) -> Ozone:
    """Return the Ozone doors of the service, as a moderation tool calls them."""
    return Ozone(service)
