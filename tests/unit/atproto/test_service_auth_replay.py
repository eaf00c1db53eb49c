"""The memory of spent tokens: each is good once, and forgetting one too early would make it good again."""

from datetime import timedelta

import pytest

from labeler.atproto.service_auth import ReplayGuard
from labeler.errors import BadInput, Unavailable
from tests.tokens import ISS, NOW


def spend(guard: ReplayGuard, jti: str, seconds: float, *, iss: str = ISS, at: float = 0) -> None:
    guard.use(iss, jti, NOW + timedelta(seconds=seconds), NOW + timedelta(seconds=at))


@pytest.mark.row(204, 206)
def test_a_token_is_good_once() -> None:
    """By issuer and id: another signature or another life of the same id is the same token."""
    guard = ReplayGuard(8)
    spend(guard, "a", 60)
    for exp in (60, 61, 3600):
        with pytest.raises(BadInput, match="used before") as caught:
            spend(guard, "a", exp)
        assert (caught.value.status, caught.value.name) == (401, "BadJwt")
    spend(guard, "b", 60)
    spend(guard, "a", 60, iss="did:plc:another")
    spend(guard, "\ud800", 60)
    assert len(guard) == 4


@pytest.mark.row(204)
def test_what_has_expired_is_forgotten_and_no_earlier() -> None:
    guard = ReplayGuard(8)
    spend(guard, "short", 10)
    spend(guard, "long", 60)
    with pytest.raises(BadInput, match="used before"):
        spend(guard, "short", 10, at=10)
    spend(guard, "new", 70, at=11)
    assert len(guard) == 2
    with pytest.raises(BadInput, match="used before"):
        spend(guard, "long", 60, at=60)


@pytest.mark.row(204)
def test_a_clock_that_goes_back_revives_nothing() -> None:
    guard = ReplayGuard(8)
    spend(guard, "a", 10)
    spend(guard, "b", 60, at=11)
    with pytest.raises(BadInput) as caught:
        spend(guard, "a", 10, at=5)
    assert caught.value.name == "JwtExpired"
    spend(guard, "c", 11, at=5)


@pytest.mark.row(204)
def test_a_full_memory_takes_no_further_token_and_forgets_none() -> None:
    guard = ReplayGuard(2)
    spend(guard, "a", 10)
    spend(guard, "b", 20)
    with pytest.raises(Unavailable, match="too many"):
        spend(guard, "c", 30)
    with pytest.raises(BadInput, match="used before"):
        spend(guard, "a", 10)
    spend(guard, "c", 30, at=11)
    assert len(guard) == 2


@pytest.mark.row(204)
def test_a_long_row_of_expired_tokens_is_forgotten_bit_by_bit() -> None:
    """One caller pays for 256 of them, and there is room for that caller at once."""
    guard = ReplayGuard(1000)
    for number in range(1000):
        spend(guard, f"old-{number}", 10)
    spend(guard, "first", 60, at=20)
    assert len(guard) == 1000 - 256 + 1
    for number in range(4):
        spend(guard, f"next-{number}", 60, at=20)
    assert len(guard) == 5
    with pytest.raises(BadInput, match="used before"):
        spend(guard, "first", 60, at=20)


@pytest.mark.row(204)
def test_one_issuer_fills_no_more_than_its_own_room() -> None:
    guard = ReplayGuard(8, each=2)
    spend(guard, "a", 10)
    spend(guard, "b", 20)
    with pytest.raises(BadInput, match="2 tokens of this account") as caught:
        spend(guard, "c", 30)
    assert (caught.value.status, caught.value.name) == (429, "RateLimitExceeded")
    with pytest.raises(BadInput, match="used before"):
        spend(guard, "a", 10)
    spend(guard, "c", 30, iss="did:plc:another")
    spend(guard, "c", 30, at=11)
    spend(guard, "d", 60, at=31)
    assert (len(guard), len(guard._held)) == (1, 1), "nothing is kept of those who left"
