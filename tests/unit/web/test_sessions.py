"""Sessions: how long they last, how many there are, and what is kept of them."""

from datetime import UTC, datetime, timedelta

import pytest

from labeler.service.access import Role
from labeler.web.console import sessions as module
from labeler.web.console.sessions import IDLE, LONGEST, Sessions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_an_id_is_long_random_and_not_kept() -> None:
    known = Sessions()
    given = {known.begin("did:plc:a", Role.ADMIN, NOON) for _ in range(10)}
    assert len(given) == 10
    assert all(len(one) >= 43 for one in given)  # 256 bits in base64
    assert not any(one.encode() in key for one in given for key in known._sessions)
    session = known.find(next(iter(given)), NOON)
    assert session is not None
    assert len(session.csrf) >= 43
    assert session.csrf not in given


@pytest.mark.parametrize("given", [None, "", "guess", "ä", "\ud800", "x" * 10_000])
def test_whatever_was_not_given_out_finds_nothing(given: str | None) -> None:
    known = Sessions()
    known.begin("did:plc:a", Role.ADMIN, NOON)
    assert known.find(given, NOON) is None
    known.end(given)
    assert len(known._sessions) == 1


def test_it_ends_when_nobody_uses_it() -> None:
    known = Sessions()
    given = known.begin("did:plc:a", Role.ADMIN, NOON)
    assert known.find(given, NOON + IDLE - SECOND) is not None
    assert known.find(given, NOON + 2 * IDLE - 2 * SECOND) is not None
    assert known.find(given, NOON + 3 * IDLE - 2 * SECOND) is None
    assert known._sessions == {}


def test_looking_idly_does_not_keep_it() -> None:
    known = Sessions()
    given = known.begin("did:plc:a", Role.ADMIN, NOON)
    assert known.find(given, NOON + IDLE - SECOND, idly=True) is not None
    assert known.find(given, NOON + IDLE) is None


def test_it_ends_in_the_end() -> None:
    known, now = Sessions(), NOON
    given = known.begin("did:plc:a", Role.ADMIN, NOON)
    while now < NOON + LONGEST - timedelta(hours=1):
        now += timedelta(hours=1)
        assert known.find(given, now) is not None
    assert known.find(given, NOON + LONGEST) is None


def test_one_operator_has_so_many_and_the_oldest_go_first() -> None:
    known = Sessions()
    other = known.begin("did:plc:b", Role.ADMIN, NOON)
    given = [known.begin("did:plc:a", Role.ADMIN, NOON) for _ in range(module.EACH_MAX + 3)]
    assert [known.find(one, NOON) is None for one in given[:4]] == [True, True, True, False]
    assert known.find(other, NOON) is not None


def test_there_are_so_many_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 5)
    known = Sessions()
    given = [known.begin(f"did:plc:{number}", Role.ADMIN, NOON) for number in range(9)]
    assert [known.find(one, NOON) is not None for one in given] == [False] * 4 + [True] * 5


def test_those_that_are_over_make_room() -> None:
    known = Sessions()
    for number in range(10):
        known.begin(f"did:plc:{number}", Role.ADMIN, NOON)
    known.begin("did:plc:late", Role.ADMIN, NOON + IDLE)
    assert len(known._sessions) == 1
