"""A long log of every kind of member, submitted to the real service: what it published is what its log replays to.

A short one in every run; a million events with LONG_LOG=full (`make long-log`).
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.sync.client import connect

from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.reputation.events import Kind, SendEvent
from tests.service_process import LIMIT_S, STREAM, SUBMIT, ServiceProcess, install, serving

FULL = os.environ.get("LONG_LOG") == "full"
EVENTS = 1_000_000 if FULL else 20_000
MEMBERS = 2_000 if FULL else 100
BATCH = 1_000
SPAN = timedelta(days=6)

FAILING = {0: 0.3, 1: 0.2, 2: 0.12, 3: 0.05}  # member number modulo ten → share of recipients that do not exist
OTHERWISE = 0.01


def events() -> Iterator[SendEvent]:
    """Mail of members of every kind in the last six days: outcomes, complaints, traps, refusals, unsubscriptions."""
    chance, begin = random.Random(4), datetime.now(UTC) - SPAN
    made, number = 0, 0
    for member in range(MEMBERS):
        made += 1
        yield SendEvent(id=f"enrol{member}", kind="enrolled", did=_did(member), at=begin, domain=f"m{member}.example")
    while made < EVENTS:
        number += 1
        member = min(int(chance.paretovariate(0.7)) - 1, MEMBERS - 1)
        for event in message(chance, number, member, begin + SPAN * (made / EVENTS)):
            made += 1
            yield event


def message(chance: random.Random, number: int, member: int, at: datetime) -> list[SendEvent]:
    """One message of one member, and all that became of it."""
    fields: dict[str, Any] = {
        "did": _did(member),
        "domain": f"m{member}.example",
        "message_id": f"<{number}@relay>",
        "recipient": f"{chance.randrange(4_000 * (member + 1)):032x}",
        "recipient_domain": f"d{int(chance.paretovariate(1)) % 900}.example",
        "provider": f"p{chance.randrange(9)}",
        "client": f"{member * 3 + chance.randrange(3):032x}",
        "from_domain": f"m{member}.example",
    }
    drawn = chance.random()
    failing = FAILING.get(member % 10, OTHERWISE)
    outcomes: list[tuple[Kind, str | None]] = (
        [(Kind.BOUNCED, "5.1.1")] if drawn < failing else [(Kind.DELIVERED, "2.0.0")]
    )
    if drawn > 0.999:
        outcomes += [(Kind.COMPLAINED, None), (Kind.UNSUBSCRIBED, None)]
    elif drawn > 0.998:
        outcomes = [(Kind.BOUNCED, "5.7.1")]
    elif drawn > 0.9975:
        outcomes += [(Kind.TRAP_HIT, None)]
    taken = SendEvent(id=f"a{number}", kind=Kind.ACCEPTED, at=at, **fields)
    later = at + timedelta(seconds=1)
    return [taken] + [
        SendEvent(id=f"{kind}{number}", kind=kind, at=later, status=status, **fields) for kind, status in outcomes
    ]


def _did(member: int) -> str:
    return f"did:plc:member{member}"


def submit(service: ServiceProcess) -> int:
    """Hand everything in; return how many were accepted."""
    accepted, batch = 0, list[SendEvent]()
    for event in events():
        batch.append(event)
        if len(batch) == BATCH:
            accepted += _hand_in(service, batch)
            batch = []
    return accepted + (_hand_in(service, batch) if batch else 0)


def _hand_in(service: ServiceProcess, batch: list[SendEvent]) -> int:
    answer = service.ask("POST", SUBMIT, token="relay", body=msgspec.json.encode({"events": batch}))
    assert answer.status == 200, answer.body[:500]
    told = answer.json()
    assert told["rejected"] == []
    return int(told["accepted"])


def caught_up(service: ServiceProcess) -> None:
    """Wait until everything taken in is judged."""
    end = time.monotonic() + (20 * LIMIT_S if FULL else LIMIT_S)  # judging lags behind taking in
    while time.monotonic() < end:
        lines = service.ask("GET", "/metrics").body.decode().splitlines()
        numbers = dict(line.split() for line in lines if line.startswith("labeler_input_"))
        if numbers["labeler_input_head"] == numbers["labeler_input_judged"]:
            return
        time.sleep(0.1)
    raise AssertionError("the labeler does not catch up")


def published(port: int, count: int) -> list[dict[str, Any]]:
    """The first `count` labels of the stream."""
    labels: list[dict[str, Any]] = []
    with connect(f"ws://127.0.0.1:{port}{STREAM}?cursor=0", open_timeout=LIMIT_S) as socket_:
        while len(labels) < count:
            message = socket_.recv(LIMIT_S)
            assert isinstance(message, bytes)
            frame = decode_frame(message)
            assert isinstance(frame, LabelsFrame)
            labels += [label.to_json() for label in frame.labels]
    return labels


def current(labels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is left once the older of two labels with one uri and val is superseded."""
    newest = {(label["uri"], label["val"]): number for number, label in enumerate(labels)}
    return [labels[number] for number in sorted(newest.values())]


def replayed(folder: Path) -> list[dict[str, Any]]:
    """What the log comes to, signed."""
    command = [sys.executable, "-m", "labeler", "replay", "--sign", "--config", str(folder / "labeler.toml")]
    done = subprocess.run(command, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(600)
def test_a_long_log_replays_to_what_was_published(tmp_path: Path) -> None:
    install(tmp_path, limits="relay_requests = 100000")
    with serving(tmp_path) as service:
        begun = time.monotonic()
        accepted = submit(service)
        submitted = time.monotonic()
        caught_up(service)
        judged = time.monotonic()
        again = replayed(tmp_path)
        finished = time.monotonic()
        expected = current(again)
        live = published(service.port, len(expected))
        memory = service.rss_mib
    assert accepted >= EVENTS
    assert live == expected
    values = Counter((label["val"], label.get("neg", False)) for label in again)
    assert {"relay-member", "clean-sender", "mail-throttled", "mail-suspended"} <= {val for val, _ in values}
    print(  # noqa: T201 - the figures of the long run
        f"\n{accepted} events taken in in {submitted - begun:.1f} s, judged {judged - submitted:.1f} s later; "
        f"{len(again)} labels, {len(live)} of them not superseded, replayed to the same bytes in "
        f"{finished - judged:.1f} s; service at {memory:.0f} MiB\n{dict(values)}"
    )
