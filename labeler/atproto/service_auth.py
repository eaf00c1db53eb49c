"""Inter-service authentication: the signed token one service shows another (XRPC spec §Inter-Service Authentication).

In two steps, because only the shell can fetch the issuer's DID document: `parse` checks everything that needs no key,
`verify` the signature. After both, `ReplayGuard.use` spends the token. Every refusal is a `BadInput` with status 401
(429 for too many at once) and one of the error names below.
"""

import base64
import hashlib
import heapq
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from labeler.atproto.did_document import ACCOUNT_KEY, account_key, did_web_url
from labeler.atproto.json_text import parse_json
from labeler.atproto.keys import PublicKey
from labeler.atproto.syntax import is_did
from labeler.errors import BadInput, Unavailable

MISSING_JWT: Final = "MissingJwt"  # for the shell: there was no token at all
BAD_JWT: Final = "BadJwt"
BAD_TYPE: Final = "BadJwtType"
EXPIRED: Final = "JwtExpired"
BAD_AUDIENCE: Final = "BadJwtAudience"
BAD_METHOD: Final = "BadJwtLexiconMethod"
BAD_ISSUER: Final = "BadJwtIss"
BAD_SIGNATURE: Final = "BadJwtSignature"
TOO_MANY: Final = "RateLimitExceeded"

MAX_TOKEN_CHARS: Final = 8 * 1024
MAX_JSON_DEPTH: Final = 16

_FORGOTTEN_AT_ONCE: Final = 256  # after an idle hour a full memory must not hold up the one who comes first

_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)", re.ASCII)
_DID_PLC: Final = re.compile(r"did:plc:[a-z0-9]+", re.ASCII)
_ALGS: Final = frozenset({"ES256K", "ES256"})


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """Where the specification, the reference and deployed software differ: what is taken here.

    `bare_audience`: a DID without service fragment, which account hosts still send, counts if it is among the allowed
    audiences. `missing_iat`: a token may leave out when it was made. `high_s`: generic JOSE libraries do not normalise
    their signatures. `localhost_issuer`: did:web:localhost, for development only.
    """

    bare_audience: bool = True
    missing_iat: bool = False
    high_s: bool = True
    localhost_issuer: bool = False
    key_fragments: frozenset[str] = frozenset({ACCOUNT_KEY})
    max_lifetime: timedelta = timedelta(hours=1)  # the most an account host grants for one method
    clock_skew: timedelta = timedelta(seconds=30)  # how far the maker's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token claims, in order but for the signature: nothing of it is true before `verify`."""

    iss: str
    aud: str
    lxm: str
    jti: str
    exp: datetime
    key_fragment: str
    alg: str
    signed: bytes
    signature: bytes
    low_s: bool


def parse(
    token: str, *, now: datetime, audiences: Collection[str], lxm: str, policy: AuthPolicy = AuthPolicy()
) -> Unverified:
    """Read a token for the method `lxm` and check all that needs no key; `now` is aware, `audiences` who we are.

    Raises `BadInput` (401), named after the first thing that is wrong.
    """
    match = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN_CHARS else None
    if match is None:
        raise refused(BAD_JWT, "The token is not three parts of unpadded base64url of 8 KiB at most.")
    header, claims, signature = (_base64url(part) for part in match.groups())
    alg, key_fragment = _check_header(_json_object(header), policy)
    payload = _json_object(claims)
    iss, aud, jti = (_text(payload, name) for name in ("iss", "aud", "jti"))
    if not jti:
        raise refused(BAD_JWT, "The token has an empty jti.")
    _check_issuer(iss, policy)
    exp = _check_times(payload, now, policy)
    if aud not in audiences or not (policy.bare_audience or "#" in aud):
        raise refused(BAD_AUDIENCE, "The token is for another service (aud).")
    if payload.get("lxm") != lxm:
        raise refused(BAD_METHOD, f"The token is not for {lxm} (lxm).")
    if len(signature) != 64:
        raise refused(BAD_SIGNATURE, "The signature is not 64 bytes.")
    signed = token.rpartition(".")[0].encode("ascii")
    return Unverified(iss, aud, lxm, jti, exp, key_fragment, alg, signed, signature, not policy.high_s)


def issuer_key(unverified: Unverified, document: object) -> PublicKey:
    """Return the key the token must be signed with, of the issuer's DID document; raises `BadInput` (401)."""
    try:
        return account_key(document, unverified.iss, unverified.key_fragment)
    except BadInput as error:
        raise refused(BAD_SIGNATURE, f"{unverified.iss}: {error.message}.") from None


def verify(unverified: Unverified, key: PublicKey) -> None:
    """Check the signature against a key of the issuer's DID document; raises `BadInput` (401) if it is not that key's.

    The algorithm is the key's, never the token's choice: one that names another is refused.
    """
    if unverified.alg != key.alg:
        raise refused(
            BAD_SIGNATURE, f"The token is signed with {unverified.alg}, but the issuer's key is for {key.alg}."
        )
    if not key.verify(unverified.signed, unverified.signature, low_s=unverified.low_s):
        raise refused(BAD_SIGNATURE, "The signature is not of the issuer's key.")


class ReplayGuard:
    """Remembers which tokens were used, until they expire: each works once.

    By (iss, jti) and never by the bytes of the token, of which a stranger could make variants. Only verified tokens
    belong here, or anybody could fill it. It holds `capacity` tokens, 300 bytes each; full, it refuses every further
    one, because forgetting any would let that one be used again. One issuer has at most `each` of them, so that it
    fills none of the others' room; None sets no such bound.
    """

    def __init__(self, capacity: int, each: int | None = None) -> None:
        self._capacity = capacity
        self._each = each
        self._held: dict[bytes, int] = {}  # how many live tokens an issuer has, by its SHA-256
        self._used: set[bytes] = set()
        self._by_expiry: list[tuple[datetime, bytes, bytes]] = []
        self._forgotten = datetime.min.replace(tzinfo=UTC)

    def __len__(self) -> int:
        """Return how many tokens are remembered."""
        return len(self._used)

    def use(self, iss: str, jti: str, exp: datetime, now: datetime) -> None:
        """Spend the token; raises `BadInput` (401) if it was spent before, `Unavailable` if no more can be remembered.

        Raises `BadInput` (429) if too many tokens of this issuer are alive.

        A clock that goes back revives nothing: what would have been forgotten by the latest `now` is refused as
        expired.
        """
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._by_expiry or self._by_expiry[0][0] >= now:
                break
            self._forgotten, digest, issuer = heapq.heappop(self._by_expiry)
            self._used.remove(digest)
            self._held[issuer] -= 1
            if not self._held[issuer]:
                del self._held[issuer]
        digest = hashlib.sha256(f"{iss}\0{jti}".encode("utf-8", "surrogatepass")).digest()
        if digest in self._used:
            raise refused(BAD_JWT, "The token was used before (jti).")
        if exp <= self._forgotten:
            raise refused(EXPIRED, "The token has expired.")
        issuer = hashlib.sha256(iss.encode("utf-8", "surrogatepass")).digest()
        held = self._held.get(issuer, 0)
        if self._each is not None and held >= self._each:
            message = f"{held} tokens of this account have not expired yet; wait until some have."
            raise BadInput(message, name=TOO_MANY, status=429)
        if len(self._used) >= self._capacity:
            raise Unavailable("too many service-auth tokens at once: none can be taken until some have expired")
        self._used.add(digest)
        heapq.heappush(self._by_expiry, (exp, digest, issuer))
        self._held[issuer] = held + 1


def refused(name: str, message: str) -> BadInput:
    """Build the 401 of a token that does not hold, under one of the names above."""
    return BadInput(message, name=name, status=401)


def _base64url(part: str) -> bytes:
    """Decode what `_TOKEN` matched; one text for the same bytes, so that no token has a second spelling."""
    if len(part) % 4 == 1:
        raise refused(BAD_JWT, "The token is not base64url.")
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != part:
        raise refused(BAD_JWT, "The token is not base64url: stray bits at the end of a part.")
    return raw


def _json_object(raw: bytes) -> Mapping[str, Any]:
    try:
        value = parse_json(raw, max_depth=MAX_JSON_DEPTH)
    except BadInput as error:
        raise refused(BAD_JWT, f"The token is not readable: {error.message}.") from None
    if not isinstance(value, dict):
        raise refused(BAD_JWT, "The token's header and claims must be JSON objects.")
    return value


def _check_header(header: Mapping[str, Any], policy: AuthPolicy) -> tuple[str, str]:
    """Return alg and key fragment. What else a header may hold (a key of its own, say) is never looked at."""
    alg, kid, kind = header.get("alg"), header.get("kid", ACCOUNT_KEY), header.get("typ", "JWT")
    if not isinstance(alg, str):
        raise refused(BAD_JWT, "The token names no algorithm (alg).")
    if not isinstance(kind, str) or kind.upper() != "JWT":  # access, refresh and DPoP tokens are JWTs too
        raise refused(BAD_TYPE, "The token is of another kind (typ).")
    if "crit" in header:  # RFC 7515 §4.1.11: we know no extension, so we must refuse them all
        raise refused(BAD_JWT, "The token wants an extension nobody here knows (crit).")
    if not isinstance(kid, str) or not kid.startswith("#"):
        raise refused(BAD_JWT, "The token's kid is not a fragment beginning with #.")
    if kid not in policy.key_fragments:
        raise refused(BAD_SIGNATURE, "The token is signed with a key that does not count here (kid).")
    if alg not in _ALGS:
        raise refused(BAD_SIGNATURE, "The token is signed with an algorithm that does not count here (alg).")
    return alg, kid


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise refused(BAD_JWT, f"The token's {name} is missing or not a string.")
    return value


def _number(claims: Mapping[str, Any], name: str) -> int | float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(BAD_JWT, f"The token's {name} is missing or not a number.")
    return value


def _check_issuer(iss: str, policy: AuthPolicy) -> None:
    """Let pass the bare DIDs whose document could be fetched from a public place (DID spec §Blessed DID Methods)."""
    if not is_did(iss):  # a service fragment is none of a DID either
        raise refused(BAD_ISSUER, "The token's iss is not a bare DID.")
    if _DID_PLC.fullmatch(iss) is not None:
        return
    try:
        url = did_web_url(iss)
    except BadInput:
        raise refused(BAD_ISSUER, "The token's iss is neither a did:plc nor a did:web of a public host.") from None
    if url.startswith("http:") and not policy.localhost_issuer:
        raise refused(BAD_ISSUER, "The token's iss is a DID of this very host, for development only.")


def _check_times(claims: Mapping[str, Any], now: datetime, policy: AuthPolicy) -> datetime:
    """Check exp, iat and nbf (RFC 7519 §4.1) and return exp. Numbers may be huge: compared, never subtracted."""
    at, skew = now.timestamp(), policy.clock_skew.total_seconds()
    exp = _number(claims, "exp")
    if exp <= at:
        raise refused(EXPIRED, "The token has expired.")
    if exp > at + policy.max_lifetime.total_seconds() + skew:
        raise refused(BAD_JWT, "The token is valid for longer than is taken here (exp).")
    if "iat" in claims or not policy.missing_iat:
        iat = _number(claims, "iat")
        if iat > at + skew or iat >= exp:
            raise refused(BAD_JWT, "The token was made in the future (iat).")
    if "nbf" in claims and _number(claims, "nbf") > at + skew:
        raise refused(BAD_JWT, "The token is not valid yet (nbf).")
    return datetime.fromtimestamp(exp, UTC)
