"""Callers known by their DID: a service-auth token is read, its issuer's key fetched, the signature checked, the token
spent (XRPC spec §Inter-Service Authentication).

Everything that can be refused without asking the world is refused first. A signature that fails may only mean that the
issuer changed keys since we last looked: then the document is fetched anew, once, and the token tried again if the key
is another one.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from labeler.atproto.did_document import LABELER_SERVICE
from labeler.atproto.service_auth import (
    BAD_AUDIENCE,
    BAD_ISSUER,
    BAD_JWT,
    BAD_METHOD,
    BAD_SIGNATURE,
    BAD_TYPE,
    EXPIRED,
    AuthPolicy,
    ReplayGuard,
    Unverified,
    issuer_key,
    parse,
    refused,
    verify,
)
from labeler.errors import BadInput, LabelerError
from labeler.ports import Clock, DidResolver
from labeler.service.observe import OTHER, Metrics

STRANGERS_TOKENS: Final = 500  # alive at once, of one DID that is not in the configuration
TOKENS_REMEMBERED: Final = 200_000  # for each of the two guards; a token lives for an hour at most
RESULTS: Final = frozenset(
    {BAD_JWT, BAD_TYPE, EXPIRED, BAD_AUDIENCE, BAD_METHOD, BAD_ISSUER, BAD_SIGNATURE, "accepted"}
)


class ServiceAuth:
    """Reads tokens made for us. `known` are the DIDs of the configuration."""

    def __init__(
        self,
        did: str,
        dids: DidResolver,
        clock: Clock,
        metrics: Metrics,
        *,
        known: Collection[str] = (),
        policy: AuthPolicy | None = None,
    ) -> None:
        self._audiences = frozenset({did + LABELER_SERVICE, did})
        self._dids = dids
        self._clock = clock
        self._metrics = metrics
        self._known = frozenset(known)
        self._policy = policy or AuthPolicy()
        # Two memories: whoever makes DIDs by the thousand may fill the one of strangers, and locks nobody else out.
        # One DID of a stranger fills nothing; a relay sends as often as it likes.
        strangers = ReplayGuard(TOKENS_REMEMBERED, STRANGERS_TOKENS)
        self._spent = {True: ReplayGuard(TOKENS_REMEMBERED), False: strangers}

    async def issuer(self, token: str, nsid: str) -> str:
        """Return the DID that made `token` for the method `nsid`, and spend it.

        Raises `BadInput` (401) under the error names of the reference, `Unavailable` when tokens cannot be taken now.
        """
        result = OTHER
        try:
            found = parse(token, now=self._clock.now(), audiences=self._audiences, lxm=nsid, policy=self._policy)
            await self._verify(found)
            self._spent[found.iss in self._known].use(found.iss, found.jti, found.exp, self._clock.now())
            result = "accepted"
        except BadInput as error:
            result = error.name
            raise
        finally:
            self._metrics.service_auth.labels(result if result in RESULTS else OTHER).inc()
        if "#" not in found.aud:
            self._metrics.bare_audiences.inc()
        return found.iss

    async def _verify(self, found: Unverified) -> None:
        document = await self._document(found)
        try:
            verify(found, issuer_key(found, document))
        except BadInput:
            renewed = await self._renewed(found)
            if renewed is None or _key(renewed, found) == _key(document, found):
                raise
            verify(found, issuer_key(found, renewed))

    async def _document(self, found: Unverified) -> Mapping[str, Any]:
        try:
            return await self._dids.resolve(found.iss)
        except LabelerError as error:
            # Closed when in doubt, and without details: what a host of the caller's choice answered is not theirs
            # to learn from us.
            raise refused(BAD_ISSUER, "The token's iss could not be resolved.") from error

    async def _renewed(self, found: Unverified) -> Mapping[str, Any] | None:
        try:
            return await self._dids.resolve(found.iss, refresh=True)
        except LabelerError:
            return None


def _key(document: Mapping[str, Any], found: Unverified) -> str | None:
    """Name the issuer's key in a document, None where there is none."""
    try:
        return issuer_key(found, document).did_key
    except BadInput:
        return None
