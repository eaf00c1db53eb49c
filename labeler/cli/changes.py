"""Label changes as `labeler replay` shows them: lines for machines as they come, at the end a table for people."""

from collections.abc import Iterable
from typing import Any

from labeler.atproto import cbor
from labeler.atproto.label import sign_label
from labeler.cli.console import note, show_json, show_table
from labeler.ports import Signer
from labeler.reputation.inputs import Input
from labeler.reputation.subject import Emission


class Changes:
    """What one policy decides. With a `signer`, the labels as published; `shadow`: also what is not."""

    def __init__(self, signer: Signer | None, *, as_json: bool, shadow: bool = False) -> None:
        self._signer = signer
        self._as_json = as_json
        self._shadow = shadow
        self._rows: list[tuple[str, ...]] = []
        self._published = self._pretended = 0

    def take(self, _: Input | None, emissions: Iterable[Emission]) -> None:
        """Show the changes that one record, or the time after the last one, led to."""
        for emission in emissions:
            if emission.shadow:
                self._pretended += 1
            else:
                self._published += 1
            if self._shadow or not emission.shadow:
                self._show(emission)

    def close(self, policy_used: str) -> None:
        """Show the table, and how many there were."""
        if self._signer is None and not self._as_json:
            show_table(("at", "uri", "change", "until", "by", "why"), self._rows)
        pretended = f", in shadow only: {self._pretended}" if self._pretended else ""
        note(f"label changes: {self._published}{pretended}{policy_used}")

    def _show(self, emission: Emission) -> None:
        if self._signer is not None:
            show_json(sign_label(emission.label, self._signer).to_json())
        elif self._as_json:
            show_json(change_line(emission))
        else:
            label = emission.label
            mark = ("−" if label.neg else "+") + label.val + (" (shadow)" if emission.shadow else "")
            why = finding_of(emission)["text"]
            self._rows.append((label.cts, label.uri, mark, label.exp or "–", emission.rule, why))


def change_line(emission: Emission) -> dict[str, Any]:
    """One label change for machines. `finding` is the rule's, with its numbers, or only the `text` of the reason."""
    label = emission.label
    line: dict[str, Any] = {"at": label.cts, "uri": label.uri, "val": label.val}
    if label.neg:
        line["neg"] = True
    if label.exp is not None:
        line["exp"] = label.exp
    if emission.shadow:
        line["shadow"] = True
    return line | {"rule": emission.rule, "finding": finding_of(emission)}


def finding_of(emission: Emission) -> dict[str, Any]:
    """The finding of the rule behind a change, out of its evidence; else the reason as `text`."""
    record = cbor.decode(emission.evidence)
    found = record["findings"] if isinstance(record, dict) else []
    findings = [finding for finding in found if isinstance(finding, dict)] if isinstance(found, list) else []
    return next((finding for finding in findings if finding["rule"] == emission.rule), {"text": emission.reason})
