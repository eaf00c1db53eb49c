"""What is noted of the settings at a start."""

from typing import Any

from labeler.moderation.audit import AuditEntry
from labeler.moderation.audit_settings import setting_entry

AT = "2026-03-02T12:00:00.000Z"
OTHER = AuditEntry("policy", AT, "labeler", "labeler", {"hash": "0" * 64})


def described(**limits: Any) -> dict[str, Any]:
    relays = [{"did": "did:web:r.example", "token_sha256": "0a0b0c0d…"}]
    return {"limits": {"ping_seconds": 30.0} | limits, "relays": relays, "operators": []}


def noted(tree: dict[str, Any], *before: AuditEntry) -> AuditEntry:
    entry = setting_entry(tree, before, AT)
    assert entry is not None
    entry.to_bytes()  # no floats
    return entry


def test_the_first_start_notes_everything() -> None:
    entry = noted(described())
    assert (entry.kind, entry.about, entry.actor, entry.at) == ("setting", "labeler", "labeler", AT)
    assert entry.body["set"] == {
        "limits.ping_seconds": "30.0",
        "relays[0].did": '"did:web:r.example"',
        "relays[0].token_sha256": '"0a0b0c0d…"',
        "operators": "[]",
    }
    assert entry.body["unset"] == []


def test_the_same_settings_are_not_noted_again() -> None:
    assert setting_entry(described(), [OTHER, noted(described()), OTHER], AT) is None


def test_later_only_what_changed_is_noted() -> None:
    first = noted(described())
    second = noted({**described(ping_seconds=5.0, new=None), "operators": [{"did": "did:plc:a"}]}, first)
    assert second.body["set"] == {
        "limits.ping_seconds": "5.0", "limits.new": "null", "operators[0].did": '"did:plc:a"',
    }  # fmt: skip
    assert second.body["unset"] == ["operators"]
    third = noted(described(), first, second)
    assert third.body["set"] == {"limits.ping_seconds": "30.0", "operators": "[]"}
    assert third.body["unset"] == ["limits.new", "operators[0].did"]
    assert third.body["sha256"] == first.body["sha256"] != second.body["sha256"]
    assert setting_entry(described(), [first, second, third], AT) is None
