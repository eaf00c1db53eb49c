"""Settings → objects. The only file that names adapters: one `match` a seam, everything built once, closed in order.

The order of the end: stop listening, answer what was handed in, judge and publish it, tell people, tell subscribers
(1001), close the logs, let go of the lock.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Final

from aiohttp import web

from labeler.adapters.clock import SystemClock
from labeler.adapters.did_http import HttpDids
from labeler.adapters.handle_http import HttpHandles
from labeler.adapters.keyfile import KeyFileSigner
from labeler.adapters.lock import FileLock
from labeler.adapters.private_file import SMTP_PASSWORD, WEBHOOK_SECRET, read_secret
from labeler.adapters.smtp_notice import MailServer, SmtpNotifier
from labeler.adapters.sqlite import SqliteLabelLog, SqliteTelemetryLog
from labeler.adapters.webhook import WebhookNotifier
from labeler.doors import access, members, methods, rate, stream_limits, website
from labeler.errors import Misconfigured, Unavailable, first_cause
from labeler.moderation.cases import CaseBook
from labeler.moderation.docket import Docket
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.moderation.statuses import Statuses
from labeler.ports import Clock, DidResolver, HandleResolver, LabelLog, Notifier, Signer, TelemetryLog
from labeler.reputation.canary import Canary
from labeler.reputation.intake import Intake
from labeler.reputation.judge import Judge
from labeler.service.audit import note_settings
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.collector import spare_what_lasts
from labeler.service.did_cache import CachedDids
from labeler.service.handle_cache import CachedHandles
from labeler.service.health import Health
from labeler.service.hearing import Hearing
from labeler.service.http import Http
from labeler.service.identity import Identity
from labeler.service.ingest import Ingest
from labeler.service.labeler import Labeler
from labeler.service.notify import Notifications, look_at
from labeler.service.observe import JsonLines, Metrics
from labeler.service.operator.desk import Desk
from labeler.service.oversight import GRACE, Oversight
from labeler.service.pipeline import Pipeline
from labeler.service.policy_file import PolicyFile, read_policy
from labeler.service.recover import recover
from labeler.service.rehearsal import Rehearsal
from labeler.service.schema import load_lexicons
from labeler.service.self_check import SelfCheck
from labeler.service.signals import taken
from labeler.service.signing import Pen, Rotation
from labeler.service.stream import Streams
from labeler.service.wake import Wake
from labeler.settings import Settings

CATCH_UP_SECONDS: Final = 10.0  # what a crash left unjudged, before the doors open
DRAIN_SECONDS: Final = 20.0  # what is not judged by then is judged at the next start
TELL_SECONDS: Final = 5.0  # for notices that are still on their way to people
BACKLOG: Final = 1024  # connections the kernel holds while the loop is busy

log = logging.getLogger(__name__)


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Run the service until a signal ends it, on uvloop where there is one, with its log on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("aiohttp.websocket").setLevel(
        logging.ERROR
    )  # it warns of strangers' odd handshakes, in their words
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run(settings, ready=ready))


async def run(
    settings: Settings, *, ready: Callable[[str], None] | None = None, stop: asyncio.Event | None = None
) -> None:
    """Run the service until SIGTERM, SIGINT or `stop`; `ready` is told the address it listens on (http://host:port).

    Raises `Misconfigured` when it cannot start as told, `Unavailable` when a log cannot be reached at the start or the
    end, `Corrupt` when our own data contradicts itself.
    """
    stop = stop or asyncio.Event()
    corrupt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    canary = _canary(settings)
    async with (
        _assembled(settings, canary) as labeler,
        _published(settings) as dids,
        _remembered(dids, settings, labeler) as kept,
        handles(settings, kept, labeler.metrics) as named,
    ):
        self_check = SelfCheck(
            settings.service.did,
            labeler.signer.key_id,
            settings.service.endpoint,
            dids,
            labeler.pipeline,
            labeler.metrics,
        )
        health = Health(
            labeler.telemetry,
            labeler.labels,
            labeler.ingest,
            labeler.pipeline,
            labeler.clock,
            labeler.metrics,
            self_check,
        )
        lexicons = load_lexicons()
        streams = Streams(labeler.shown, labeler.published, lexicons, labeler.metrics, stream_limits(settings))
        identity = Identity(settings.service.did, labeler.signer.key_id, settings.service.endpoint)
        table = methods(settings, labeler, streams, self_check, ClaimedHandles(kept, named))
        known = access(settings, labeler, kept)
        http = Http(
            table,
            {**identity.pages(), **health.pages()},
            known,
            lexicons,
            labeler.metrics,
            lambda error: None if corrupt.done() else corrupt.set_exception(error),
            rate(settings, labeler.clock),
            website(settings, labeler, table, known, lexicons, named),
        )
        runner = http.runner()
        try:
            async with _working(settings, labeler) as group:
                files = _policy_files(labeler, canary)
                watching = [group.create_task(file.watch(text)) for file, text in files]
                failing = group.create_task(_forward(corrupt))
                await runner.setup()
                with taken(_actions(stop, [file for file, _ in files])):  # before anybody is told that we are here
                    url = await _listen(runner, settings)
                    log.info("serving", extra={"fields": {"listen": url, "did": settings.service.did}})
                    # Not before: a did:web may lead back to us.
                    checking = group.create_task(self_check.watch(settings.identity.check_seconds))
                    if ready is not None:
                        ready(url)
                    await stop.wait()
                log.info("shutting down")
                health.closing = True
                for site in list(runner.sites):
                    await site.stop()
                for task in (*watching, failing, checking):
                    task.cancel()
        finally:
            await streams.close()
            await runner.cleanup()


@asynccontextmanager
async def offline(settings: Settings) -> AsyncIterator[Labeler]:
    """Hold the lock and run everything but HTTP: for verbs that work where no service runs."""
    async with _assembled(settings) as labeler, _working(settings, labeler):
        yield labeler


@asynccontextmanager
async def input_log(settings: Settings) -> AsyncIterator[TelemetryLog]:
    """Open the input log to read it, beside a running service or without one; `Misconfigured` where there is none."""
    if not settings.service.data_dir.is_dir():
        raise Misconfigured(f"{settings.service.data_dir}: no labeler has run here yet, so there is no input log")
    async with _telemetry_log(settings) as telemetry:
        yield telemetry


@asynccontextmanager
async def audited(settings: Settings) -> AsyncIterator[tuple[TelemetryLog, LabelLog]]:
    """Open both logs read-only, beside a running service or without one; `Misconfigured` where none ever ran."""
    if not settings.service.data_dir.is_dir():
        raise Misconfigured(f"{settings.service.data_dir}: no labeler has run here yet, so there is nothing to audit")
    async with (
        _telemetry_log(settings, read_only=True) as telemetry,
        _label_log(settings, read_only=True) as labels,
    ):
        yield telemetry, labels


@asynccontextmanager
async def signing(settings: Settings) -> AsyncIterator[tuple[LabelLog, Pen]]:
    """Hold the lock and open the label log, to sign it anew where no service runs."""
    if not settings.service.data_dir.is_dir():
        raise Misconfigured(f"{settings.service.data_dir}: no labeler has run here yet, so there are no labels")
    pen = Pen(KeyFileSigner(settings.service.signing_key_file), settings.service.did)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(settings.service.data_dir / "lock").hold())
        except Misconfigured as error:
            raise Misconfigured(f"{error}. A running labeler signs anew by itself what an older key signed") from error
        async with _label_log(settings) as labels:
            yield labels, pen


@asynccontextmanager
async def _assembled(settings: Settings, canary: Canary | None = None) -> AsyncIterator[Labeler]:
    """Take the lock, open the logs, read the input log once, build the rest."""
    signer = KeyFileSigner(settings.service.signing_key_file)
    try:
        settings.service.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{settings.service.data_dir}: cannot be made: {error.strerror}") from error
    clock = SystemClock()
    with FileLock(settings.service.data_dir / "lock").hold():
        async with (
            _telemetry_log(settings) as telemetry,
            _label_log(settings) as labels,
            channels(settings, clock) as told,
        ):
            yield await _built(settings, signer, telemetry, labels, clock, told, canary)


async def _built(
    settings: Settings,
    signer: Signer,
    telemetry: TelemetryLog,
    labels: LabelLog,
    clock: Clock,
    told: Mapping[str, Notifier],
    canary: Canary | None,
) -> Labeler:
    metrics, arrived, published = Metrics(), Wake(), Wake()
    judge, intake = Judge(settings.service.did), Intake()
    bounds = await labels.bounds()
    notifications = Notifications(
        told, metrics, clock, kinds=settings.notify.kinds, link=look_at(settings.service.endpoint)
    )
    terms = settings.cases
    cases, history = CaseBook([timedelta(hours=hours) for hours in terms.reminder_hours]), History()
    docket = Docket(cases, history, Statuses(), Retention(timedelta(days=terms.report_days)))
    oversight = Oversight(judge, metrics, clock, docket, canary, notifications.tell)
    recovered = await recover(telemetry, bounds.checkpoint, oversight, intake)
    spare_what_lasts()
    ingest = Ingest(telemetry, intake, clock, arrived, metrics, recovered)
    await note_settings(labels, settings.describe(), clock)
    pen = Pen(signer, settings.service.did)
    pipeline = Pipeline(telemetry, labels, oversight, pen, clock, arrived, published, metrics)
    pipeline.start(bounds.checkpoint, bounds.head)
    metrics.input_head.set(recovered.head)
    metrics.lag.set_function(lambda: max(0, ingest.position - pipeline.position))
    policy = PolicyFile(settings.service.policy_file, ingest.activate, metrics)
    watched = _watched(settings, telemetry, oversight, metrics) if canary is not None else None
    rotated = not await labels.keys() <= {signer.key_id}
    rotation = Rotation(labels, pen, bounds.head, metrics) if rotated else None
    desk = Desk(judge, cases, ingest, pipeline, timedelta(hours=terms.removal_hours))
    return Labeler(
        clock,
        signer,
        telemetry,
        labels,
        judge,
        cases,
        history,
        docket.statuses,
        desk,
        Hearing(judge, cases, history, ingest, pipeline),
        ingest,
        pipeline,
        published,
        metrics,
        policy,
        watched,
        notifications,
        rotation,
    )


def _canary(settings: Settings) -> Canary | None:
    """The policy that is only watched, where one is configured."""
    path = settings.service.canary_policy_file
    return Canary(settings.service.did, read_policy(path), grace=GRACE) if path is not None else None


def _watched(settings: Settings, telemetry: TelemetryLog, oversight: Oversight, metrics: Metrics) -> PolicyFile | None:
    """The file of that policy, under watch itself."""
    path = settings.service.canary_policy_file
    if path is None:
        return None
    return PolicyFile(path, Rehearsal(settings.service.did, telemetry, oversight, GRACE).begin, metrics, canary=True)


@asynccontextmanager
async def _working(settings: Settings, labeler: Labeler) -> AsyncIterator[asyncio.TaskGroup]:
    """Run ingest and pipeline under the configured policy; at the end finish the one, then the other."""
    text = read_policy(settings.service.policy_file)
    try:
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(labeler.ingest.run())
            judging = group.create_task(labeler.pipeline.run(labeler.ingest.tick))
            telling = group.create_task(labeler.notifications.run())
            await labeler.policy.take_up(text, _policy_text(labeler))
            with contextlib.suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await labeler.pipeline.reached(labeler.ingest.position)
            signing = (
                None
                if labeler.rotation is None
                else group.create_task(labeler.rotation.run(lambda: labeler.pipeline.held))
            )
            yield group
            if signing is not None:
                signing.cancel()
            labeler.ingest.close()
            await writing
            labeler.pipeline.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await judging
            labeler.notifications.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_SECONDS):
                    await telling
    except BaseExceptionGroup as errors:
        raise first_cause(errors) from errors


def _published(settings: Settings) -> HttpDids:
    return HttpDids(settings.identity.plc_directory, own=settings.service.did, allow_local=settings.allow_local)


@asynccontextmanager
async def _remembered(dids: DidResolver, settings: Settings, labeler: Labeler) -> AsyncIterator[DidResolver]:
    known = [settings.service.did, *(member.did for _, member in members(settings))]
    kept = CachedDids(dids, labeler.metrics, known=known, keep=settings.identity.document_seconds)
    try:
        yield kept
    finally:
        await kept.close()


@asynccontextmanager
async def channels(settings: Settings, clock: Clock) -> AsyncIterator[dict[str, Notifier]]:
    """Open every configured way to reach people, by name; `Misconfigured` where a secret cannot be read."""
    notify = settings.notify
    found: dict[str, Notifier] = {}
    async with contextlib.AsyncExitStack() as stack:
        if notify.webhook_url is not None and notify.webhook_secret_file is not None:
            secret = read_secret(notify.webhook_secret_file, WEBHOOK_SECRET)
            found["webhook"] = await stack.enter_async_context(WebhookNotifier(notify.webhook_url, secret, clock))
        if notify.smtp_host is not None and notify.smtp_from is not None:
            login = None
            if notify.smtp_user is not None and notify.smtp_password_file is not None:
                login = notify.smtp_user, read_secret(notify.smtp_password_file, SMTP_PASSWORD)
            server = MailServer(notify.smtp_host, notify.smtp_port, notify.smtp_tls, notify.smtp_starttls, login)
            domain = settings.service.hostname.partition(":")[0]
            found["smtp"] = SmtpNotifier(server, notify.smtp_from, notify.smtp_to, domain, clock)
        yield found


@asynccontextmanager
async def handles(settings: Settings, dids: DidResolver, metrics: Metrics) -> AsyncIterator[HandleResolver]:
    """Resolve handles to the DIDs that `dids` knows to claim them, and remember them as long as documents."""
    async with HttpHandles(dids, allow_local=settings.allow_local) as found:
        kept = CachedHandles(found, metrics, keep=settings.identity.document_seconds)
        try:
            yield kept
        finally:
            await kept.close()


def _telemetry_log(settings: Settings, *, read_only: bool = False) -> AbstractAsyncContextManager[TelemetryLog]:
    match settings.storage.telemetry:
        case "sqlite":
            return SqliteTelemetryLog(settings.service.data_dir / "telemetry.sqlite", read_only=read_only)
        case other:
            raise Misconfigured(f'storage.telemetry: {other!r} is not a storage of this version; write "sqlite"')


def _label_log(settings: Settings, *, read_only: bool = False) -> AbstractAsyncContextManager[LabelLog]:
    match settings.storage.labels:
        case "sqlite":
            return SqliteLabelLog(settings.service.data_dir / "labels.sqlite", read_only=read_only)
        case other:
            raise Misconfigured(f'storage.labels: {other!r} is not a storage of this version; write "sqlite"')


async def _listen(runner: web.BaseRunner, settings: Settings) -> str:
    """Open the port; return the address with the port the system gave where 0 was asked for."""
    host, port = settings.service.address
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        raise Misconfigured(
            f"service.listen: cannot listen on {settings.service.listen}: {error.strerror}; choose another port"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{runner.addresses[0][1]}"


def _actions(stop: asyncio.Event, files: Sequence[PolicyFile]) -> dict[signal.Signals, Callable[[], None]]:
    """SIGTERM and SIGINT end the service, SIGHUP reads the policy files again."""

    def reload() -> None:
        for file in files:
            file.reload()

    return {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: reload}


async def _forward(corrupt: asyncio.Future[None]) -> None:
    """Bring what a request found corrupt to the task group, where it ends the process."""
    await corrupt


def _policy_files(labeler: Labeler, canary: Canary | None) -> list[tuple[PolicyFile, str | None]]:
    """The policy files to be followed, each with the text taken up from it."""
    files = [(labeler.policy, _policy_text(labeler))]
    if labeler.canary is not None and canary is not None:
        files.append((labeler.canary, canary.text))
    return files


def _policy_text(labeler: Labeler) -> str | None:
    return labeler.ingest.policy.text if labeler.ingest.policy is not None else None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional, and not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
