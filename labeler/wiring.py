"""Settings → objects. The only file that names adapters: one `match` a seam, everything built once, closed in order.

The order of the end: stop listening, answer what was handed in, judge and publish it, tell people, tell subscribers
(1001), close the logs, let go of the lock.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from labeler.assembly import build, policy_files, watched_policy, working
from labeler.doors import access, members, methods, rate, stream_limits, website
from labeler.errors import Misconfigured
from labeler.ports import Clock, DidResolver, HandleResolver, LabelLog, Notifier, TelemetryLog
from labeler.reputation.canary import Canary
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.did_cache import CachedDids
from labeler.service.handle_cache import CachedHandles
from labeler.service.health import Health
from labeler.service.http import Http
from labeler.service.identity import Identity
from labeler.service.labeler import Labeler
from labeler.service.observe import JsonLines, Metrics
from labeler.service.policy_file import PolicyFile
from labeler.service.schema import load_lexicons
from labeler.service.self_check import SelfCheck
from labeler.service.signals import taken
from labeler.service.signing import Pen
from labeler.service.stream import Streams
from labeler.settings import Settings

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
    canary = watched_policy(settings)
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
            async with working(settings, labeler) as group:
                files = policy_files(labeler, canary)
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
    async with _assembled(settings) as labeler, working(settings, labeler):
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
            yield await build(settings, signer, telemetry, labels, clock, told, canary)


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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional, and not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
