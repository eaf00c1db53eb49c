"""Who is calling, and what that caller may do.

Tokens are kept only as SHA-256 in hex. A presented token is hashed and compared with every known hash in constant
time, so that neither the answer nor its delay tells how close a guess came.
"""

import enum
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

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
    """A human or tool of the labeler's team: may decide, as far as the role goes."""

    did: str
    role: Role


Caller = Relay | Operator


class Access:
    """Knows the callers by the hashes of their tokens."""

    def __init__(self, callers: Iterable[tuple[str, Caller]]) -> None:
        """Take (SHA-256 of the token in hex, caller) pairs."""
        self._callers = [(digest.lower(), caller) for digest, caller in callers]

    def identify(self, authorization: str | None) -> Caller | None:
        """Name the caller behind an Authorization header, None when there is no header.

        Raises `BadInput` (401) when there is one that does not hold. The scheme is matched in any case (RFC 7235
        §2.1).
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("The Authorization header must read: Bearer <token>.")
        if len(token) > MAX_TOKEN_BYTES:
            raise unauthenticated("The token is too long.")
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found: Caller | None = None
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise unauthenticated("This token is not known here.")
        return found


def require_relay(caller: Caller | None) -> Relay:
    """Let relays pass; raises `BadInput`, 401 without a caller and 403 for anybody else."""
    if caller is None:
        raise unauthenticated("A relay's bearer token is needed.")
    if not isinstance(caller, Relay):
        raise forbidden("Only a relay may do this; the token belongs to an operator.")
    return caller


def require_operator(caller: Caller | None, role: Role) -> Operator:
    """Let operators of at least `role` pass; raises `BadInput`, 401 without a caller and 403 for anybody else."""
    name = role.name.lower()
    if caller is None:
        raise unauthenticated(f"An operator's bearer token is needed (role {name} or above).")
    if not isinstance(caller, Operator):
        raise forbidden(f"This needs an operator with role {name} or above; the token belongs to a relay.")
    if caller.role < role:
        raise forbidden(f"This needs role {name} or above; the token has role {caller.role.name.lower()}.")
    return caller


def unauthenticated(message: str) -> BadInput:
    """Build the 401 of somebody we do not know."""
    return BadInput(message, name="AuthenticationRequired", status=401)


def forbidden(message: str) -> BadInput:
    """Build the 403 of somebody we know who may not do this."""
    return BadInput(message, name="Forbidden", status=403)
