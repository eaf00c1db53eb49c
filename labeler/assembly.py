"""Settings and open logs → one labeler, and the tasks that keep it at work. It knows no adapter."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from labeler.errors import Unavailable, first_cause
from labeler.moderation.cases import CaseBook
from labeler.moderation.docket import Docket
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.moderation.roster import Roster
from labeler.moderation.statuses import Statuses
from labeler.ports import Clock, LabelLog, Notifier, Signer, TelemetryLog
from labeler.reputation.canary import Canary
from labeler.reputation.intake import Intake
from labeler.reputation.judge import Judge
from labeler.service.audit import note_settings
from labeler.service.collector import spare_what_lasts
from labeler.service.hearing import Hearing
from labeler.service.ingest import Ingest
from labeler.service.labeler import Labeler
from labeler.service.notify import Notifications, look_at
from labeler.service.observe import Metrics
from labeler.service.operator.desk import Desk
from labeler.service.operator.member_list import MemberList
from labeler.service.oversight import GRACE, Oversight
from labeler.service.pipeline import Pipeline
from labeler.service.policy_file import PolicyFile, read_policy
from labeler.service.recover import recover
from labeler.service.rehearsal import Rehearsal
from labeler.service.signing import Pen, Rotation
from labeler.service.wake import Wake
from labeler.settings import Settings

CATCH_UP_SECONDS: Final = 10.0  # what a crash left unjudged, before the doors open
DRAIN_SECONDS: Final = 20.0  # what is not judged by then is judged at the next start
TELL_SECONDS: Final = 5.0  # for notices that are still on their way to people


async def build(
    settings: Settings,
    signer: Signer,
    telemetry: TelemetryLog,
    labels: LabelLog,
    clock: Clock,
    told: Mapping[str, Notifier],
    canary: Canary | None,
) -> Labeler:
    """Read the input log once and build everything that works on the two logs. Raises `Corrupt`, `Unavailable`."""
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
        MemberList(Roster(judge, cases), clock),
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


def watched_policy(settings: Settings) -> Canary | None:
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
async def working(settings: Settings, labeler: Labeler) -> AsyncIterator[asyncio.TaskGroup]:
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


def policy_files(labeler: Labeler, canary: Canary | None) -> list[tuple[PolicyFile, str | None]]:
    """The policy files to be followed, each with the text taken up from it."""
    files = [(labeler.policy, _policy_text(labeler))]
    if labeler.canary is not None and canary is not None:
        files.append((labeler.canary, canary.text))
    return files


def _policy_text(labeler: Labeler) -> str | None:
    return labeler.ingest.policy.text if labeler.ingest.policy is not None else None
