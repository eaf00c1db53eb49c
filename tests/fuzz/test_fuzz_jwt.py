"""Service-auth tokens of anybody's making: a 401 by one of its names, and no change of a good token leaves it good."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.atproto import service_auth
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput
from tests.fuzz.budget import examples
from tests.fuzz.envelope import NAMES
from tests.fuzz.lexicon_values import JSON

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY = PrivateKey.from_hex("11" * 32)
LXM = "tools.ozone.moderation.emitEvent"
AUDIENCES = ("did:web:labeler.example.com", "did:web:labeler.example.com#atproto_labeler")
HEADER = {"alg": "ES256K", "typ": "JWT"}
CLAIMS = {"iss": "did:plc:alice", "aud": AUDIENCES[1], "lxm": LXM, "iat": AT, "exp": AT + 60, "jti": "1"}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e308, 2**63, 10**400, "", "ES256", "none", "did:web:localhost", AUDIENCES, {}, "*", [LXM]]
)


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(header: Any, claims: Any) -> str:
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(KEY.sign(signed.encode()))}"


def taken(text: str) -> service_auth.Unverified | None:
    """Parse and verify; None for a refusal, which must be a 401 with a name of its own."""
    try:
        unverified = service_auth.parse(text, now=NOW, audiences=AUDIENCES, lxm=LXM)
        service_auth.verify(unverified, KEY.public_key)
    except BadInput as error:
        refusal = error
    else:
        return unverified
    assert refusal.status == 401
    assert refusal.name in NAMES[401]
    assert len(refusal.message) < 1000
    return None


@pytest.mark.row(191, 192, 196)
def test_a_good_token_is_taken() -> None:
    assert taken(token(HEADER, CLAIMS)) is not None


@pytest.mark.row(191, 220)
@examples(500)
@given(st.text(max_size=80) | st.text("eyJ.-_AQ=", max_size=60))
@example("." * 9000)
@example("x" * 100_000)
@example(f"{part(b'[' * 3000)}.{part(b'{}')}.{part(b'0' * 64)}")
@example(f"{part(json.dumps(HEADER).encode())}.{part(b'9' * 5000)}.{part(b'0' * 64)}")
def test_any_text_is_refused_by_name(text: str) -> None:
    assert taken(text) is None


@pytest.mark.row(193, 194, 195, 199, 200, 201, 202, 203, 204)
@examples(800)
@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "x"]), ODD | JSON, max_size=2),
    st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "sub"]), ODD | JSON, max_size=3),
)
def test_well_signed_claims_of_any_kind(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Whatever is taken names us, this method, an issuer and a moment that is still to come."""
    written = {**CLAIMS, **claims}
    found = taken(token({**HEADER, **header}, written))
    if found is not None:
        assert found.aud in AUDIENCES
        assert written["aud"] == found.aud
        assert written["lxm"] == LXM
        assert found.exp > NOW
        assert isinstance(written["iss"], str)
        assert written["iss"].startswith("did:")
        assert {**HEADER, **header}["alg"] == "ES256K"


@pytest.mark.row(199, 205)
@examples(500)
@given(
    st.integers(0, 10_000), st.sampled_from("ABCDwxyz019-_.=+/ \n"), st.sampled_from(["replace", "insert", "delete"])
)
def test_no_change_leaves_a_token_good(place: int, letter: str, how: str) -> None:
    good = token(HEADER, CLAIMS)
    place %= len(good)
    rest = good[place:] if how == "insert" else good[place + 1 :]
    changed = good[:place] + ("" if how == "delete" else letter) + rest
    assert changed == good or taken(changed) is None
