"""Every kind of entry in words, and numbers and moments as pages write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.moderation.audit import AuditEntry
from labeler.moderation.cases import CaseKind
from labeler.reputation.inputs import Answer, Report, Word
from labeler.service.operator.resolutions import RESOLUTIONS, TERMS
from labeler.web.console.cases import age
from labeler.web.console.overview import Tempo
from labeler.web.console.words import FIELD_WORDS, KINDS, Line, tell
from labeler.web.pages import moment, segment, thousands

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def said(kind: str, word: Word | None = None, **body: Any) -> Line:
    return tell(AuditEntry(kind, "2026-03-02T12:00:00.000Z", "did:plc:a", "did:plc:m", body), word)


LABEL = {"val": "mail-suspended", "reason": "r"}
GRANT = {"case": 3, "act": "resolve", "resolution": "override", "exempt": ["x"], "hourlyCap": 5, "comment": "c"}
UNTIL = {"exp": "2026-03-16T12:00:00.000Z"}


@pytest.mark.parametrize(
    ("kind", "body", "tone", "heading", "text"),
    [
        ("label", LABEL | UNTIL, "bad", "mail-suspended until 2026-03-16 12:00 UTC", "r"),
        ("label", LABEL | {"val": "mail-throttled"}, "warn", "mail-throttled", "r"),
        ("label", LABEL | {"val": "clean-sender"}, "good", "clean-sender", "r"),
        ("label", LABEL | {"neg": True}, "good", "mail-suspended taken back", "r"),
        ("label", LABEL | {"val": "clean-sender", "neg": True}, "warn", "clean-sender taken back", "r"),
        ("decision", {"apply": ["a"], "durationInHours": 5, "comment": "c"}, "bad", "label · apply a · 5 h", "c"),
        ("decision", {"negate": ["a"]}, "good", "label · take back a", ""),
        ("decision", {"event": "tag", "addTags": ["a", "b"]}, "", "tag · tag a, b", ""),
        ("decision", {"event": "tag", "removeTags": ["c"]}, "", "tag · untag c", ""),
        ("case", {"case": 3, "act": "claim"}, "", "case 3: claim", ""),
        ("case", GRANT, "", "case 3: resolve: override · exempt from x, hourly cap 5", "c"),
        ("report", {"category": "spam"}, "warn", "reported: spam", ""),
        ("report", {"category": "other", "appeal": True}, "warn", "appeal", ""),
        ("answer", {}, "", "answered", ""),
        ("question", {"comment": "why"}, "warn", "asked to explain", "why"),
        ("override", {"dailyCap": 9, "durationInHours": 2}, "", "other terms · daily cap 9 · 2 h", ""),
        ("override", {}, "", "other terms taken back", ""),
        ("automation", {"mode": "pause", "comment": "c"}, "warn", "automation: pause", "c"),
        ("policy", {"hash": "ab", "mode": "shadow"}, "", "policy activated (shadow)", "sha256 ab"),
        ("setting", {"set": {"a": "1"}}, "", "settings changed", "set: {'a': '1'}"),
        ("begin", {"ver": 1}, "", "the audit chain begins", "ver: 1"),
        ("something-new", {"a": 1}, "", "something-new", "a: 1"),
    ],
)
def test_every_kind_of_entry_has_words(kind: str, body: dict[str, Any], tone: str, heading: str, text: str) -> None:
    assert said(kind, **body) == (tone, heading, text)


def test_what_the_chain_keeps_a_digest_of_is_told_where_it_is_remembered() -> None:
    report = Report(NOON, "did:plc:r", "did:plc:a", "spam", "spam", text="it came <again>")
    assert said("report", report, category="spam").text == "it came <again>"
    assert said("answer", Answer(NOON, "did:plc:a", "sorry")).text == "sorry"


def test_every_case_and_whatever_an_end_takes_has_a_name() -> None:
    assert KINDS.keys() == set(CaseKind)
    assert {name for names in RESOLUTIONS.values() for name in names} == TERMS.keys()
    assert {field for terms in TERMS.values() for field in (*terms.needs, *terms.one_of, *terms.takes)} == (
        FIELD_WORDS.keys()
    )


def test_ages_are_short() -> None:
    spans = {"0 min": 59, "1 min": 60, "119 min": 7_199, "2 h": 7_200, "47 h": 172_799, "2 days": 172_800}
    assert {age(NOON - timedelta(seconds=seconds), NOON): seconds for seconds in spans.values()} == spans
    assert age(NOON + timedelta(hours=1), NOON) == "0 min"


def test_moments_are_in_utc_and_exact_for_machines() -> None:
    assert moment("2026-03-02T13:00:00+01:00") == (
        '<time datetime="2026-03-02T12:00:00Z" title="2026-03-02T12:00:00Z">2026-03-02 12:00</time>'
    )
    assert moment(None) == "–"
    assert thousands(1_234_567) == "1 234 567"
    assert segment("did:web:localhost%3A80/x") == "did:web:localhost%253A80%2Fx"


def test_the_rate_is_between_the_looks() -> None:
    tempo = Tempo()
    assert tempo.rate(100.0, 1_000) == (0.0, 0.0)
    assert tempo.rate(110.0, 1_500) == (50.0, 10.0)
    assert tempo.rate(112.0, 1_500) == (500 / 12, 12.0)
    for second in range(120, 1_200, 10):
        tempo.rate(float(second), 2_000)
    assert tempo.rate(1_200.0, 2_000)[0] == 0.0
