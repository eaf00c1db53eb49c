"""Who is calling, and what that caller may do.

Two kinds of bearer tokens are taken. Ours are kept only as SHA-256 in hex: a presented token is hashed and compared
with every known hash in constant time, so that neither the answer nor its delay tells how close a guess came. Whatever
is not ours must be a service-auth token (service_auth.py), which proves a DID; the configuration says whether that is a
relay or an operator, and everybody else is an account.
"""

import enum
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from labeler.atproto.service_auth import BAD_JWT, MISSING_JWT, refused
from labeler.errors import BadInput

MAX_TOKEN_BYTES = 8 * 1024


class Role(enum.IntEnum):
    """What an operator may do; a higher role may do everything a lower one may."""

    TRIAGE = 1
    MODERATOR = 2
    ADMIN = 3


class Relay(NamedTuple):
    """A mail relay: may hand in telemetry."""

    did: str


class Operator(NamedTuple):
    """A human or tool of the labeler's team: may decide, as far as the role goes.

    `relay`: the configuration lets the same DID hand in telemetry.
    """

    did: str
    role: Role
    relay: bool = False


class Account(NamedTuple):
    """Anybody else who proved a DID: may see what concerns that DID."""

    did: str


Caller = Relay | Operator | Account


class Issuers(Protocol):
    """Reads service-auth tokens."""

    async def issuer(self, token: str, nsid: str) -> str:
        """Return the DID that made `token` for the method `nsid`; raises `BadInput` (401), `Unavailable`."""
        ...


class Access:
    """Knows callers by the hashes of their tokens, or by their DIDs."""

    def __init__(
        self,
        tokens: Iterable[tuple[str, Caller]],
        issuers: Issuers | None = None,
        members: Iterable[Relay | Operator] = (),
    ) -> None:
        """Take (SHA-256 of the token in hex, caller) pairs; `members` are who a service-auth token may prove to be."""
        self._tokens = [(digest.lower(), caller) for digest, caller in tokens]
        self._issuers = issuers
        self._members: dict[str, Relay | Operator] = {}
        for member in members:
            self._members[member.did] = _united(self._members.get(member.did), member)

    async def identify(self, authorization: str | None, nsid: str) -> Caller | None:
        """Name the caller of `nsid` behind an Authorization header, None when there is no header.

        Raises `BadInput` (401) when there is one that does not hold, `Unavailable`. The scheme is matched in any case
        (RFC 7235 §2.1).
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer":
            raise refused(MISSING_JWT, "The Authorization header must read: Bearer <token>.")
        if len(token) > MAX_TOKEN_BYTES:
            raise refused(BAD_JWT, "The token is too long.")
        found = self._by_hash(token)
        if found is not None:
            return found
        if self._issuers is None or "." not in token:
            raise refused(BAD_JWT, "This token is not known here, and it is no service-auth token.")
        did = await self._issuers.issuer(token, nsid)
        return self._members.get(did, Account(did))

    def operator(self, did: str) -> Operator | None:
        """The operator with that DID, with the role the configuration gives it."""
        member = self._members.get(did)
        return member if isinstance(member, Operator) else None

    def _by_hash(self, token: str) -> Caller | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found: Caller | None = None
        for known, caller in self._tokens:
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def require_relay(caller: Caller | None) -> Relay:
    """Let relays pass; raises `BadInput`, 401 without a caller and 403 for anybody else."""
    match caller:
        case None:
            raise unauthenticated("A relay's token is needed.")
        case Relay():
            return caller
        case Operator(relay=True):
            return Relay(caller.did)
    raise forbidden(f"Only a relay may do this; the token is {_described(caller)}.")


def require_operator(caller: Caller | None, role: Role) -> Operator:
    """Let operators of at least `role` pass; raises `BadInput`, 401 without a caller and 403 for anybody else."""
    name = role.name.lower()
    if caller is None:
        raise unauthenticated(f"An operator's token is needed (role {name} or above).")
    if not isinstance(caller, Operator):
        raise forbidden(f"This needs an operator with role {name} or above; the token is {_described(caller)}.")
    if caller.role < role:
        raise forbidden(f"This needs role {name} or above; the token has role {caller.role.name.lower()}.")
    return caller


def require_anyone(caller: Caller | None) -> Caller:
    """Let everybody pass who proved to be somebody; raises `BadInput` (401) without a caller."""
    if caller is None:
        raise unauthenticated("A token is needed: a service-auth token of the account concerned, or an operator's.")
    return caller


def may_see(caller: Caller | None, did: str) -> bool:
    """Tell whether what is not public about `did` may be shown: to operators, and to the account itself."""
    return caller is not None and (isinstance(caller, Operator) or caller.did == did)


def _united(before: Relay | Operator | None, member: Relay | Operator) -> Relay | Operator:
    """One DID named twice: everything it was given, and of two roles the higher."""
    operators = [each for each in (before, member) if isinstance(each, Operator)]
    if before is None or not operators:
        return member
    relay = len(operators) < 2 or any(each.relay for each in operators)
    return Operator(member.did, max(each.role for each in operators), relay)


def _described(caller: Caller) -> str:
    match caller:
        case Relay():
            return "a relay's"
        case Operator():
            return "an operator's"
        case Account():
            return "an account's"


def unauthenticated(message: str) -> BadInput:
    """Build the 401 of somebody who showed no token."""
    return refused(MISSING_JWT, message)


def forbidden(message: str) -> BadInput:
    """Build the 403 of somebody we know who may not do this."""
    return BadInput(message, name="Forbidden", status=403)
