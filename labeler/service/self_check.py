"""Are we who our DID document says we are?

Labels signed with a key that is not the published one cannot be verified by anybody. So the document is fetched now and
then and compared: its label key with ours, its labeler endpoint with our origin. Only a document that was fetched and
says something else stops us; a directory that does not answer is a warning and no more, and nothing ever waits for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar

from labeler.atproto.did_document import label_key, labeler_endpoint
from labeler.errors import BadInput, LabelerError, Unavailable
from labeler.ports import DidResolver
from labeler.service.observe import Metrics
from labeler.service.pipeline import Pipeline

RETRY_SECONDS: Final = 30.0  # after anything but agreement

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


class SelfCheck:
    """Compares what is published about `did` with `key_id` (did:key) and `endpoint`; holds the pipeline if it differs.

    `dids` must not remember, or a correction would be noticed late.
    """

    def __init__(
        self, did: str, key_id: str, endpoint: str, dids: DidResolver, pipeline: Pipeline, metrics: Metrics
    ) -> None:
        self._did = did
        self._key_id = key_id
        self._endpoint = endpoint
        self._dids = dids
        self._pipeline = pipeline
        self._metrics = metrics
        self._state = "not checked yet"
        self.difference: str | None = None  # the cause that stops us

    async def watch(self, seconds: float) -> None:
        """Look for ever: every `seconds` while all is well, sooner otherwise."""
        while True:
            agrees = await self.look()
            await asyncio.sleep(seconds if agrees else min(seconds, RETRY_SECONDS))

    async def look(self) -> bool:
        """Look once; tell whether a document was fetched that agrees with us."""
        try:
            document = await self._dids.resolve(self._did, refresh=True)
        except LabelerError as error:
            # What stopped us goes on stopping us: a directory that went away has not corrected anything.
            self._note("unreachable", logging.WARNING, f"our DID document cannot be compared: {error}")
            return False
        self.difference = self._compare(document)
        if self.difference is not None:
            self._pipeline.hold(self.difference)
            self._note("differs", logging.ERROR, f"no label is issued or served: {self.difference}")
            return False
        self._pipeline.release()
        self._note("agrees", logging.INFO, "our DID document names our key and our endpoint")
        return True

    def check(self) -> dict[str, Any]:
        """Answer for readiness."""
        return {"ok": self.difference is None, "message": self.difference or self._state}

    def agreeing(self, serve: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """Wrap what hands out labels: it raises `Unavailable` while the published document differs from us."""

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.difference is not None:
                raise Unavailable(self.difference)
            return await serve(*args, **kwargs)

        return guarded

    def _compare(self, document: dict[str, Any]) -> str | None:
        """Say what differs, None if nothing does."""
        try:
            published = label_key(document, self._did).did_key
        except BadInput as error:
            return f"{self._did}: {error.message}"
        if published != self._key_id:
            return f"{self._did}: the label key published is {published}, the one loaded is {self._key_id}"
        try:
            endpoint = labeler_endpoint(document, self._did)
        except BadInput as error:
            return f"{self._did}: {error.message}"
        if _plain(endpoint) != _plain(self._endpoint):
            return f"{self._did}: the labeler endpoint published is {endpoint}, ours is {self._endpoint}"
        return None

    def _note(self, result: str, level: int, message: str) -> None:
        self._metrics.identity_checks.labels(result).inc()
        if message != self._state:
            log.log(level, "%s", message)
        self._state = message


def _plain(origin: str) -> str:
    """One spelling of an origin: lower case, the scheme's own port left out."""
    lower = origin.lower()
    return lower.removesuffix(":443") if lower.startswith("https:") else lower.removesuffix(":80")
