"""Who is calling, and what that caller may do."""

import hashlib

import pytest

from labeler.errors import BadInput
from labeler.service.access import Access, Operator, Relay, Role, require_operator, require_relay

RELAY = Relay("did:web:smtp.example.com")
TRIAGE = Operator("did:plc:triage", Role.TRIAGE)
ADMIN = Operator("did:plc:admin", Role.ADMIN)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_caller_is_known_by_the_hash_of_the_token() -> None:
    access = Access([(digest("one").upper(), RELAY), (digest("two"), ADMIN)])
    assert access.identify("Bearer one") == RELAY
    assert access.identify("bearer  two ") == ADMIN
    assert access.identify(None) is None


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic one", "one", "Bearer One", "Bearer \udcff"])
def test_anything_else_is_401(header: str) -> None:
    with pytest.raises(BadInput) as refused:
        Access([(digest("one"), RELAY)]).identify(header)
    assert (refused.value.status, refused.value.name) == (401, "AuthenticationRequired")


def test_the_hash_itself_is_no_token() -> None:
    with pytest.raises(BadInput):
        Access([(digest("one"), RELAY)]).identify(f"Bearer {digest('one')}")


def test_relays() -> None:
    assert require_relay(RELAY) is RELAY
    for caller, status in ((None, 401), (ADMIN, 403)):
        with pytest.raises(BadInput) as refused:
            require_relay(caller)
        assert refused.value.status == status


@pytest.mark.parametrize(("caller", "status"), [(None, 401), (RELAY, 403), (TRIAGE, 403)])
def test_operators_need_the_role(caller: Relay | Operator | None, status: int) -> None:
    assert require_operator(ADMIN, Role.MODERATOR) is ADMIN
    with pytest.raises(BadInput) as refused:
        require_operator(caller, Role.MODERATOR)
    assert refused.value.status == status
    assert "moderator" in refused.value.message
