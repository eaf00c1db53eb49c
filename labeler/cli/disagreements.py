"""What two policies disagree on, as `labeler replay --against` shows it: which labels stand under one of them only."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.cli.changes import finding_of
from labeler.cli.console import note, say, show_json, show_table
from labeler.reputation.canary import Canary, Disagreement, Side
from labeler.reputation.inputs import Input
from labeler.reputation.subject import Emission


class Disagreements:
    """Collects what the canary finds; shown at the end, in the order it began. `until`: how far time is to run on."""

    def __init__(self, canary: Canary, *, as_json: bool, until: datetime | None) -> None:
        self._canary = canary
        self._as_json = as_json
        self._until = until
        self._found: dict[tuple[str, str, datetime], Disagreement] = {}

    def take(self, record: Input | None, emissions: Iterable[Emission]) -> None:
        """Let the canary see a record (None: the time after the last one) and what the other policy made of it."""
        if record is not None:
            found = self._canary.take(record, emissions)
        elif self._until is not None:
            found = self._canary.run_on(self._until, emissions)
        else:
            return
        for one in found:
            self._found[one.did, one.val, one.since] = one

    def close(self, policy_used: str) -> None:
        """Show them, and what each side comes to."""
        found = sorted(self._found.values(), key=lambda one: (one.since, one.did, one.val))
        if self._as_json:
            for one in found:
                show_json(disagreement_line(one))
        else:
            show_table(("since", "until", "uri", "label", "only under", "by", "why"), map(_row, found))
        tell = note if self._as_json else say
        for side in Side:
            totals = self._canary.totals(side)
            tell(f"{side.value}: {totals.throttled} members throttled, {totals.suspended} suspended")
        tell(f"disagreements: {len(found)}, {len(self._canary.standing)} of them at the end")
        if self._canary.note is not None:
            tell(f"note: {self._canary.note}")
        candidate = self._canary.policy
        note(f"current{policy_used}; candidate; policy {candidate.name}, sha256 {candidate.hash}")


def disagreement_line(found: Disagreement) -> dict[str, Any]:
    """One disagreement for machines: `side` is where the label stands, `finding` what led to it there."""
    line: dict[str, Any] = {
        "at": format_datetime(found.since),
        "uri": found.did,
        "val": found.val,
        "side": found.side.value,
    }
    if found.until is not None:
        line["until"] = format_datetime(found.until)
    return line | {"rule": found.emission.rule, "finding": finding_of(found.emission)}


def _row(found: Disagreement) -> tuple[str, ...]:
    line = disagreement_line(found)
    why = line["finding"]["text"]
    return line["at"], line.get("until", "–"), line["uri"], line["val"], line["side"], line["rule"], why
