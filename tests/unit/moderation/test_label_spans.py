"""When which label stood, out of the entries about one subject."""

from datetime import UTC, datetime

from labeler.atproto.label import Label
from labeler.moderation.audit import AuditEntry, label_entry
from labeler.moderation.label_spans import Span, spans

THROTTLED, SUSPENDED = "mail-throttled", "mail-suspended"


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def entry(val: str, on: int, *, exp: int | None = None, neg: bool = False) -> AuditEntry:
    written = [None if at is None else f"2026-03-{at:02}T00:00:00.000Z" for at in (on, exp)]
    label = Label("did:web:l.example", "did:plc:a", val, str(written[0]), exp=written[1], neg=neg or None)
    return label_entry(on, label, "rule", "because", "bafy")


def test_nothing_stood_where_nothing_was_said() -> None:
    assert spans([]) == []
    word = AuditEntry("decision", "2026-03-01T00:00:00.000Z", "did:plc:a", "did:plc:m", {"position": 1})
    assert spans([word]) == []


def test_a_label_stands_until_it_is_taken_back_or_runs_out() -> None:
    assert spans([entry(SUSPENDED, 1), entry(SUSPENDED, 3, neg=True)]) == [Span(SUSPENDED, day(1), day(3))]
    assert spans([entry(SUSPENDED, 1, exp=5)]) == [Span(SUSPENDED, day(1), day(5))]
    assert spans([entry(SUSPENDED, 1)]) == [Span(SUSPENDED, day(1), None)]


def test_a_renewal_makes_the_span_longer() -> None:
    assert spans([entry(THROTTLED, 1, exp=4), entry(THROTTLED, 3, exp=9)]) == [Span(THROTTLED, day(1), day(9))]


def test_what_comes_after_the_end_is_another_span() -> None:
    told = [entry(THROTTLED, 1, exp=3), entry(THROTTLED, 3, exp=5), entry(THROTTLED, 8), entry(THROTTLED, 9, neg=True)]
    assert spans(told) == [
        Span(THROTTLED, day(1), day(3)),
        Span(THROTTLED, day(3), day(5)),
        Span(THROTTLED, day(8), day(9)),
    ]


def test_taking_back_what_does_not_stand_changes_nothing() -> None:
    assert spans([entry(THROTTLED, 1, neg=True)]) == []
    assert spans([entry(THROTTLED, 1, exp=3), entry(THROTTLED, 4, neg=True)]) == [Span(THROTTLED, day(1), day(3))]


def test_labels_of_other_values_do_not_meet() -> None:
    told = [entry(THROTTLED, 1), entry(SUSPENDED, 2), entry(THROTTLED, 2, neg=True)]
    assert spans(told) == [Span(THROTTLED, day(1), day(2)), Span(SUSPENDED, day(2), None)]
