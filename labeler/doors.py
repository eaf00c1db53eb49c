"""Settings → doors: which methods there are, who may call them, and how much one caller may ask.

Nothing here knows an adapter: what stands behind the doors comes from `wiring`.
"""

import asyncio
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from labeler.atproto.did_document import LABELER_SERVICE
from labeler.atproto.lexicon import Lexicons
from labeler.atproto.service_auth import AuthPolicy
from labeler.ports import Clock, DidResolver, HandleResolver
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
from labeler.service.address import Network
from labeler.service.audit import GetAuditHead, ListAudit
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.create_report import CreateReport
from labeler.service.give_answer import GiveAnswer
from labeler.service.http import Answer, Method, Procedure, Query, Subscription
from labeler.service.labeler import Labeler
from labeler.service.operator.ask_member import AskMember
from labeler.service.operator.casework import Office, casework
from labeler.service.operator.emit_event import EmitEvent
from labeler.service.operator.get_repo import GetRepo
from labeler.service.operator.query_events import GetEvent, QueryEvents
from labeler.service.operator.query_statuses import QueryStatuses
from labeler.service.operator.set_override import SetOverride
from labeler.service.operator.team import GetConfig, ListMembers
from labeler.service.peer import Patience
from labeler.service.query import Labels
from labeler.service.rate import Rate, RateLimits, ReportLimits, ReportRate
from labeler.service.reputation import GetEvidence, GetPolicy, GetStanding
from labeler.service.self_check import SelfCheck
from labeler.service.service_auth import ServiceAuth
from labeler.service.signing import Pen
from labeler.service.stream import StreamLimits, Streams
from labeler.service.submit import Submit
from labeler.settings import Settings
from labeler.web.assets import Assets
from labeler.web.calls import Calls
from labeler.web.console.console import console
from labeler.web.front import front
from labeler.web.member import MemberPages
from labeler.web.pages import Pages
from labeler.web.site import Site

LOGINS: Final = 20  # attempts to log in to the console that one address has in …
LOGIN_SECONDS: Final = 300
BATCHES_AT_ONCE: Final = 32  # twice what goes into one append, so that one group gathers while another is written


def methods(
    settings: Settings, labeler: Labeler, streams: Streams, self_check: SelfCheck, handles: ClaimedHandles
) -> dict[str, Method]:
    """Every method by its NSID, with who may call it and how large a body may be."""
    ingest, judge, clock = labeler.ingest, labeler.judge, labeler.clock
    labels = Labels(labeler.shown, clock, settings.service.did)
    team = [member for _, member in members(settings) if isinstance(member, Operator)]
    reports = report_rate(settings, clock)
    return {
        "com.atproto.label.queryLabels": Query(self_check.agreeing(labels.answer)),
        "com.atproto.label.subscribeLabels": Subscription(self_check.agreeing(streams.subscribe)),
        "email.atmos.telemetry.submitEvents": Procedure(
            Submit(ingest, labeler.metrics).answer,
            require_relay,
            settings.limits.batch_bytes,
            raw=True,
            turns=asyncio.Semaphore(BATCHES_AT_ONCE),
        ),
        "email.atmos.reputation.getStanding": Query(
            GetStanding(judge, labeler.cases, clock).answer, checked=True, personal=True
        ),
        "email.atmos.reputation.getEvidence": Query(GetEvidence(labeler.labels).answer, require_anyone, checked=True),
        "email.atmos.reputation.getPolicy": Query(GetPolicy(judge, ingest).answer, checked=True),
        "email.atmos.reputation.answer": Procedure(
            GiveAnswer(labeler.hearing).answer, require_anyone, settings.limits.json_bytes, rate=reports
        ),
        "com.atproto.moderation.createReport": Procedure(
            CreateReport(labeler.hearing).answer, require_anyone, settings.limits.json_bytes, rate=reports
        ),
        "email.atmos.reputation.getAuditHead": Query(
            self_check.agreeing(GetAuditHead(labeler.labels, Pen(labeler.signer, settings.service.did)).answer),
            checked=True,
        ),
        "email.atmos.operator.askMember": Procedure(
            AskMember(labeler.desk).answer,
            lambda caller: require_operator(caller, Role.MODERATOR),
            settings.limits.json_bytes,
        ),
        "email.atmos.operator.setOverride": Procedure(
            SetOverride(labeler.desk).answer,
            lambda caller: require_operator(caller, Role.ADMIN),
            settings.limits.json_bytes,
        ),
        "email.atmos.operator.listAudit": Query(
            ListAudit(labeler.labels).answer, lambda caller: require_operator(caller, Role.TRIAGE), checked=True
        ),
        **casework(
            Office(labeler.desk, judge, labeler.cases, labeler.history, labeler.members, clock),
            settings.limits.json_bytes,
        ),
        **ozone(labeler, settings.service.did, team, handles, settings.limits.json_bytes),
    }


def ozone(
    labeler: Labeler, did: str, team: Sequence[Operator], handles: ClaimedHandles, json_bytes: int
) -> dict[str, Method]:
    """The doors that existing moderation tools use. Who may emit an event depends on the event; the desk knows."""
    clock, history, statuses = labeler.clock, labeler.history, labeler.statuses

    def read(answer: Answer) -> Query:
        return Query(answer, lambda caller: require_operator(caller, Role.TRIAGE), checked=True)

    return {
        "tools.ozone.moderation.emitEvent": Procedure(
            EmitEvent(labeler.desk, did).answer, lambda caller: require_operator(caller, Role.TRIAGE), json_bytes
        ),
        "tools.ozone.moderation.queryEvents": read(QueryEvents(history, did).answer),
        "tools.ozone.moderation.getEvent": read(GetEvent(history, statuses, handles, clock, did).answer),
        "tools.ozone.moderation.queryStatuses": read(QueryStatuses(statuses, clock).answer),
        "tools.ozone.moderation.getRepo": read(GetRepo(labeler.judge, statuses, labeler.shown, handles, clock).answer),
        "tools.ozone.team.listMembers": read(ListMembers(team).answer),
        "tools.ozone.server.getConfig": Query(GetConfig().answer, require_anyone, checked=True),
    }


def website(
    settings: Settings,
    labeler: Labeler,
    table: Mapping[str, Method],
    known: Access,
    lexicons: Lexicons,
    handles: HandleResolver,
) -> Site:
    """The pages for people: everybody's, which call methods as everybody does, and the operators' console."""
    assets, own = Assets(), settings.service
    pages = Pages(own.did, assets.url)
    calls = Calls(table, known, lexicons)
    audience = own.did if settings.identity.accept_bare_audience else own.did + LABELER_SERVICE
    member = MemberPages(pages, calls, handles, origin=own.endpoint, audience=audience, contact=own.contact)
    attempts = Rate(RateLimits(address=LOGINS, seconds=LOGIN_SECONDS), labeler.clock, _proxies(settings))
    operators = console(pages, labeler, known, handles, attempts, own.endpoint)
    return Site(pages, [*front(pages, table), *assets.routes(), *member.routes(), *operators])


def stream_limits(settings: Settings) -> StreamLimits:
    """What one subscriber may ask."""
    limits = settings.limits
    return StreamLimits(
        subscribers=limits.subscribers,
        per_address=limits.subscribers_per_address,
        buffer_bytes=limits.slow_consumer_bytes,
        patience=Patience(ping=limits.ping_seconds, stuck=limits.slow_consumer_seconds, silent=limits.silent_seconds),
        proxies=_proxies(settings),
    )


def rate(settings: Settings, clock: Clock) -> Rate:
    """How often one caller may ask."""
    limits = settings.limits
    return Rate(
        RateLimits(limits.relay_requests, limits.address_requests, limits.window_seconds), clock, _proxies(settings)
    )


def report_rate(settings: Settings, clock: Clock) -> ReportRate:
    """How much one account may say."""
    limits = settings.limits
    return ReportRate(
        ReportLimits(limits.account_reports, limits.address_reports, limits.reports_seconds), clock, _proxies(settings)
    )


def _proxies(settings: Settings) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(network) for network in settings.service.trusted_proxies)


def members(settings: Settings) -> Iterator[tuple[str | None, Relay | Operator]]:
    """Everybody the configuration names, with the hash of the token if there is one."""
    for relay in settings.relays:
        yield relay.token_sha256, Relay(relay.did)
    for operator in settings.operators:
        yield operator.token_sha256, Operator(operator.did, Role[operator.role.upper()])


def access(settings: Settings, labeler: Labeler, dids: DidResolver) -> Access:
    """Who is known, by token or by DID."""
    known = list(members(settings))
    policy = AuthPolicy(bare_audience=settings.identity.accept_bare_audience, localhost_issuer=settings.allow_local)
    service_auth = ServiceAuth(
        settings.service.did,
        dids,
        labeler.clock,
        labeler.metrics,
        known=[member.did for _, member in known],
        policy=policy,
    )
    tokens: list[tuple[str, Caller]] = [(digest, member) for digest, member in known if digest is not None]
    return Access(tokens, service_auth, [member for _, member in known])
