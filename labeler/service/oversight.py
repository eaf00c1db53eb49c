"""What the judgement says that is no label: told to people, and published nowhere.

Three things: what rules in shadow would have decided, notices (a suspension held back, a failing provider, an abuse
report), and what a canary policy would publish otherwise. All of it is logged and counted, and notices are handed to
who sends them out. While the log is replayed at the start nothing is told: it was told before.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from labeler.moderation.cases import CaseBook, CaseKind
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.ports import Clock
from labeler.reputation.canary import Canary, Disagreement
from labeler.reputation.inputs import Input, Report
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission, Notice
from labeler.reputation.volume import HOUR_S
from labeler.service.observe import Metrics

GRACE: Final = timedelta(minutes=1)
"""For how long the canary may be of another mind unnoticed: it fires its timers at their moment, and the judge's come
back from the log a little later."""

_CASES: Final = {kind.value: kind for kind in CaseKind} | {"unanswered": CaseKind.ABUSE_REPORT}

log = logging.getLogger(__name__)
shadows = logging.getLogger("labeler.shadow")
notices = logging.getLogger("labeler.notices")
disagreements = logging.getLogger("labeler.canary")


class Oversight:
    """The judge, stepped, and whoever looks over its shoulder. `canary`, if there is one, sees what the judge sees.

    `notify` takes each notice; it returns at once and never raises.
    """

    def __init__(
        self,
        judge: Judge,
        metrics: Metrics,
        clock: Clock,
        cases: CaseBook,
        history: History,
        canary: Canary | None = None,
        notify: Callable[[Notice], None] = lambda _: None,
        *,
        retention: Retention,
    ) -> None:
        self._judge = judge
        self._cases = cases
        self._history = history
        self._metrics = metrics
        self._clock = clock
        self._canary = canary
        self._notify = notify
        self._retention = retention
        self._held = 0
        self.position = 0  # of the newest record the judge has taken
        metrics.breaker_closed.set_function(lambda: float(judge.may_suspend))
        metrics.incidents.set_function(lambda: float(self._failing()))

    def step(self, position: int, record: Input) -> list[Emission]:
        """Take the record at `position` in and tell people what is theirs; return the labels to publish."""
        emissions = self._judge.step(record)
        self.position = position
        known = self._urgency(record)
        for notice in self._noted(position, record, emissions):
            repeated = known is not None and notice.kind == "abuse-report" and known == self._urgency(record)
            self._tell_notice(notice, sent=not repeated)
        self._compare(record, emissions, tell=True)
        for emission in emissions:
            if emission.shadow:
                self._tell_shadow(emission)
        return [emission for emission in emissions if not emission.shadow]

    def replay(self, position: int, record: Input) -> None:
        """Take in a record whose labels stand in the label log already."""
        emissions = self._judge.step(record)
        self.position = position
        self._noted(position, record, emissions)
        self._compare(record, emissions, tell=False)

    def watch(self, canary: Canary) -> None:
        """Put another canary in the place of the one there is; it must have seen what the judge has. Its report is a
        fresh one: what the old one disagreed on is gone, and what this one disagrees on stands, told once as a number.
        """
        self._canary, self._held = canary, canary.held
        self._metrics.canary_disagreements.clear()
        for found in canary.standing:
            self._metrics.disagreed(found.val, found.side, over=False)
        disagreements.warning(
            "a fresh report begins: the canary policy is another one, and disagrees on %d labels now",
            len(canary.standing),
            extra={"fields": {"policy": canary.policy.hash, "standing": len(canary.standing)}},
        )

    def due(self) -> datetime | None:
        """When the judge's next timer fires or the next reminder falls due, or None while nothing is pending."""
        return min((due for due in (self._judge.due(), self._cases.due()) if due is not None), default=None)

    def _noted(self, position: int, record: Input, emissions: list[Emission]) -> list[Notice]:
        """What people are told about a record, reminders of open cases included."""
        notices = list(self._judge.notices)
        self._judge.notices.clear()
        self._history.take(position, record)
        reminders = self._cases.take(position, record, emissions, notices)
        for gone in self._retention.take(position, record):
            self._history.drop_text(gone)
            self._cases.drop_text(gone)
        return [notice._replace(case=self._case_of(notice)) for notice in notices] + reminders

    def _case_of(self, notice: Notice) -> int | None:
        """The number of the case a notice opened or joined."""
        case = self._cases.find_open(_CASES[notice.kind], notice.about) if notice.kind in _CASES else None
        return case.number if case is not None else None

    def _failing(self) -> int:
        """How many providers are to blame in this hour or the last one."""
        hour = int(self._clock.now().timestamp()) // HOUR_S
        stretches = self._judge.incidents.stretches.values()
        return sum(any(last >= hour - 1 for _, last in stretch) for stretch in stretches)

    def _urgency(self, record: Input) -> str | None:
        """How urgent the open case is that an account's report would join.

        Any number of strangers may report: people are sent word when a case opens or becomes more urgent, no more.
        """
        case = self._cases.find_open(CaseKind.ABUSE_REPORT, record.did) if isinstance(record, Report) else None
        return case.urgency if case is not None else None

    def _tell_notice(self, notice: Notice, *, sent: bool = True) -> None:
        self._metrics.noticed(notice.kind)
        fields = {"kind": notice.kind, "about": notice.about, "since": notice.at}
        notices.warning("%s: %s", notice.kind, notice.text, extra={"fields": fields})
        if sent:
            self._notify(notice)

    def _tell_shadow(self, emission: Emission) -> None:
        label = emission.label
        negated = label.neg is True
        self._metrics.shadow.labels(label.val, emission.rule).inc()
        fields = {
            "uri": label.uri,
            "val": label.val,
            "neg": negated,
            "exp": label.exp,
            "rule": emission.rule,
            "reason": emission.reason,
            "evidence": emission.evidence_cid,
        }
        shadows.info("in shadow: %s%s", "-" if negated else "", label.val, extra={"fields": fields})

    def _compare(self, record: Input, emissions: list[Emission], *, tell: bool) -> None:
        """Let the canary see the record, and count what it disagrees on."""
        canary = self._canary
        if canary is None:
            return
        try:
            found = canary.take(record, emissions)
        except Exception:
            log.exception("the canary policy fell over; it is left out until its file changes")
            self._canary = None
            self._metrics.canary_disagreements.clear()
            return
        for disagreement in found:
            self._metrics.disagreed(disagreement.val, disagreement.side, over=disagreement.until is not None)
            if tell:
                _tell_disagreement(disagreement)
        if tell and canary.held > self._held:
            disagreements.warning("%s", canary.note)
        self._held = canary.held


def _tell_disagreement(found: Disagreement) -> None:
    fields = {
        "uri": found.did,
        "val": found.val,
        "side": found.side.value,
        "since": found.since,
        "until": found.until,
        "rule": found.emission.rule,
        "reason": found.emission.reason,
    }
    over = "no longer " if found.until is not None else ""
    disagreements.info("%sonly the %s policy says %s", over, found.side.value, found.val, extra={"fields": fields})
