"""What the pool sees at each provider: everybody but one, failures by hour, and bounds on both."""

import pytest

from labeler.reputation import pool as module
from labeler.reputation.pool import Pool

GMX, POST = "gmx.example", "post.example"


def answers(
    pool: Pool, number: int, *, blocked: int = 0, provider: str = GMX, did: str = "did:plc:a", hour: int = 10
) -> None:
    for _ in range(number):
        pool.answer(provider, did, hour)
    for _ in range(blocked):
        pool.block(provider, hour)


class TestTheRest:
    def test_is_everybody_else_at_the_same_provider(self) -> None:
        pool = Pool()
        answers(pool, 100, blocked=10)
        answers(pool, 50, blocked=2, did="did:plc:b")
        answers(pool, 70, blocked=70, provider=POST)
        assert pool.rest(GMX, 0, 10, 100) == (2, 50)
        assert pool.rest(GMX, 0, 0, 0) == (12, 150)
        assert pool.rest(GMX, 11, 0, 0) == (0, 0)

    def test_is_nobody_where_nobody_was(self) -> None:
        assert Pool().rest(GMX, 0, 3, 5) == (0, 0)

    def test_is_never_negative_nor_more_refused_than_answered(self) -> None:
        pool = Pool()
        answers(pool, 10, blocked=10)
        assert pool.rest(GMX, 0, 20, 20) == (0, 0)
        assert pool.rest(GMX, 0, 0, 7) == (3, 3)

    def test_a_recipient_refused_again_later_counts_in_the_later_hour_only(self) -> None:
        pool = Pool()
        answers(pool, 1, blocked=1, hour=10)
        answers(pool, 1, hour=30)
        pool.block(GMX, 30, 10)
        assert [pool.rest(GMX, since, 0, 0) for since in (10, 11, 30, 31)] == [(1, 2), (1, 1), (1, 1), (0, 0)]


def test_failures_are_kept_by_hour_and_everybody_once() -> None:
    pool = Pool()
    for did in ("did:plc:b", "did:plc:a", "did:plc:b"):
        pool.answer(GMX, did, 10)
        pool.fail(GMX, did, 10)
    pool.fail(GMX, "did:plc:a", 11)
    failing = pool.providers[GMX].failing
    assert {hour: list(dids) for hour, dids in failing.items()} == {10: ["did:plc:b", "did:plc:a"], 11: ["did:plc:a"]}
    assert list(pool.touched) == [(GMX, 10), (GMX, 11)]
    assert pool.providers[GMX].senders.count(10) == 2


def test_too_many_providers_are_compared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROVIDERS_MAX", 2)
    pool = Pool()
    for n in range(5):
        answers(pool, 3, blocked=1, provider=f"p{n}.example")
        pool.fail(f"p{n}.example", "did:plc:a", 10)
    assert list(pool.providers) == ["p0.example", "p1.example"]
    assert list(pool.touched) == [("p0.example", 10), ("p1.example", 10)]
    assert pool.rest("p4.example", 0, 0, 0) == (0, 0)
    answers(pool, 1, provider="p1.example")
    assert pool.rest("p1.example", 0, 0, 0) == (1, 4)


def test_hours_and_providers_are_forgotten() -> None:
    pool = Pool()
    answers(pool, 3, blocked=1, hour=10)
    answers(pool, 2, blocked=1, hour=20)
    answers(pool, 1, provider=POST, hour=10)
    for hour in (10, 20):
        pool.fail(GMX, "did:plc:a", hour)
    pool.expire(10)
    assert (set(pool.providers), pool.rest(GMX, 0, 0, 0)) == ({GMX, POST}, (2, 5))
    pool.expire(11)
    assert (set(pool.providers), pool.rest(GMX, 0, 0, 0)) == ({GMX}, (1, 2))
    assert list(pool.providers[GMX].failing) == [20]
    assert pool.providers[GMX].senders.size == 1
