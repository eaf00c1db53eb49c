"""What happened, in words for operators: a heading and a text for each entry. None of it is markup."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from labeler.moderation.audit import AuditEntry
from labeler.moderation.cases import CaseKind
from labeler.reputation.definitions import ADVERSE, MAIL_REMOVED, MAIL_SUSPENDED
from labeler.reputation.inputs import Answer, Report, Word
from labeler.service.operator.set_override import grant_words

KINDS: Final[Mapping[str, str]] = {
    CaseKind.SUSPENSION: "Suspension",
    CaseKind.ABUSE_REPORT: "Abuse report",
    CaseKind.APPEAL: "Appeal",
    CaseKind.BREAKER: "Breaker",
    CaseKind.INCIDENT: "Provider incident",
    CaseKind.REMOVED_DOMAIN: "Removed domain",
    CaseKind.REMOVAL: "Removal",
}
FIELD_WORDS: Final[Mapping[str, str]] = {
    "durationInHours": "hours",
    "exempt": "exempt rules",
    "hourlyCap": "messages an hour",
    "dailyCap": "messages a day",
}
"""What a resolution may need or take, as the form calls it."""
COUNTS: Final[Mapping[str, str]] = {
    "accepted": "Messages, ever",
    "delivered": "Delivered, ever",
    "bounced": "Bounced, ever",
    "deferred": "Deferred, ever",
    "complained": "Complaints, ever",
    "recipients": "Recipients",
    "recipientDomains": "Recipient domains",
    "invalidRecipients": "Missing recipients",
    "unbound": "Outcomes of no known message",
}
"""What getStanding counts; that without "ever" in the time the policy looks back to."""
MODES: Final[Mapping[str, tuple[str, str]]] = {
    "enforce": ("Enforce", "The rules decide, and what they decide is published."),
    "shadow": ("Shadow", "The rules only record what they would decide. Labels in force end as dated."),
    "pause": ("Pause", "The rules rest; nothing is decided but by people."),
}

LATER: Final = "It is kept, and takes effect as soon as labels can be published."
"""What is told where the answer did not wait for the pipeline."""


class Line(NamedTuple):
    """One entry. `tone`: good, bad, warn or nothing; `text` may be of several lines."""

    tone: str
    heading: str
    text: str = ""


def tell(entry: AuditEntry, word: Word | None = None) -> Line:
    """Say what an entry of the audit chain says, with the texts of `word` where it is remembered."""
    body = entry.body
    match entry.kind:
        case "label":
            line = _label(body)
        case "decision":
            line = Line(_tone_of(body), _decision(body), _text(body.get("comment")))
        case "case":
            ending = f": {body['resolution']}" if "resolution" in body else ""
            heading = f"case {body.get('case')}: {body.get('act')}{ending}"
            line = Line(_tone_of(body), heading + _terms(body), _text(body.get("comment")))
        case "report":
            heading = "appeal" if body.get("appeal") else f"reported: {body.get('category', 'other')}"
            line = Line("warn", heading, _text(word.text) if isinstance(word, Report) else "")
        case "answer":
            line = Line("", "answered", _text(word.text) if isinstance(word, Answer) else "")
        case "question":
            line = Line("warn", "asked to explain", _text(body.get("comment")))
        case "override":
            line = Line("", f"other terms{_terms(body) or ' taken back'}", _text(body.get("comment")))
        case "automation":
            line = Line("warn", f"automation: {body.get('mode')}", _text(body.get("comment")))
        case "policy":
            line = Line("", f"policy activated ({body.get('mode')})", f"sha256 {body.get('hash')}")
        case "setting":
            line = Line("", "settings changed", _fields(body))
        case "begin":
            line = Line("", "the audit chain begins", _fields(body))
        case _:
            line = Line("", entry.kind, _fields(body))
    return line


def _label(body: Mapping[str, Any]) -> Line:
    val, reason = str(body.get("val")), _text(body.get("reason"))
    if body.get("neg"):
        return Line("good" if val in ADVERSE else "warn", f"{val} taken back", reason)
    end = f" until {str(body['exp'])[:16].replace('T', ' ')} UTC" if "exp" in body else ""
    tone = "bad" if val in {MAIL_SUSPENDED, MAIL_REMOVED} else "warn" if val in ADVERSE else "good"
    return Line(tone, f"{val}{end}", reason)


def _decision(body: Mapping[str, Any]) -> str:
    parts = [str(body.get("event", "label"))]
    for name, said in (("apply", "apply"), ("negate", "take back"), ("addTags", "tag"), ("removeTags", "untag")):
        if body.get(name):
            parts.append(f"{said} {', '.join(map(str, body[name]))}")
    return " · ".join(parts) + _hours(body)


def _terms(body: Mapping[str, Any]) -> str:
    parts = grant_words(body)
    return (" · " + ", ".join(parts) if parts else "") + _hours(body)


def _hours(body: Mapping[str, Any]) -> str:
    return f" · {body['durationInHours']} h" if "durationInHours" in body else ""


def _tone_of(body: Mapping[str, Any]) -> str:
    return "bad" if body.get("apply") else "good" if body.get("negate") else ""


def _text(text: object) -> str:
    return "" if text is None else str(text)


def _fields(body: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in body.items())
