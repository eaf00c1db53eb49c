"""Everything moderation keeps of the input log, fed together and in one order."""

from collections.abc import Sequence
from typing import NamedTuple

from labeler.moderation.cases import CaseBook
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.moderation.statuses import Statuses
from labeler.reputation.inputs import Input
from labeler.reputation.subject import Emission, Notice


class Docket(NamedTuple):
    """The folds: cases, what was said and done, how members stand, and how long people's words are kept."""

    cases: CaseBook
    history: History
    statuses: Statuses
    retention: Retention

    def take(
        self, position: int, record: Input, emissions: Sequence[Emission], notices: Sequence[Notice]
    ) -> list[Notice]:
        """Follow one record, the labels it led to and what people were told; return the reminders that fell due."""
        self.history.take(position, record, emissions)
        self.statuses.take(record, emissions, notices)
        reminders = self.cases.take(position, record, emissions, notices)
        for gone in self.retention.take(position, record):
            self.history.drop_text(gone)
            self.cases.drop_text(gone)
        return reminders
