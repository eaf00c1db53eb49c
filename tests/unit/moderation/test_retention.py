"""How long words are kept in view, and what goes first when there are very many."""

from datetime import UTC, datetime, timedelta

import pytest

from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.reputation.inputs import Answer, Report, Tick, Word

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def report(at: datetime = NOON, text: str | None = "words") -> Report:
    return Report(at, "did:plc:bob", "did:plc:alice", "com.atproto.moderation.defs#reasonSpam", "spam", text=text)


@pytest.mark.row(264)
class TestRetention:
    def test_a_text_goes_when_its_term_is_over_and_not_before(self) -> None:
        retention = Retention(30 * DAY)
        assert retention.take(1, report()) == []
        assert retention.take(2, Answer(NOON + DAY, "did:plc:alice", "words")) == []
        assert retention.take(3, Tick(NOON + 30 * DAY - timedelta(milliseconds=1))) == []
        assert retention.take(4, Tick(NOON + 30 * DAY)) == [1]
        assert retention.take(5, Tick(NOON + 40 * DAY)) == [2]
        assert retention.take(6, Tick(NOON + 99 * DAY)) == []

    def test_what_has_no_words_is_not_followed(self) -> None:
        retention = Retention(DAY)
        retention.take(1, report(text=None))
        assert retention.take(2, Tick(NOON + 9 * DAY)) == []

    def test_the_oldest_go_first_when_there_is_no_room(self) -> None:
        retention = Retention(30 * DAY, room=10)
        assert retention.take(1, report(text="12345")) == []
        assert retention.take(2, report(text="é2é")) == []
        assert retention.take(3, report(text="1")) == [1]
        assert retention.take(4, report(text="x" * 11)) == [2, 3, 4], "even its own, if it is that long"


@pytest.mark.row(264)
@pytest.mark.parametrize(
    ("word", "left"), [(report(), None), (Answer(NOON, "did:plc:alice", "words"), "")], ids=["report", "answer"]
)
def test_the_history_keeps_that_something_was_said(word: Word, left: str | None) -> None:
    history = History()
    history.take(7, word)
    history.drop_text(7)
    (found,) = history.about("did:plc:alice")
    assert isinstance(found[1], Report | Answer)
    assert (found[0], found[1].text, found[1].received) == (7, left, NOON)
    history.drop_text(8)
    assert list(history.words) == [7]
