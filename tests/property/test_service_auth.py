"""Tokens under arbitrary change, on both curves, and the memory of spent ones beside a plain model of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto.curves import P256
from labeler.atproto.keys import PrivateKey
from labeler.atproto.service_auth import ReplayGuard, verify
from labeler.errors import BadInput, Unavailable
from tests.tokens import CLAIMS, ISS, KEY, NOW, encoded, read, token

KEYS = (KEY, PrivateKey.from_hex("08" * 32, P256))
NEVER = -(10**9)
GOOD = [token(key=key) for key in KEYS]
LETTERS = st.text("ABCDwxyz019-_.=", max_size=4)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def taken(text: str, key: PrivateKey) -> bool:
    try:
        verify(read(text), key.public_key)
    except BadInput as error:
        refusal = error
    else:
        return True
    assert refusal.status == 401
    return False


@pytest.mark.row(205)
@given(st.integers(0, 1), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4), LETTERS), min_size=1, max_size=3))
def test_no_edits_leave_a_token_good(which: int, edits: list[tuple[int, int, str]]) -> None:
    """Cut here, put in there: unless it comes out as it was, nobody signed it."""
    text = GOOD[which]
    for place, cut, put in edits:
        text = text[:place] + put + text[place + cut :]
    assert taken(text, KEYS[which]) == (text == GOOD[which])


@pytest.mark.row(205, 220)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=66))
@example(b'{"alg":"ES256"}', b"\xff", bytes(64))
def test_arbitrary_parts_are_refused(header: bytes, claims: bytes, signature: bytes) -> None:
    assert not taken(f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}", KEY)


@pytest.mark.row(196, 200, 201, 202, 203, 204)
@given(st.integers(0, 1), st.sampled_from([*CLAIMS, "nbf"]), JSON)
def test_a_claim_of_any_kind_is_taken_or_refused_and_nothing_else(which: int, name: str, value: Any) -> None:
    """Signed by the right key, so only the reading of the claims stands between it and us."""
    claims = CLAIMS | {name: value}
    if taken(token(claims=json.dumps(claims).encode(), key=KEYS[which]), KEYS[which]):
        unverified = read(token(claims=claims, key=KEYS[which]))
        assert (unverified.iss, unverified.aud, unverified.lxm) == (claims["iss"], claims["aud"], claims["lxm"])
        assert NOW < unverified.exp <= NOW + timedelta(hours=1, seconds=30)
        assert isinstance(unverified.jti, str)


@pytest.mark.row(204, 206)
@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(-2, 6), st.integers(0, 7), st.integers(1, 12)), max_size=40),
)
def test_the_memory_of_spent_tokens_agrees_with_a_plain_model(capacity: int, uses: list[tuple[int, int, int]]) -> None:
    """However the clock moves, no token is taken twice, and none is refused that fits and was not spent."""
    guard, spent, now, latest = ReplayGuard(capacity), dict[str, int](), 0, NEVER
    for step, number, life in uses:
        now, jti = now + step, f"jti-{number}"
        latest = max(latest, now)
        exp = now + life
        fits = sum(until >= latest for until in spent.values()) < capacity
        refusal: BadInput | Unavailable | None
        try:
            guard.use(ISS, jti, NOW + timedelta(seconds=exp), NOW + timedelta(seconds=now))
            refusal = None
        except (BadInput, Unavailable) as error:
            refusal = error
        if refusal is None:
            assert fits
            assert spent.get(jti, NEVER) < min(latest, exp)
            spent[jti] = exp
        elif isinstance(refusal, Unavailable):
            assert not fits
        else:
            assert spent.get(jti, NEVER) >= latest if refusal.name == "BadJwt" else exp < latest
        assert len(guard) <= capacity
