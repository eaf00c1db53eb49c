"""The black-box suite against our own service, where it finds nothing, and against @skyware/labeler, where it must.

The second is the control: a suite that finds no fault anywhere proves nothing. Its faults are those that were found by
hand in the same version, and each is named here with the check that finds it.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.checks import CHECKS
from conformance.issuing import EmitEvent, Hook
from conformance.report import Verdict
from conformance.suite import chosen, run
from conformance.trial import Trial
from labeler.adapters.clock import SystemClock
from labeler.adapters.sqlite import SqliteLabelLog
from labeler.atproto.keys import PrivateKey
from tests import service_process

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

ROOT = Path(__file__).resolve().parents[2]
STALLED = "memory.stalled-readers"
VAL = "mail-throttled"
LIMIT_S = 20.0

# What is wrong with @skyware/labeler 0.2.0: the check that must find it, and what it must say.
FAULTS = {
    STALLED: "each of 20 readers that read nothing costs",
    "connection.plain-get": "answered 404",
    "connection.post": "answered 404",
    "connection.subprotocol": "agreed to 'x-nobody-knows-this'",
    "connection.unknown-stream": "the stream was opened",
    "query.end-of-list": "an empty page still carries a cursor ('0'): a reader starts over, for ever",
    "query.expired": "an expired label is answered",
    "query.fields": "extra fields: ['id']",
    "query.limit": "limit=1.5: answered 200",
    "query.malformed-cursor": "cursor=2abc: answered 200",
    "query.missing-patterns": "no uriPatterns: answered 200",
    "query.neg-false": "neg is False",
    "query.percent-sign": "port.example3A8080",
    "query.signatures-without-neg-false": "15 of 17 signatures do not verify",
    "query.sources": "a source that is no DID: answered 200",
    "query.superseded": "3 rows for one subject and value",
    "query.taken-back": "2 rows: neg [False, True]",
    "query.underscore": "under_score.example found []",
    "query.upper-and-lower-case": "CaSe.example",
    "stream.future-cursor": "closed with 1006, not 1008",
    "stream.malformed-cursor": "no message came",
    "stream.neg-false": "neg is false",
    "stream.reconnect-after-pruning": "a cursor at the head is refused",
    "stream.superseded-leave-the-replay": "replayed with neg [False]",
}


# It signs and writes on the thread that answers handshakes: on a busy machine newcomers may wait too long.
UNDER_LOAD = {"stream.newcomers-in-a-burst"}


def said(verdicts: list[Verdict], outcome: str) -> dict[str, str]:
    return {verdict.check: verdict.detail for verdict in verdicts if verdict.outcome == outcome}


class Insider(EmitEvent):
    """Issues through the door everybody uses, and can do what no door allows: let time pass, prune."""

    def __init__(self, installation: "Installation", running: "Running", monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(running.url, "moderator", VAL, running.did)
        self._installation = installation
        self._monkeypatch = monkeypatch

    async def expire(self, uri: str) -> None:
        await self._emit(uri, {"createLabelVals": [VAL], "negateLabelVals": [], "durationInHours": 1})
        now = SystemClock.now

        def later(clock: SystemClock) -> datetime:
            return now(clock) + timedelta(hours=1)

        self._monkeypatch.setattr(SystemClock, "now", later)

    async def prune(self) -> None:
        async with SqliteLabelLog(self._installation.settings.service.data_dir / "labels.sqlite") as log:
            await log.prune((await log.bounds()).head + 1)


@pytest.mark.timeout(180)
@pytest.mark.row(
    1, 24, 27, 28, 29, 34, 36, 37, 39, 40, 43, 44, 45, 55, 56, 57, 59, 60, 63, 64, 67, 68, 72, 89, 90, 91, 92, 93,
    94, 95, 96, 97, 98, 99, 101, 102, 103, 104, 105, 106, 108, 109, 110, 113, 116, 118, 119, 120, 121, 122, 123,
    125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 139, 140, 146, 147, 148, 153, 154,
)  # fmt: skip
async def test_nothing_is_found_here(
    request: pytest.FixtureRequest,
    installation: "Installation",
    published_key: Callable[["Running"], Coroutine[Any, Any, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every check passes; none is left out."""
    async with installation.serving() as running:
        insider = Insider(installation, running, monkeypatch)
        async with Trial(running.url, running.did, await published_key(running), insider) as trial:
            verdicts = await run(trial, [one for one in chosen() if one.name != STALLED])
    assert {verdict.check: verdict.detail for verdict in verdicts if verdict.outcome != "pass"} == {}
    assert len(verdicts) == len(CHECKS) - 1 > 35
    rows = {row for verdict in verdicts for row in verdict.rows}
    assert rows == {row for marker in request.node.iter_markers("row") for row in marker.args}, (
        "the marker is out of date"
    )


@pytest.mark.timeout(180)
@pytest.mark.row(145, 146)
async def test_readers_that_never_read_cost_nothing_to_speak_of_here(tmp_path: Path) -> None:
    """The one check that looks at a process: the service runs in one of its own."""
    service_process.install(tmp_path)
    with service_process.serving(tmp_path) as service:
        url = f"http://127.0.0.1:{service.port}"
        issuer = EmitEvent(url, service_process.TOKENS["moderator"], VAL, "did:plc:moderator")
        async with Trial(url, None, None, issuer, service.process.pid) as trial:
            (verdict,) = await run(trial, chosen([STALLED]))
    assert (verdict.outcome, verdict.detail) == ("pass", "")


@asynccontextmanager
async def serving(command: list[str]) -> AsyncIterator[dict[str, Any]]:
    """Run the control for a while; yields its two addresses and its process id."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield {**json.loads(await asyncio.wait_for(process.stdout.readline(), LIMIT_S)), "pid": process.pid}
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(180)
async def test_the_faults_of_the_control_are_found(skyware_command: list[str]) -> None:
    """Each fault known of @skyware/labeler 0.2.0 is found by the check that is meant to, and nothing else is."""
    task = json.loads(skyware_command[-1])
    key = PrivateKey.from_hex(task["signingKey"]).public_key.did_key
    async with serving(skyware_command) as addresses:
        hook = Hook(addresses["control"], VAL)
        async with Trial(addresses["url"], task["did"], key, hook, addresses["pid"]) as trial:
            verdicts = await run(trial, chosen())
    found = said(verdicts, "fail")
    assert set(found) - UNDER_LOAD == set(FAULTS)
    assert [name for name, words in FAULTS.items() if words not in found[name]] == [], found
    assert said(verdicts, "not applicable") == {}


async def command_line(*arguments: str, token: str | None = None) -> tuple[int | None, str, str]:
    """Run `python -m conformance`; its exit code and what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "LABELER_TOKEN"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "conformance",
        *arguments,
        cwd=ROOT,
        env=env | ({"LABELER_TOKEN": token} if token else {}),
        stdout=pipe,
        stderr=pipe,
    )
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    return process.returncode, out.decode(), err.decode()


class TestCommandLine:
    """`python -m conformance`, which `make conformance TARGET=…` runs."""

    async def test_json_says_what_passed_and_what_could_not_be_asked(self, installation: "Installation") -> None:
        async with installation.serving() as running:
            code, out, err = await command_line(running.url, "--json", "--only", "query.", token="moderator")
        run = json.loads(out)
        assert (code, err, run["target"]) == (0, "", running.url)
        assert run["counts"] == {"pass": len(run["checks"]) - 1, "fail": 0, "not applicable": 1}
        (unasked,) = [one for one in run["checks"] if one["outcome"] == "not applicable"]
        assert (unasked["check"], unasked["rows"]) == ("query.expired", [72, 108])

    async def test_without_a_way_to_label_it_asks_what_it_can(self, installation: "Installation") -> None:
        async with installation.serving() as running:
            code, out, _ = await command_line(running.url, "--only", "connection.")
        assert code == 0
        assert "✓ connection.plain-get" in out
        assert "– connection.client-messages" in out
        assert out.rstrip().endswith("5 pass, 0 fail, 1 not applicable")

    async def test_a_fault_is_exit_code_one_and_named(self, skyware_command: list[str]) -> None:
        async with serving(skyware_command) as addresses:
            code, out, _ = await command_line(addresses["url"], "--only", "plain-get")
        assert code == 1
        assert "✗ connection.plain-get" in out
        assert "fail: answered 404" in out

    async def test_a_question_put_wrongly_and_an_address_where_nobody_is(self, installation: "Installation") -> None:
        async with installation.serving() as running:
            assert (await command_line(running.url, "--only", "no-such-check"))[0] == 2
        assert (await command_line(running.url))[0] == 3
