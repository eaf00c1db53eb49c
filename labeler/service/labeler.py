"""The labeler as one object: everything between the two logs, without a door to the outside."""

from dataclasses import dataclass

from labeler.moderation.cases import CaseBook
from labeler.moderation.history import History
from labeler.moderation.statuses import Statuses
from labeler.ports import Clock, LabelLog, Signer, TelemetryLog
from labeler.reputation.judge import Judge
from labeler.service.hearing import Hearing
from labeler.service.ingest import Ingest
from labeler.service.notify import Notifications
from labeler.service.observe import Metrics
from labeler.service.operator.desk import Desk
from labeler.service.operator.member_list import MemberList
from labeler.service.pipeline import Pipeline
from labeler.service.policy_file import PolicyFile
from labeler.service.signing import Rotation
from labeler.service.wake import Wake


@dataclass(frozen=True)
class Labeler:
    """Its parts, made once; whoever opens the logs closes them."""

    clock: Clock
    signer: Signer
    telemetry: TelemetryLog
    labels: LabelLog
    judge: Judge
    cases: CaseBook
    history: History
    statuses: Statuses
    desk: Desk
    members: MemberList
    hearing: Hearing
    ingest: Ingest
    pipeline: Pipeline
    published: Wake
    metrics: Metrics
    policy: PolicyFile
    canary: PolicyFile | None  # the policy that is only watched
    notifications: Notifications
    rotation: Rotation | None  # while the log may hold signatures of an older key

    @property
    def shown(self) -> LabelLog:
        """The label log as clients see it."""
        return self.rotation or self.labels
