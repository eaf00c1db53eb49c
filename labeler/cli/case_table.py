"""Cases as people read them on a terminal."""

from collections.abc import Sequence
from typing import Any

from labeler.cli.console import say, show_table


def show_cases(cases: Sequence[dict[str, Any]]) -> None:
    """Print cases, one a line."""
    if not cases:
        say("Nothing waits.")
        return
    show_table(
        ("case", "kind", "about", "urgency", "opened", "state", "assignee", "what"),
        [
            (
                str(case["number"]),
                case["kind"],
                case["about"],
                case["urgency"] + (" !" if case["escalated"] else ""),
                case["openedAt"][:16] + "Z",
                case.get("resolution", "open"),
                case.get("assignee", "–"),
                case["text"],
            )
            for case in cases
        ],
    )


def show_case(answer: dict[str, Any]) -> None:
    """Print one case: what it is, its clocks, its member, what happened, and how it may end."""
    case = answer["case"]
    state = f"closed by {case['closedBy']}: {case['resolution']}" if case["state"] == "closed" else "open"
    escalated = ", escalated" if case["escalated"] else ""
    say(f"Case {case['number']}: {case['kind']} about {case['about']}, {case['urgency']}{escalated}, {state}")
    say(f"Opened {case['openedAt']}, revision {case['revision']}, {_holder(case)}: {case['text']}")
    for name, words in (
        ("answerBy", "An answer is due"),
        ("answeredAt", "Answered"),
        ("nextReminder", "Next reminder"),
    ):
        if name in case:
            say(f"{words} {case[name]}")
    for cid in case.get("evidence", ()):
        say(f"Evidence {cid}")
    if "member" in answer:
        _show_member(answer["member"])
    show_table(
        ("at", "event", "by", "what", "words"),
        [(entry["at"], str(entry["id"]), entry["actor"], entry["what"], entry["text"]) for entry in answer["entries"]],
    )
    if answer["resolutions"]:
        show_table(("how", "role", "needs", "now"), [_resolution(row) for row in answer["resolutions"]])


def _holder(case: dict[str, Any]) -> str:
    return f"claimed by {case['assignee']}" if "assignee" in case else "claimed by nobody"


def _show_member(member: dict[str, Any]) -> None:
    labels = ", ".join(label["val"] for label in member["labels"]) or "none"
    say(f"{member['did']} is {member['standing']}; labels: {labels}")
    for clearance in member.get("clears", ()):
        say(f"What clears {clearance['val']}: {clearance['text']}")


def _resolution(row: dict[str, Any]) -> tuple[str, str, str, str]:
    needs = [*row.get("needs", ()), *([f"one of {', '.join(row['oneOf'])}"] if row.get("oneOf") else [])]
    takes = [f"({name})" for name in row.get("takes", ())]
    return row["name"], row["role"], ", ".join([*needs, *takes]) or "–", row.get("hindrance", row["effect"])
