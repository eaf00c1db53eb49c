"""Everybody on stage at once: the labeler in its own process; relay, hooks and sink in this one; all over sockets."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from labeler.atproto.label import Label
from labeler.demo.checks import Facts, Seen, Telemetry
from labeler.demo.clients import Exchange
from labeler.demo.members import Member
from labeler.demo.process import Labeler, replay, serving
from labeler.demo.reading import Reading
from labeler.demo.relay import Forwarder, Ledger, relay, smtp_server
from labeler.demo.screen import Standings
from labeler.demo.sink import Sink
from labeler.errors import Unavailable
from relay_hooks.cache import LabelCache
from relay_hooks.cache_file import CacheFile
from relay_hooks.enforcement import Enforcer
from relay_hooks.recipients import RecipientHasher
from relay_hooks.subscriber import LabelSubscriber

SETTLE_S: Final = 15.0  # for what follows within a second on an idle machine
POLL_S: Final = 0.05
COUNTED: Final = 'labeler_events_total{result="accepted"}'


class Programme:
    """Every label in the order it was verified; `arrived` is set whenever there is one more."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.unread: asyncio.Queue[Seen] = asyncio.Queue()
        self._arrived = asyncio.Event()

    def take(self, label: Label, seq: int) -> None:
        """Note a label; the subscriber calls this for each that it has verified."""
        seen = Seen(seq, label, asyncio.get_running_loop().time())
        self.seen.append(seen)
        self.unread.put_nowait(seen)
        self._arrived.set()

    async def until(self, happened: Callable[[], bool]) -> bool:
        """Wait for labels until `happened` says so; False when it takes too long."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while not happened():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return False
        return True


@dataclass
class Stage:
    """The actors, and what they have witnessed so far."""

    members: Sequence[Member]
    labeler: Labeler
    reading: Reading
    hasher: RecipientHasher
    ledger: Ledger
    subscriber: LabelSubscriber
    programme: Programme
    enforcer: Enforcer
    sink: Sink
    forwarder: Forwarder
    relay_port: int
    sink_port: int
    exchanges: list[Exchange] = field(default_factory=list)

    async def standings(self) -> Standings:
        """Ask the labeler where everybody stands."""
        return {member.did: await self.reading.standing(member.did) for member in self.members}

    async def settle(self) -> None:
        """Wait until everything sent has arrived, was judged, and its labels are here; raises `Unavailable`."""
        await self.forwarder.finish()
        if not await self.ledger.flush(SETTLE_S):
            raise Unavailable(f"the labeler did not take the telemetry: {self.ledger.stats.last_failure}")
        try:
            async with asyncio.timeout(SETTLE_S):
                while not await self._even():  # noqa: ASYNC110 - in another process: there is no event to wait for
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise Unavailable("the labeler did not finish judging") from None

    async def facts(self, kinds: dict[str, int]) -> Facts:
        """Read everything back; `kinds` counts the relay's own events of today."""
        stats = self.ledger.stats
        seen = list(self.programme.seen)
        return Facts(
            members=self.members,
            exchanges=self.exchanges,
            seen=seen,
            standings=await self.standings(),
            queried=await self.reading.labels(),
            streamed=await self.reading.stream(seen[-1].seq) if seen else [],
            replayed=[Label.from_json(fields) for fields in await replay(self.labeler.config)],
            key=await self.reading.key(),
            refused_labels=self._refused_labels(),
            telemetry=Telemetry(
                reported=stats.reported,
                acknowledged=stats.sent,
                lost=stats.waiting + stats.rejected + stats.duplicates + stats.dropped.total(),
                counted=int((await self.reading.numbers()).get(COUNTED, 0)),
            ),
            kinds=kinds,
            arrived=self.sink.delivered,
            throttle_cap=self.enforcer.hourly_cap,
        )

    async def _even(self) -> bool:
        """Tell whether all input was judged, and every label that came of it has been seen here."""
        numbers = await self.reading.numbers()
        judged = numbers["labeler_input_judged"] == numbers["labeler_input_head"]
        return judged and self.subscriber.stats.cursor == numbers["labeler_seq_head"]

    def _refused_labels(self) -> int:
        stats = self.subscriber.stats
        return stats.forged + stats.foreign + stats.malformed + stats.protocol_errors


@asynccontextmanager
async def staged(folder: Path, members: Sequence[Member]) -> AsyncIterator[Stage]:
    """Bring everybody on stage, with their files under `folder`, and see them off at the end of the block."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        labeler = await enter(serving(folder))
        client = await enter(httpx.AsyncClient(trust_env=False, timeout=10.0))
        reading = Reading(labeler.did, labeler.origin, labeler.operator_token, client)
        sink = Sink()
        sink_port = await enter(smtp_server(sink, "sink.example"))
        hasher = RecipientHasher(secrets.token_bytes(32), "demo")
        cache, programme = LabelCache(labeler.did), Programme()
        subscriber = await enter(
            LabelSubscriber(
                labeler.did, cache, cache_file=CacheFile(folder / "relay" / "labels.cbor"), on_label=programme.take
            )
        )
        ledger = await enter(Ledger(labeler.origin, labeler.relay_token, folder / "relay" / "spool"))
        hourly, auth = await reading.throttle_caps()
        enforcer = Enforcer(
            cache, standing_url=labeler.origin, hourly_cap=hourly, auth_hourly_cap=auth, stale=subscriber.is_stale
        )
        relay_port, forwarder = await enter(relay(ledger, enforcer, hasher, sink_port, members))
        yield Stage(
            members=members,
            labeler=labeler,
            reading=reading,
            hasher=hasher,
            ledger=ledger,
            subscriber=subscriber,
            programme=programme,
            enforcer=enforcer,
            sink=sink,
            forwarder=forwarder,
            relay_port=relay_port,
            sink_port=sink_port,
        )
