"""Service-auth tokens: the vectors of the reference, and one token bent in every way."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.atproto.service_auth import (
    AuthPolicy,
    ReplayGuard,
    Unverified,
    issuer_key,
    parse,
    refused,
    verify,
)
from labeler.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors"
FILE = json.loads((VECTORS / "jwts.json").read_text())
TOKENS: list[dict[str, Any]] = FILE["jwts"]
INVALID: list[dict[str, Any]] = json.loads((VECTORS / "invalid.json").read_text())["jwts"]
META, DOCUMENTS, CACHED = FILE["meta"], FILE["didDocs"], FILE["cachedKeys"]
AUDIENCES = META["acceptedAudiences"]["transition"]
NOW = datetime.fromtimestamp(META["now"], UTC)

DEFAULT = AuthPolicy()
KEY = PrivateKey.from_hex("07" * 32)
ISS = "did:plc:44ybard66vv44zksje25o7dz"
LXM = "tools.ozone.moderation.emitEvent"
CLAIMS: dict[str, Any] = {
    "iss": ISS,
    "aud": AUDIENCES[0],
    "exp": META["now"] + 60,
    "iat": META["now"],
    "lxm": LXM,
    "jti": "once",
}


def name(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(
    header: object = None, claims: object = None, *, key: PrivateKey = KEY, sign: Callable[[bytes], bytes] | None = None
) -> str:
    """Sign a token; `header` and `claims` (None: the good ones) are JSON values, or bytes to be taken as they are."""
    head = {"typ": "JWT", "alg": key.alg} if header is None else header
    signed = f"{encoded(head)}.{encoded(CLAIMS if claims is None else claims)}"
    return f"{signed}.{encoded((sign or key.sign)(signed.encode()))}"


def read(text: str, policy: AuthPolicy = DEFAULT, *, now: datetime = NOW, lxm: str = LXM) -> Unverified:
    return parse(text, now=now, audiences=AUDIENCES, lxm=lxm, policy=policy)


def judge(vector: dict[str, Any], guard: ReplayGuard, policy: AuthPolicy = DEFAULT) -> None:
    """Do what the service does: parse, resolve, verify, once more with a fresh document, spend."""
    unverified = read(vector["token"], policy, lxm=vector["requestLxm"])
    cached = CACHED.get(unverified.iss)
    try:
        if cached is None:
            raise refused("NotCached", "")
        verify(unverified, PublicKey.from_did_key(cached))
        if vector.get("cacheDependent"):  # here the document is always looked at
            raise refused("Stale", "")
    except BadInput:
        if unverified.iss not in DOCUMENTS:
            raise refused("BadJwtIss", "cannot be resolved") from None
        verify(unverified, issuer_key(unverified, DOCUMENTS[unverified.iss]))
    guard.use(unverified.iss, unverified.jti, unverified.exp, NOW)


def test_the_vectors_are_all_there() -> None:
    """A selection that came out empty would prove nothing."""
    accepted = [vector["id"] for vector in TOKENS if vector["expect"] == "accept"]
    assert (len(TOKENS), len(accepted), len(INVALID)) == (95, 12, 36)
    assert len({vector["id"] for vector in TOKENS}) == 95
    assert {vector["id"] for vector in INVALID} < {vector["id"] for vector in TOKENS}
    assert {vector["expect"] for vector in TOKENS} == {"accept", "reject"}


@pytest.mark.row(*range(191, 209), 213, 220)
@pytest.mark.parametrize("vector", TOKENS, ids=name)
def test_a_token_of_the_vectors_gets_its_verdict(vector: dict[str, Any]) -> None:
    """The verdict, and for a refusal the name of the error too."""
    guard = ReplayGuard(8)
    for first in TOKENS:
        if first.get("order") == 1 and first["replayGroup"] == vector.get("replayGroup") and first is not vector:
            judge(first, guard)
    if vector["expect"] == "accept":
        judge(vector, guard)
        return
    with pytest.raises(BadInput) as caught:
        judge(vector, guard)
    assert (caught.value.status, caught.value.name) == (401, vector["errorName"])


@pytest.mark.row(*range(191, 207), 213)
@pytest.mark.parametrize("vector", INVALID, ids=name)
def test_an_invalid_token_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        judge(vector | {"cacheDependent": True}, ReplayGuard(8))
    assert (caught.value.status, caught.value.name) == (401, vector["errorName"])
