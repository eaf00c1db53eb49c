"""How a label is issued on the labeler under trial: the one thing that no protocol settles."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx

from conformance.checks import NotApplicable


class Issuer(Protocol):
    """Issues labels of one value; returns when the labeler has accepted them."""

    async def apply(self, uri: str) -> None:
        """Label the subject."""

    async def negate(self, uri: str) -> None:
        """Take the label back."""

    async def expire(self, uri: str) -> None:
        """Label the subject for a while that is over when this returns. Raises `NotApplicable` where that cannot be."""

    async def prune(self) -> None:
        """Have the labeler forget every label it holds, but not its seq. Raises `NotApplicable` likewise."""

    async def close(self) -> None:
        """Let go of connections."""


class EmitEvent:
    """Through `tools.ozone.moderation.emitEvent` with a bearer token."""

    def __init__(self, url: str, token: str, val: str, created_by: str) -> None:
        self._url = url
        self._token = token
        self._val = val
        self._created_by = created_by
        self._client = httpx.AsyncClient(timeout=20)

    async def apply(self, uri: str) -> None:
        """Label the subject."""
        await self._emit(uri, {"createLabelVals": [self._val], "negateLabelVals": []})

    async def negate(self, uri: str) -> None:
        """Take the label back."""
        await self._emit(uri, {"createLabelVals": [], "negateLabelVals": [self._val]})

    async def expire(self, uri: str) -> None:
        """Say that it cannot be done: the event counts in hours."""
        raise NotApplicable("emitEvent labels for an hour at least")

    async def prune(self) -> None:
        """Say that it cannot be done: there is no such event."""
        raise NotApplicable("emitEvent cannot prune")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _emit(self, did: str, words: dict[str, Any]) -> None:
        answer = await self._client.post(
            f"{self._url}/xrpc/tools.ozone.moderation.emitEvent",
            json={
                "event": {"$type": "tools.ozone.moderation.defs#modEventLabel", **words},
                "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
                "createdBy": self._created_by,
            },
            headers={"Authorization": f"Bearer {self._token}"},
        )
        if answer.status_code != 200:
            raise RuntimeError(f"emitEvent answered {answer.status_code}: {answer.text[:300]}")


class Hook:
    """Through a small HTTP server of your own: POST {uri, val, neg?, exp?} issues a label, POST {prune: true} prunes.

    Any 2xx answer means done; 501 means that it cannot be done there.
    """

    def __init__(self, url: str, val: str) -> None:
        self._url = url
        self._val = val
        self._client = httpx.AsyncClient(timeout=20)

    async def apply(self, uri: str) -> None:
        """Label the subject."""
        await self._post({"uri": uri, "val": self._val})

    async def negate(self, uri: str) -> None:
        """Take the label back."""
        await self._post({"uri": uri, "val": self._val, "neg": True})

    async def expire(self, uri: str) -> None:
        """Label the subject for a second, and wait until it is over."""
        until = datetime.now(UTC) + timedelta(seconds=1)
        exp = until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self._post({"uri": uri, "val": self._val, "exp": exp})
        await asyncio.sleep(1.1)

    async def prune(self) -> None:
        """Prune by the hook."""
        await self._post({"prune": True})

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _post(self, body: dict[str, Any]) -> None:
        answer = await self._client.post(self._url, json=body)
        if answer.status_code == 501:
            raise NotApplicable("the hook cannot do that")
        if not answer.is_success:
            raise RuntimeError(f"the hook answered {answer.status_code}: {answer.text[:300]}")


class ReadOnly:
    """No way to issue labels was given: what needs one is not applicable."""

    async def apply(self, uri: str) -> None:
        """Say that it cannot be done."""
        raise NotApplicable(f"no way to issue a label was given (--token-file or --hook); wanted one on {uri}")

    async def negate(self, uri: str) -> None:
        """Say that it cannot be done."""
        await self.apply(uri)

    async def expire(self, uri: str) -> None:
        """Say that it cannot be done."""
        await self.apply(uri)

    async def prune(self) -> None:
        """Say that it cannot be done."""
        await self.apply("anything")

    async def close(self) -> None:
        """Do nothing."""
