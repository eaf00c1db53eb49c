"""What we hold, in the shapes of `tools.ozone.*`: events, how a member stands, an account.

Ozone has words for labels, comments, reports and reviews of a subject. What we have no such word for (a case, a
question, an override) is shown as a comment that says so, or as the label change it came to.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.moderation.history import Event, Labelling
from labeler.moderation.statuses import SubjectStatus
from labeler.reputation.decisions import Grant
from labeler.reputation.inputs import Answer, CaseAction, Decision, Override, Question, Report
from labeler.service.operator.set_override import grant_record, grant_words

DEFS: Final = "tools.ozone.moderation.defs#"
LABEL: Final = f"{DEFS}modEventLabel"
COMMENT: Final = f"{DEFS}modEventComment"
ACKNOWLEDGE: Final = f"{DEFS}modEventAcknowledge"
ESCALATE: Final = f"{DEFS}modEventEscalate"
TAG: Final = f"{DEFS}modEventTag"
MUTE: Final = f"{DEFS}modEventMute"
UNMUTE: Final = f"{DEFS}modEventUnmute"
RESOLVE_APPEAL: Final = f"{DEFS}modEventResolveAppeal"
REPORT: Final = f"{DEFS}modEventReport"
REPO: Final = "com.atproto.admin.defs#repoRef"
RECORD: Final = "com.atproto.repo.strongRef"

NAMES: Final = {
    LABEL: "label",
    COMMENT: "comment",
    ACKNOWLEDGE: "acknowledge",
    ESCALATE: "escalate",
    TAG: "tag",
    MUTE: "mute",
    UNMUTE: "unmute",
    RESOLVE_APPEAL: "resolve-appeal",
}
"""Events operators may emit, and what the desk calls them."""

_TYPES: Final = {name: kind for kind, name in NAMES.items()}


def event_view(number: int, event: Event, src: str) -> dict[str, Any]:
    """One event (`modEventView`); the rules' are by the labeler itself, whose DID is `src`."""
    view = {
        "id": number,
        "event": _shown(event),
        "subject": _subject(event),
        "subjectBlobCids": [],
        "createdBy": _said_by(event) or src,
        "createdAt": format_datetime(event.received),
    }
    if isinstance(event, Decision | Report) and event.tool is not None:
        view["modTool"] = {"name": event.tool}
    if isinstance(event, Decision) and event.external_id is not None:
        view["externalId"] = event.external_id
    return view


def status_view(status: SubjectStatus, now: datetime) -> dict[str, Any]:
    """How a member stands (`subjectStatusView`)."""
    stopped = status.stopped(now)
    view: dict[str, Any] = {
        "id": status.number,
        "subject": {"$type": REPO, "did": status.did},
        "createdAt": format_datetime(status.created),
        "updatedAt": format_datetime(status.updated),
        "reviewState": DEFS + status.state,
        "tags": status.tagged(now),
        "takendown": stopped,
        "accountStats": {
            "reportCount": status.reports,
            "appealCount": status.appeals,
            "suspendCount": status.suspensions,
            "escalateCount": status.escalations,
            "takedownCount": status.removals,
        },
    }
    moments = {
        "lastReviewedAt": status.reviewed_at,
        "lastReportedAt": status.reported_at,
        "lastAppealedAt": status.appealed_at,
        "muteUntil": status.mute_until if status.muted(now) else None,
        "suspendUntil": status.suspended_until if stopped and not status.removed else None,
    }
    known = {"lastReviewedBy": status.reviewed_by, "comment": status.comment, "appealed": status.appealed}
    view |= {name: format_datetime(at) for name, at in moments.items() if at is not None}
    return view | {name: value for name, value in known.items() if value is not None}


def repo_view(did: str, handle: str, known_since: datetime, status: SubjectStatus | None, now: datetime) -> Any:
    """An account (`repoView`, and what `repoViewDetail` has in common with it)."""
    return {
        "did": did,
        "handle": handle,
        "relatedRecords": [],
        "indexedAt": format_datetime(known_since),
        "moderation": {} if status is None else {"subjectStatus": status_view(status, now)},
    }


def _subject(event: Event) -> dict[str, Any]:
    if isinstance(event, Report) and event.subject is not None and event.subject_cid is not None:
        return {"$type": RECORD, "uri": event.subject, "cid": event.subject_cid}
    return {"$type": REPO, "did": event.did}


def _said_by(event: Event) -> str | None:
    match event:
        case Report():
            return event.reporter
        case Answer():
            return event.did
        case Labelling():
            return None
    return event.operator


def _shown(event: Event) -> dict[str, Any]:
    match event:
        case Decision(event=name) if name in _TYPES:
            return {"$type": _TYPES[name]} | _FIELDS.get(name, _no_fields)(event) | _comment(event.comment)
        case Decision(event="confirm-removal"):
            return _label(event) | _comment(event.comment)
        case Decision(event="propose-removal"):
            return {"$type": COMMENT} | _comment(
                event.comment, "removal proposed, nothing applied; another admin confirms it"
            )
        case Decision() | Question() | Override():
            return {"$type": COMMENT} | _comment(event.comment, _about(event))
        case CaseAction():
            return _case_event(event)
        case Report():
            return {"$type": REPORT, "reportType": event.reason} | _comment(event.text)
        case Answer():
            return {"$type": COMMENT} | _comment(event.text, "answer")
        case Labelling():
            hours = _hours(event.until - event.received) if event.until is not None else {}
            labels = {"createLabelVals": list(event.apply), "negateLabelVals": list(event.negate)}
            return {"$type": LABEL} | labels | hours | _comment(event.reason)


def _case_event(action: CaseAction) -> dict[str, Any]:
    """A case resolved by labels is a label event, an appeal resolved is one, any other resolution a review done."""
    head = f"case {action.case}: {action.resolution or action.act}"
    comment = _comment(action.comment, head)
    if action.apply or action.negate:
        return _label(action) | comment
    if action.act != "resolve":
        return {"$type": COMMENT} | comment
    return {"$type": RESOLVE_APPEAL if action.kind == "appeal" else ACKNOWLEDGE} | comment


def _label(word: Decision | CaseAction) -> dict[str, Any]:
    labels = {"$type": LABEL, "createLabelVals": list(word.apply), "negateLabelVals": list(word.negate)}
    return labels | _duration(word)


def _duration(word: Decision | CaseAction) -> dict[str, Any]:
    return {"durationInHours": word.duration_h} if word.duration_h is not None else {}


def _tags(word: Decision) -> dict[str, Any]:
    return {"add": list(word.add_tags), "remove": list(word.remove_tags)} | _duration(word)


def _sticky(word: Decision) -> dict[str, Any]:
    return {"sticky": True} if word.sticky else {}


def _no_fields(_: Decision) -> dict[str, Any]:
    return {}


def _comment(text: str | None, head: str | None = None) -> dict[str, Any]:
    words = [part for part in (head, text) if part]
    return {"comment": ": ".join(words)} if words else {}


def _about(word: Decision | Question | Override) -> str:
    match word:
        case Question():
            return "asked to explain"
        case Override():
            return _granted(word)
    return word.event.replace("-", " ")


def _granted(word: Override) -> str:
    parts = grant_words(grant_record(Grant(word.operator, None, word.exempt, word.hourly_cap, word.daily_cap)))
    return f"override ({'; '.join(parts)})" if parts else "override taken back"


def _hours(term: timedelta) -> dict[str, Any]:
    return {"durationInHours": math.ceil(term / timedelta(hours=1))}


_FIELDS: Final[dict[str, Callable[[Decision], dict[str, Any]]]] = {
    "label": _label,
    "tag": _tags,
    "mute": _duration,
    "comment": _sticky,
}
