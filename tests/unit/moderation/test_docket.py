"""The folds together: one record reaches all of them, and words whose time is up leave all of them."""

from datetime import timedelta

from labeler.moderation.cases import CaseBook
from labeler.moderation.docket import Docket
from labeler.moderation.history import History
from labeler.moderation.retention import Retention
from labeler.moderation.statuses import ReviewState, Statuses
from tests.unit.moderation.words import ALICE, BOB, action, label, notice, report, tick


def test_one_record_reaches_all_and_words_leave_when_their_time_is_up() -> None:
    day = timedelta(days=1)
    docket = Docket(CaseBook([day]), History(), Statuses(), Retention(2 * day))
    told = [notice("abuse-report"), notice("abuse-report", about=BOB)]
    assert docket.take(1, report(text="a secret"), [label("mail-throttled")], told) == []
    assert docket.statuses.by_did[ALICE].state is ReviewState.OPEN
    assert next(docket.history.events(ALICE, oldest_first=True))[0] == 1
    assert [case.about for case in docket.cases.cases.values()] == [ALICE, BOB]
    assert [reminder.about for reminder in docket.take(2, tick(24), [], [])] == [ALICE, BOB]
    for number in (1, 2):
        docket.take(2 + number, action("resolve", "abuse-report", 25, case=number), [], [])
    docket.take(5, tick(24 * 400), [], [])
    assert "a secret" not in repr(docket.history.words) + repr(docket.cases.cases)
