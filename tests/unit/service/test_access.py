"""Who is calling, and what that caller may do."""

import hashlib

import pytest

from labeler.errors import BadInput
from labeler.service.access import (
    Access,
    Account,
    Caller,
    Operator,
    Relay,
    Role,
    may_see,
    require_anyone,
    require_operator,
    require_relay,
)

RELAY = Relay("did:web:smtp.example.com")
TRIAGE = Operator("did:plc:triage", Role.TRIAGE)
ADMIN = Operator("did:plc:admin", Role.ADMIN)
ALICE = Account("did:plc:alice")
NSID = "email.atmos.reputation.getStanding"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Issuers:
    """Takes tokens that read `<did>.for.<nsid>`."""

    async def issuer(self, token: str, nsid: str) -> str:
        did, _, method = token.partition(".for.")
        if method != nsid:
            raise BadInput("not for this", name="BadJwtLexiconMethod", status=401)
        return did


async def refusal(access: Access, header: str) -> tuple[int, str]:
    with pytest.raises(BadInput) as refused:
        await access.identify(header, NSID)
    return refused.value.status, refused.value.name


@pytest.mark.row(214)
async def test_a_caller_is_known_by_the_hash_of_the_token() -> None:
    access = Access([(digest("one").upper(), RELAY), (digest("two"), ADMIN)])
    assert await access.identify("Bearer one", NSID) == RELAY
    assert await access.identify("bearer  two ", NSID) == ADMIN
    assert await access.identify(None, NSID) is None


@pytest.mark.row(213)
@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "MissingJwt"),
        ("Basic one", "MissingJwt"),
        ("one", "MissingJwt"),
        ("Bearer", "BadJwt"),
        ("Bearer ", "BadJwt"),
        ("Bearer One", "BadJwt"),
        ("Bearer \udcff", "BadJwt"),
        ("Bearer " + "x" * 8193, "BadJwt"),
    ],
)
async def test_anything_else_is_401(header: str, name: str) -> None:
    assert await refusal(Access([(digest("one"), RELAY)], Issuers()), header) == (401, name)


async def test_the_hash_itself_is_no_token() -> None:
    assert await refusal(Access([(digest("one"), RELAY)]), f"Bearer {digest('one')}") == (401, "BadJwt")


@pytest.mark.row(213)
async def test_without_service_auth_only_our_own_tokens_count() -> None:
    assert await refusal(Access([]), f"Bearer did:plc:alice.for.{NSID}") == (401, "BadJwt")


@pytest.mark.row(203, 213)
async def test_a_did_that_is_proved_is_whoever_the_configuration_says() -> None:
    access = Access([], Issuers(), [RELAY, ADMIN])
    for known in (RELAY, ADMIN, ALICE):
        assert await access.identify(f"Bearer {known.did}.for.{NSID}", NSID) == known
    assert await refusal(access, "Bearer did:plc:admin.for.other") == (401, "BadJwtLexiconMethod")


@pytest.mark.parametrize(
    ("members", "role", "relay"),
    [
        ([Relay("did:plc:a"), Operator("did:plc:a", Role.TRIAGE)], Role.TRIAGE, True),
        ([Operator("did:plc:a", Role.TRIAGE), Relay("did:plc:a")], Role.TRIAGE, True),
        ([Operator("did:plc:a", Role.ADMIN), Operator("did:plc:a", Role.TRIAGE)], Role.ADMIN, False),
        ([Relay("did:plc:a"), Operator("did:plc:a", Role.ADMIN), Operator("did:plc:a", Role.TRIAGE)], Role.ADMIN, True),
    ],
)
async def test_a_did_named_twice_is_both(members: list[Relay | Operator], role: Role, relay: bool) -> None:
    found = await Access([], Issuers(), members).identify(f"Bearer did:plc:a.for.{NSID}", NSID)
    assert found == Operator("did:plc:a", role, relay)
    if relay:
        assert require_relay(found) == Relay("did:plc:a")


@pytest.mark.row(336)
@pytest.mark.parametrize(("caller", "status"), [(None, 401), (ADMIN, 403), (ALICE, 403)])
def test_relays(caller: Caller | None, status: int) -> None:
    assert require_relay(RELAY) is RELAY
    with pytest.raises(BadInput) as refused:
        require_relay(caller)
    assert refused.value.status == status
    assert "relay" in refused.value.message


@pytest.mark.row(336)
@pytest.mark.parametrize(("caller", "status"), [(None, 401), (RELAY, 403), (TRIAGE, 403), (ALICE, 403)])
def test_operators_need_the_role(caller: Caller | None, status: int) -> None:
    assert require_operator(ADMIN, Role.MODERATOR) is ADMIN
    with pytest.raises(BadInput) as refused:
        require_operator(caller, Role.MODERATOR)
    assert refused.value.status == status
    assert "moderator" in refused.value.message


def test_some_things_only_want_somebody() -> None:
    assert require_anyone(ALICE) is ALICE
    with pytest.raises(BadInput) as refused:
        require_anyone(None)
    assert (refused.value.status, refused.value.name) == (401, "MissingJwt")


@pytest.mark.row(309)
def test_what_is_not_public_is_for_operators_and_the_account_itself() -> None:
    assert may_see(TRIAGE, ALICE.did)
    assert may_see(ALICE, ALICE.did)
    assert not may_see(ALICE, "did:plc:bob")
    assert not may_see(RELAY, ALICE.did)
    assert not may_see(None, ALICE.did)
