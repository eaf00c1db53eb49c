"""`tools.ozone.moderation.getRepo`: one account as moderators see it: its name, its labels, how it stands."""

from datetime import UTC, datetime
from typing import Any, Final

from labeler.errors import BadInput
from labeler.moderation.statuses import Statuses
from labeler.ports import Clock, LabelLog, LabelQuery
from labeler.reputation.judge import Judge
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.http import Call
from labeler.service.operator.ozone import repo_view

MAX_LABELS: Final = 250
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # of members nobody ever enrolled or decided on


class GetRepo:
    """The method over what is known of a member."""

    def __init__(
        self, judge: Judge, statuses: Statuses, labels: LabelLog, handles: ClaimedHandles, clock: Clock
    ) -> None:
        self._judge = judge
        self._statuses = statuses
        self._labels = labels
        self._handles = handles
        self._clock = clock

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer the repoViewDetail; raises `BadInput` (RepoNotFound) for an account nobody spoke of."""
        did, now = call.params["did"], self._clock.now()
        subject, status = self._judge.subjects.get(did), self._statuses.by_did.get(did)
        if subject is None:
            raise BadInput("Nothing was ever heard of this account here.", name="RepoNotFound")
        found = await self._labels.find(LabelQuery((did,), (), 0, MAX_LABELS, now))
        labels = [label for label in (sequenced.label for sequenced in found) if not label.neg]
        moments = [label.since for label in subject.member.active.values()]
        moments += [at for at in (subject.member.since, status.created if status is not None else None) if at]
        account: dict[str, Any] = repo_view(did, await self._handles.of(did), min(moments, default=EPOCH), status, now)
        return account | {"labels": [label.to_json() for label in labels]}
