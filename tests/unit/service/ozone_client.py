"""The Ozone doors as a moderation tool calls them, for the tests of the service."""

from typing import TYPE_CHECKING, Any

from labeler.reputation.inputs import Report

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

DEFS = "tools.ozone.moderation.defs#"
ALICE, BOB = "did:plc:alice", "did:plc:bob"


class Ozone:
    """One service, asked as an operator would."""

    def __init__(self, service: "Service") -> None:
        self.service = service

    async def ask(self, nsid: str, params: str = "", token: str | None = "triage") -> tuple[int, Any]:
        """Ask by GET; `params` as they stand in the address."""
        status, body, _ = await self.service.call("GET", f"/xrpc/tools.ozone.{nsid}?{params}", token=token)
        return status, body

    async def found(self, nsid: str, params: str = "") -> Any:
        """Ask for what must be there."""
        status, body = await self.ask(nsid, params)
        assert status == 200, body
        return body

    async def events(self, params: str = "") -> list[Any]:
        """One page of events."""
        return list((await self.found("moderation.queryEvents", params))["events"])

    async def statuses(self, params: str = "") -> list[str]:
        """The members of one page of statuses."""
        found = await self.found("moderation.queryStatuses", params)
        return [status["subject"]["did"] for status in found["subjectStatuses"]]

    async def status(self, did: str = ALICE) -> Any:
        """How one member stands."""
        (status,) = (await self.found("moderation.queryStatuses", f"subject={did}"))["subjectStatuses"]
        return status

    async def emit(self, kind: str, did: str = ALICE, token: str = "moderator", **fields: Any) -> Any:
        """Emit one event that must be taken."""
        outer = {name: fields.pop(name) for name in ("externalId", "modTool") if name in fields}
        status, body = await self.service.emit(did, token, event={"$type": DEFS + kind} | fields, **outer)
        assert status == 200, body
        return body

    async def label(self, create: list[str], negate: list[str] | None = None, did: str = ALICE, **fields: Any) -> Any:
        """Apply and take back."""
        return await self.emit("modEventLabel", did, createLabelVals=create, negateLabelVals=negate or [], **fields)

    async def report(self, hours: float = 0, did: str = ALICE, *, appeal: bool = False, **fields: Any) -> int:
        """A report, or an appeal, as its door writes it; return its id."""
        if hours:
            self.service.advance(hours=hours)
        reason = "com.atproto.moderation.defs#reason" + ("Appeal" if appeal else "Spam")
        reporter, category = (did, "appeal") if appeal else (BOB, "spam")
        _, position = await self.service.ingest.report(
            lambda received: Report(received, reporter, did, reason, category, appeal, **fields)
        )
        await self.service.pipeline.reached(position)
        return position
