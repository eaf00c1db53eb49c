"""What is noted of each word, and what is not."""

import hashlib
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from labeler.moderation.audit import AuditEntry
from labeler.moderation.audit_words import word_entry
from labeler.reputation.inputs import (
    Answer,
    Automation,
    Batch,
    CaseAction,
    Decision,
    Input,
    Override,
    PolicyActivated,
    Question,
    Report,
    Tick,
    Word,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = "2026-03-02T12:00:00.000Z"
ALICE, MODERATOR, STRANGER = "did:plc:alice", "did:plc:moderator", "did:plc:stranger"
SECRET = hashlib.sha256(b"my secret").hexdigest()

NOTED: list[tuple[Input, str, str, dict[str, Any]]] = [
    (
        Decision(
            NOON,
            MODERATOR,
            ALICE,
            apply=("mail-throttled",),
            duration_h=24,
            comment="why",
            external_id="x",
            add_tags=("t",),
        ),
        ALICE,
        MODERATOR,
        {
            "event": "label",
            "apply": ["mail-throttled"],
            "durationInHours": 24,
            "comment": "why",
            "externalId": "x",
            "addTags": ["t"],
        },
    ),
    (
        CaseAction(
            NOON,
            MODERATOR,
            7,
            "resolve",
            "report",
            ALICE,
            resolution="upheld",
            exempt=("velocity",),
            hourly_cap=1,
            daily_cap=2,
            revision=0,
        ),
        ALICE,
        MODERATOR,
        {
            "case": 7,
            "act": "resolve",
            "kind": "report",
            "resolution": "upheld",
            "exempt": ["velocity"],
            "hourlyCap": 1,
            "dailyCap": 2,
            "revision": 0,
        },
    ),
    (
        CaseAction(NOON, MODERATOR, 7, "claim", "breaker"),
        "case:7",
        MODERATOR,
        {"case": 7, "act": "claim", "kind": "breaker"},
    ),
    (
        Report(
            NOON, STRANGER, ALICE, "com.atproto.moderation.defs#reasonSpam", "spam", True, "my secret", "at://x", "bafy"
        ),
        ALICE,
        STRANGER,
        {
            "reason": "com.atproto.moderation.defs#reasonSpam",
            "category": "spam",
            "appeal": True,
            "subject": "at://x",
            "subjectCid": "bafy",
            "textSha256": SECRET,
        },
    ),
    (Report(NOON, STRANGER, ALICE, "r", "spam"), ALICE, STRANGER, {"reason": "r", "category": "spam"}),
    (Answer(NOON, ALICE, "my secret"), ALICE, ALICE, {"textSha256": SECRET}),
    (Automation(NOON, MODERATOR, "pause", "storm"), "labeler", MODERATOR, {"mode": "pause", "comment": "storm"}),
    (Question(NOON, MODERATOR, ALICE), ALICE, MODERATOR, {}),
    (Override(NOON, MODERATOR, ALICE, ("velocity",)), ALICE, MODERATOR, {"exempt": ["velocity"]}),
    (
        PolicyActivated(NOON, 'mode = "shadow"'),
        "labeler",
        "labeler",
        {"hash": hashlib.sha256(b'mode = "shadow"').hexdigest(), "mode": "shadow"},
    ),
    (PolicyActivated(NOON, ""), "labeler", "labeler", {"hash": hashlib.sha256(b"").hexdigest(), "mode": "enforce"}),
]


@pytest.mark.parametrize(("record", "about", "actor", "told"), NOTED)
def test_who_said_what_of_whom(record: Input, about: str, actor: str, told: dict[str, Any]) -> None:
    kind = str(record.__struct_config__.tag)
    assert word_entry(5, record) == AuditEntry(kind, AT, about, actor, {"position": 5, **told})


def test_every_kind_of_word_is_noted() -> None:
    assert {type(record) for record, *_ in NOTED} == {*get_args(Word), PolicyActivated}


@pytest.mark.parametrize(("record", "about", "actor", "told"), NOTED)
def test_no_text_of_a_member_or_reporter_is_in_the_chain(record: Input, about: str, actor: str, told: Any) -> None:
    entry = word_entry(5, record)
    assert entry is not None
    assert b"my secret" not in entry.to_bytes()


def test_telemetry_and_ticks_are_nobodys_word() -> None:
    assert word_entry(1, Batch(NOON, "did:web:relay.example", ())) is None
    assert word_entry(1, Tick(NOON)) is None
