"""A relay with the hooks in it against a labeler that really runs: `labeler init`, `labeler serve`, sockets, files."""

import asyncio
import json
import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from relay_hooks import (
    Accept,
    CacheFile,
    Enforcer,
    LabelCache,
    LabelSubscriber,
    RecipientHasher,
    SendEvent,
    SmtpReply,
    TelemetryReporter,
    _clock,
)
from relay_hooks.integrations.aiosmtpd import Member, RelayHandler

RELAY, POSTMASTER = "did:web:relay.example", "did:web:postmaster.example"
ALICE = "did:plc:alice"
LIMIT_S = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another process brings about."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Labeler:
    """An installation on a loopback port of its own, served as often as a test likes."""

    folder: Path
    port: int
    did: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "labeler", *arguments]

    def init(self) -> None:
        arguments = ["--hostname", f"localhost:{self.port}", "--relay-did", RELAY, "--operator-did", POSTMASTER]
        made = subprocess.run(
            self.command("init", str(self.folder), *arguments, "--json"), check=True, capture_output=True, text=True
        )
        self.did, self.tokens = (json.loads(made.stdout)[name] for name in ("did", "tokens"))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Serve until the end of the block; a test may kill the process before that."""
        config = str(self.folder / "labeler.toml")
        with (self.folder / "service.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command("serve", "--json", "--config", config), stdout=subprocess.PIPE, stderr=log
            )
        try:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), LIMIT_S), (self.folder / "service.log").read_text()
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), LIMIT_S)

    async def decide(
        self, did: str, *, apply: Sequence[str] = (), negate: Sequence[str] = (), hours: int | None = None
    ) -> None:
        """Say an operator's word."""
        event: dict[str, Any] = {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": list(apply),
            "negateLabelVals": list(negate),
        }
        if hours is not None:
            event["durationInHours"] = hours
        body = {
            "event": event,
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
            "createdBy": POSTMASTER,
        }
        async with httpx.AsyncClient(timeout=LIMIT_S) as client:
            answer = await client.post(
                f"{self.url}/xrpc/tools.ozone.moderation.emitEvent",
                json=body,
                headers={"Authorization": f"Bearer {self.tokens['operator']}"},
            )
        assert answer.status_code == 200, answer.text

    def reporter(self, spool: Path) -> TelemetryReporter:
        return TelemetryReporter(
            self.url, self.tokens["relay"], spool, max_age_s=0.02, first_wait_s=0.05, longest_wait_s=0.2
        )

    def subscriber(self, cache: LabelCache, **options: Any) -> LabelSubscriber:
        return LabelSubscriber(self.did, cache, first_wait_s=0.05, longest_wait_s=0.2, **options)


@pytest.fixture
def labeler(tmp_path: Path) -> Labeler:
    with socket.socket() as probe:  # the port is part of the DID, so it must be known before the start
        probe.bind(("127.0.0.1", 0))
        made = Labeler(tmp_path / "labeler", probe.getsockname()[1])
    made.init()
    return made


def enrolments(first: int, count: int) -> list[SendEvent]:
    now = _clock.utc_now()
    return [
        SendEvent(id=f"e{number}", kind="enrolled", did=f"did:plc:m{number}", at=now, domain=f"m{number}.example")
        for number in range(first, first + count)
    ]


def values(cache: LabelCache, did: str = ALICE) -> set[str]:
    return set(cache.active(did, _clock.utc_now()))


async def test_no_event_and_no_label_is_lost_while_the_labeler_is_killed_and_comes_back(
    labeler: Labeler, tmp_path: Path
) -> None:
    """Each enrolment leads to one label, so the cache shows whether every event arrived."""
    cache = LabelCache(labeler.did)
    subscriber = labeler.subscriber(cache, cache_file=CacheFile(tmp_path / "labels"))
    async with labeler.reporter(tmp_path / "spool") as reporter, subscriber:
        for event in enrolments(0, 100):  # before there is anybody to tell
            reporter.report(event)
        await until(lambda: reporter.stats.away)
        async with labeler.serving() as process:
            assert await reporter.flush(LIMIT_S)
            await until(lambda: len(cache) == 100)
            process.kill()
            await process.wait()
            for event in enrolments(100, 1_500):
                reporter.report(event)
            await until(lambda: reporter.stats.spooled == 1_500)
        async with labeler.serving():
            assert await reporter.flush(LIMIT_S)
            await until(lambda: len(cache) == 1_600)
    stats = reporter.stats
    assert (stats.reported, stats.sent + stats.duplicates, stats.dropped, stats.rejected) == (1_600, 1_600, {}, 0)
    assert (subscriber.stats.applied, subscriber.stats.forged, subscriber.stats.protocol_errors) == (1_600, 0, 0)
    assert all(values(cache, f"did:plc:m{number}") == {"relay-member"} for number in range(1_600))


async def test_a_relay_that_was_off_catches_up_and_takes_nothing_twice(labeler: Labeler, tmp_path: Path) -> None:
    async with labeler.serving():
        await labeler.decide(ALICE, apply=["mail-throttled"])
        async with labeler.subscriber(LabelCache(labeler.did), cache_file=CacheFile(tmp_path / "labels")) as first:
            await until(lambda: first.stats.cursor)
        await labeler.decide(ALICE, negate=["mail-throttled"])
        await labeler.decide(ALICE, apply=["mail-suspended"])
        cache = LabelCache(labeler.did)
        async with labeler.subscriber(cache, cache_file=CacheFile(tmp_path / "labels")) as second:
            assert values(cache) == {"mail-throttled"}
            await until(lambda: values(cache) == {"mail-suspended"})
    assert second.stats.applied == 2


async def test_from_an_smtp_session_to_telemetry_and_from_a_label_to_an_smtp_reply(
    labeler: Labeler, tmp_path: Path
) -> None:
    async def deliver(_mail_from: str, recipients: Sequence[str], _content: bytes) -> Mapping[str, SmtpReply]:
        return dict.fromkeys(recipients, SmtpReply(250, "2.1.5", "OK"))

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=LIMIT_S) as client:
            try:
                return client.sendmail("a@alice.example", ["bob@example.com"], "From: a@alice.example\r\n\r\nHello\r\n")
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients

    cache = LabelCache(labeler.did)
    async with labeler.serving(), labeler.reporter(tmp_path / "spool") as reporter, labeler.subscriber(cache) as labels:
        enforcer = Enforcer(cache, standing_url=labeler.url, stale=labels.is_stale)
        handler = RelayHandler(
            enforcer=enforcer,
            reporter=reporter,
            hasher=RecipientHasher(os.urandom(32), "k1"),
            deliver=deliver,
            member_of=lambda *_: Member(ALICE, "alice.example"),
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await asyncio.to_thread(send, port) == {}
            assert await reporter.flush(LIMIT_S)
            assert (reporter.stats.sent, reporter.stats.rejected) == (2, 0)

            await labeler.decide(ALICE, apply=["mail-suspended"])
            await until(lambda: values(cache) == {"mail-suspended"})
            ((code, reply),) = (await asyncio.to_thread(send, port)).values()
            assert code == 550
            assert reply.startswith(b"5.7.1 ")
            url = reply.decode().rpartition("see ")[2]
            async with httpx.AsyncClient() as client:  # what the refusal points to answers
                page = await client.get(url)
            assert page.status_code == 200
            assert f"<title>{ALICE}: Suspended" in page.text

            await labeler.decide(ALICE, negate=["mail-suspended"])
            await until(lambda: not values(cache))
            assert await asyncio.to_thread(send, port) == {}
            assert await reporter.flush(LIMIT_S)
            assert (reporter.stats.sent, reporter.stats.rejected) == (5, 0)


async def test_with_the_labeler_gone_throttles_open_and_suspensions_stand(labeler: Labeler) -> None:
    cache = LabelCache(labeler.did)
    subscriber = labeler.subscriber(cache, stale_after_s=0.5, ping_every_s=0.1)
    enforcer = Enforcer(cache, standing_url=labeler.url, hourly_cap=1, stale=subscriber.is_stale)
    now = _clock.utc_now()

    def passes(did: str) -> bool:
        return isinstance(enforcer.check(did, ["bob@example.com"] * 2, "bulk", now), Accept)

    async with AsyncExitStack() as relay:
        async with labeler.serving():
            await labeler.decide("did:plc:throttled", apply=["mail-throttled"])
            await labeler.decide("did:plc:suspended", apply=["mail-suspended"], hours=1)
            await relay.enter_async_context(subscriber)
            await until(lambda: len(cache) == 2)
            assert not passes("did:plc:throttled")
            assert not passes("did:plc:suspended")
        await until(subscriber.is_stale)
    assert passes("did:plc:throttled")
    assert not passes("did:plc:suspended")
    now += timedelta(hours=1, minutes=1)
    assert passes("did:plc:suspended")  # the label's own end


async def test_the_command_line_reports_and_follows(labeler: Labeler, tmp_path: Path) -> None:
    environment = {**os.environ, "RELAY_HOOKS_TOKEN": labeler.tokens["relay"]}
    hooks = [sys.executable, "-m", "relay_hooks.cli"]
    event = {"id": "1", "kind": "enrolled", "did": ALICE, "at": _clock.utc_now().isoformat(), "domain": "alice.example"}
    async with labeler.serving():
        report = await asyncio.create_subprocess_exec(
            *hooks, "report", "--labeler", labeler.url, "--spool", str(tmp_path / "spool"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        printed, _ = await asyncio.wait_for(report.communicate(json.dumps(event).encode() + b"\n"), LIMIT_S)
        assert (report.returncode, printed.decode().partition(",")[0]) == (0, "1 sent")

        follow = await asyncio.create_subprocess_exec(
            *hooks, "follow", "--labeler", labeler.did, "--json", stdout=subprocess.PIPE
        )
        assert follow.stdout is not None
        label = json.loads(await asyncio.wait_for(follow.stdout.readline(), LIMIT_S))
        follow.terminate()
        await follow.wait()
    assert (label["seq"], label["src"], label["uri"], label["val"]) == (1, labeler.did, ALICE, "relay-member")
    assert set(label["sig"]) == {"$bytes"}
