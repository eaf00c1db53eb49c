"""What a run found, for people and for machines."""

import json
from dataclasses import asdict, dataclass

MARKS = {"pass": "✓", "fail": "✗", "not applicable": "–"}


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check: `pass`, `fail` or `not applicable`; `detail` says why it is not the first."""

    check: str
    rows: tuple[int, ...]
    title: str
    outcome: str
    detail: str
    seconds: float


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    """How often each outcome came."""
    return {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in MARKS}


def as_json(url: str, verdicts: list[Verdict]) -> str:
    """The run as one JSON document."""
    checks = [asdict(verdict) for verdict in verdicts]
    return json.dumps({"target": url, "counts": counts(verdicts), "checks": checks}, indent=2, ensure_ascii=False)


def as_table(url: str, verdicts: list[Verdict]) -> str:
    """The run as a table, a line for every check and one more for every fault."""
    width = max(len(verdict.check) for verdict in verdicts)
    rows = {verdict.check: ", ".join(map(str, verdict.rows)) for verdict in verdicts}
    rows_width = max(len(text) for text in rows.values())
    lines = [f"{url}", ""]
    for verdict in verdicts:
        mark = MARKS[verdict.outcome]
        lines.append(f"{mark} {verdict.check:<{width}}  {rows[verdict.check]:<{rows_width}}  {verdict.title}")
        if verdict.detail:
            lines.append(f"  {'':<{width}}  {verdict.outcome}: {verdict.detail}")
    found = counts(verdicts)
    lines += ["", ", ".join(f"{number} {outcome}" for outcome, number in found.items())]
    return "\n".join(lines)
