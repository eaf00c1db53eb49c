"""The service-auth tokens of the reference: each gets its verdict, and each refusal its name."""

import json
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto.keys import PublicKey
from labeler.atproto.service_auth import AuthPolicy, ReplayGuard, issuer_key, refused, verify
from labeler.errors import BadInput
from tests.tokens import DEFAULT, FILE, NOW, read

TOKENS: list[dict[str, Any]] = FILE["jwts"]
DOCUMENTS, CACHED = FILE["didDocs"], FILE["cachedKeys"]
INVALID: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "invalid.json").read_text())["jwts"]


def name(vector: dict[str, Any]) -> str:
    return str(vector["id"])


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


@pytest.mark.row(196, 197, 198, 199, 205, 206, 208, 213, 221)
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


@pytest.mark.row(191, 193, 194, 205, 213)
@pytest.mark.parametrize("vector", INVALID, ids=name)
def test_an_invalid_token_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        judge(vector | {"cacheDependent": True}, ReplayGuard(8))
    assert (caught.value.status, caught.value.name) == (401, vector["errorName"])
