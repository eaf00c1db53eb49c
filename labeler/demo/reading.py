"""What anybody can read of the labeler over its public interfaces; the demo knows nothing else about it."""

import asyncio
import re
from typing import Any, Final

import httpx
import msgspec
from websockets.asyncio.client import connect

from labeler.atproto.did_document import label_key
from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label
from labeler.errors import Unavailable

STREAM_S: Final = 10.0
_SAMPLE: Final = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.MULTILINE)


class Reading:
    """A reader with an operator's token, so that `getStanding` and `getEvidence` tell their numbers."""

    def __init__(self, did: str, origin: str, operator_token: str, client: httpx.AsyncClient) -> None:
        self._did = did
        self.origin = origin
        self._client = client
        self._bearer = {"Authorization": f"Bearer {operator_token}"}

    async def standing(self, did: str) -> dict[str, Any]:
        """Where a member stands, with numbers and what clears each label."""
        return await self._ask("email.atmos.reputation.getStanding", did=did)

    async def evidence(self, seq: int) -> dict[str, Any]:
        """The record behind one label."""
        answer = await self._ask("email.atmos.reputation.getEvidence", seq=seq)
        record: dict[str, Any] = answer["evidence"]
        return record

    async def throttle_caps(self) -> tuple[int, int]:
        """Recipients an hour that a throttled member may write to: of ordinary and of authentication mail."""
        policy = await self._ask("email.atmos.reputation.getPolicy")
        row = next(row for row in policy["labels"] if row["action"] == "throttle")
        return row["hourlyCap"], row["authMailHourlyCap"]

    async def labels(self) -> list[Label]:
        """Everything `queryLabels` answers, page by page."""
        found: list[Label] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._ask("com.atproto.label.queryLabels", uriPatterns="*", limit=250, **cursor)
            found += [Label.from_json(fields) for fields in page["labels"]]
            if "cursor" not in page:
                return found
            cursor = {"cursor": page["cursor"]}

    async def stream(self, last: int) -> list[tuple[int, Label]]:
        """Everything `subscribeLabels` sends from the beginning up to seq `last`."""
        seen: list[tuple[int, Label]] = []
        url = f"ws{self.origin.removeprefix('http')}/xrpc/com.atproto.label.subscribeLabels?cursor=0"
        async with asyncio.timeout(STREAM_S), connect(url, proxy=None, compression=None) as socket:
            while not seen or seen[-1][0] < last:
                frame = decode_frame(await socket.recv(decode=False))
                if isinstance(frame, LabelsFrame):
                    seen += [(frame.seq, label) for label in frame.labels]
        return seen

    async def key(self) -> PublicKey:
        """The label key, from the DID document."""
        return label_key(await self._get("/.well-known/did.json"), self._did)

    async def numbers(self) -> dict[str, float]:
        """Every sample of /metrics, by name and labels as they are written there."""
        response = await self._client.get(f"{self.origin}/metrics")
        return {name + labels: float(value) for name, labels, value in _SAMPLE.findall(response.text)}

    async def _ask(self, nsid: str, **params: str | int) -> dict[str, Any]:
        return await self._get(f"/xrpc/{nsid}", **params)

    async def _get(self, path: str, **params: str | int) -> dict[str, Any]:
        response = await self._client.get(f"{self.origin}{path}", params=params, headers=self._bearer)
        if not response.is_success:
            raise Unavailable(f"{path} answered {response.status_code}: {response.text[:300]}")
        return msgspec.json.decode(response.content, type=dict[str, Any])
