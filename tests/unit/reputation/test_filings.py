"""The same report again is the same report, for a day, and in bounded memory."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from labeler.reputation.filings import REPEAT, Filings
from labeler.reputation.inputs import Report

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REPORT = Report(NOON, "did:plc:bob", "did:plc:alice", "x.y.defs#reasonSpam", "spam", text="words")
LATER = msgspec.structs.replace(REPORT, received=NOON + REPEAT - timedelta(milliseconds=1), text="others")


def test_within_a_day_it_is_found_with_its_place() -> None:
    filings = Filings()
    filings.file(REPORT)
    filings.written(REPORT, 7)
    found = filings.find(LATER)
    assert found is not None
    assert (found.received, found.position) == (NOON, 7)
    assert filings.find(msgspec.structs.replace(REPORT, received=NOON + REPEAT)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"reporter": "did:plc:carol"},
        {"did": "did:plc:carol"},
        {"reason": "x.y.defs#reasonRude"},
        {"subject": "at://did:plc:alice/x.y.z/1"},
    ],
)
def test_another_reporter_member_reason_or_record_is_another(other: dict[str, str]) -> None:
    filings = Filings()
    filings.file(REPORT)
    assert filings.find(msgspec.structs.replace(LATER, **other)) is None


def test_old_ones_are_dropped_and_the_newest_are_kept() -> None:
    filings = Filings(kept=2)
    for number in range(4):
        filings.file(msgspec.structs.replace(REPORT, reporter=f"did:plc:m{number}"))
    assert len(filings._filings) == 2
    filings.file(msgspec.structs.replace(LATER, received=NOON + REPEAT))
    assert len(filings._filings) == 1


def test_filed_again_after_a_day_it_is_as_new() -> None:
    filings = Filings()
    filings.file(REPORT)
    filings.file(msgspec.structs.replace(REPORT, received=NOON + 2 * REPEAT))
    found = filings.find(msgspec.structs.replace(REPORT, received=NOON + 2 * REPEAT))
    assert found is not None
    assert found.received == NOON + 2 * REPEAT


def test_what_could_not_be_written_is_forgotten() -> None:
    filings = Filings()
    filings.file(REPORT)
    filings.forget(REPORT)
    filings.forget(REPORT)
    filings.written(REPORT, 7)
    assert filings.find(LATER) is None
