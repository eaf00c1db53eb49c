"""One DID in the fold: stamps that only grow, and a slate that begins with a whole hour."""

from datetime import UTC, datetime, timedelta

import pytest

from labeler.reputation.decisions import Member
from labeler.reputation.subject import Subject, epoch, slate_floor

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def test_a_stamp_is_the_present_or_a_millisecond_after_the_last_one() -> None:
    subject = Subject()
    stamps = [subject.stamp("mail-throttled", moment) for moment in (NOON, NOON, NOON - 5 * MS, NOON + 2 * MS)]
    assert stamps == [NOON, NOON + MS, NOON + 2 * MS, NOON + 3 * MS]
    assert subject.stamp("mail-throttled", NOON + 9 * MS) == NOON + 9 * MS


def test_each_value_is_stamped_by_itself() -> None:
    subject = Subject()
    assert {subject.stamp(val, NOON) for val in ("mail-throttled", "clean-sender", "relay-member")} == {NOON}


def test_epoch_cuts_off_what_is_less_than_a_second() -> None:
    assert epoch(NOON + 999 * MS) == epoch(NOON) == int(NOON.timestamp())


@pytest.mark.parametrize(
    ("lifted", "floor"),
    [
        (None, 0),
        (NOON, epoch(NOON) + 3600),
        (NOON + MS, epoch(NOON) + 3600),
        (NOON + timedelta(minutes=59, seconds=59), epoch(NOON) + 3600),
        (NOON + timedelta(hours=1), epoch(NOON) + 7200),
    ],
)
def test_the_slate_begins_with_the_hour_after_the_lift(lifted: datetime | None, floor: int) -> None:
    assert slate_floor(Member(clean_slate=lifted)) == floor


def test_nothing_is_known_of_a_new_subject() -> None:
    subject = Subject()
    assert (subject.timer, subject.shadow, subject.owed, subject.calm) == (None, None, False, -1)
    assert (subject.member.active, subject.windows.kinds) == ({}, {})
