"""One label's evidence, checked against the input log by a script that imports nothing of ours."""

import ast
import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

SCRIPT, LOG_READER = Path("conformance/check_evidence.py"), Path("conformance/member_events.py")
BUYER, NUISANCE, SHOP = "did:plc:buyer", "did:plc:nuisance", "did:plc:shop"
EVIDENCE = "/xrpc/email.atmos.reputation.getEvidence"

Answers = dict[tuple[str, str, str], dict[str, Any]]  # DID, label value, what was done → the answer of getEvidence


def mail(did: str, number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """One event about a message of today or yesterday, at a few domains."""
    return {
        "id": f"{did} {number} {kind}",
        "kind": kind,
        "did": did,
        "at": (datetime.now(UTC) - timedelta(hours=1 + number % 20)).isoformat(),
        "messageId": f"m{number}",
        "recipient": f"{number:032x}",
        "recipientDomain": f"d{number % 7}.example",
        **fields,
    }


def sent(did: str, number: int, fate: str) -> list[dict[str, Any]]:
    """A message and what became of it; every fourth outcome is told before the message is."""
    events = [mail(did, number, "accepted"), mail(did, number, "delivered", smtpCode=250)]
    if fate == "gone":
        events[1] = mail(did, number, "bounced", smtpCode=550, status="5.1.1")
    if fate == "complained":
        events.append(mail(did, number, "complained"))
    return events if number % 4 else [*reversed(events)]


async def story(running: "Running") -> None:
    """A list-buyer and a nuisance, each throttled by one batch and suspended by a later one; a shop beside them."""
    await running.submit([event for number in range(40) for event in sent(SHOP, number, "fine")])
    stray = [mail(BUYER, 900, "bounced", smtpCode=550, status="5.1.1"), mail(BUYER, 901, "rejected", smtpCode=550)]
    await running.submit([*stray, {**mail(BUYER, 902, "unheardOf"), "id": "a\\b\nc"}])  # ids are anybody's words
    for first, last, bad in ((0, 8, 2), (8, 12, 3), (12, 24, 3)):
        fates = ["gone" if number % bad == 0 else "fine" for number in range(first, last)]
        events = [sent(BUYER, number, fate) for number, fate in enumerate(fates, first)]
        await running.submit([event for message in events for event in message])
    for first, last, bad in ((0, 30, 15), (30, 34, 1)):
        fates = ["complained" if number % bad == 0 else "fine" for number in range(first, last)]
        events = [sent(NUISANCE, number, fate) for number, fate in enumerate(fates, first)]
        await running.submit([event for message in events for event in message])


async def told(running: "Running") -> Answers:
    """Everything getEvidence has to say, once all of it is judged."""
    async with asyncio.timeout(20):
        while (await running.client.get("/readyz")).json()["checks"]["pipeline"]["waiting"]:  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.01)
    answers: Answers = {}
    for seq in range(1, 100):
        headers = {"Authorization": "Bearer moderator"}
        answer = await running.client.get(EVIDENCE, params={"seq": str(seq)}, headers=headers)
        if answer.status_code == 400:
            return answers
        assert answer.status_code == 200, answer.text
        record = answer.json()["evidence"]
        answers[record["did"], record["val"], record["change"]] = answer.json()
    raise AssertionError("far too many labels")


@pytest.fixture
async def answers(installation: "Installation") -> Answers:
    async with installation.serving() as running:
        await story(running)
        return await told(running)


def check(installation: "Installation", answer: dict[str, Any]) -> tuple[int, list[str], str]:
    """Run the script as anybody would; exit code, lines, errors."""
    (installation.folder / "evidence.json").write_text(json.dumps(answer))
    telemetry = installation.folder / "data" / "telemetry.sqlite"
    command = [sys.executable, str(SCRIPT), str(installation.folder / "evidence.json"), str(telemetry)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    return ended.returncode, ended.stdout.splitlines(), ended.stderr


def test_the_check_fits_a_screen_and_nothing_of_the_labeler_is_imported() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 60
    sources = (SCRIPT.read_text(), LOG_READER.read_text())
    walked = (node for source in sources for node in ast.walk(ast.parse(source)))
    imported = [node for node in walked if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imported if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {
        "libipld",
        "member_events",
        "msgspec",
        "scipy",
    }


async def test_a_throttle_and_a_suspension_are_what_the_log_says(
    installation: "Installation", answers: Answers
) -> None:
    expected = {(did, val, "apply") for did in (BUYER, NUISANCE) for val in ("mail-throttled", "mail-suspended")}
    assert set(answers) == expected | {(did, "mail-throttled", "negate") for did in (BUYER, NUISANCE)}
    for key, answer in answers.items():
        code, lines, errors = await asyncio.to_thread(check, installation, answer)
        assert (code, errors) == (0, ""), (key, lines)
        assert all(line.startswith("✓ ") for line in lines)
    throttled = answers[BUYER, "mail-throttled", "apply"]["evidence"]["findings"]
    assert [finding["rule"] for finding in throttled] == ["invalid-recipients"]
    _, lines, _ = await asyncio.to_thread(check, installation, answers[BUYER, "mail-throttled", "apply"])
    compared = [line.removeprefix("✓ ").partition(":")[0] for line in lines]
    assert compared[:2] == ["content address", "policy"]
    assert {f"invalid-recipients {name}" for name in ("k", "n", "comparedPpm", "severity", "eventsRoot")} <= {*compared}
    complained = answers[NUISANCE, "mail-suspended", "apply"]["evidence"]["findings"]
    assert {finding["metric"] for finding in complained} == {"complaint-rate"}


async def test_it_reads_the_log_of_a_running_service(installation: "Installation") -> None:
    async with installation.serving() as running:
        await story(running)
        answer = (await told(running))[BUYER, "mail-suspended", "apply"]
        code, lines, errors = await asyncio.to_thread(check, installation, answer)
        assert (code, errors) == (0, ""), lines


def finding(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def tamper(answer: dict[str, Any]) -> None:
        (found,) = answer["evidence"]["findings"]
        found[name] = value if value is not None else found[name] + 1

    return tamper


@pytest.mark.parametrize(
    ("named", "tamper"),
    [
        ("content address", lambda answer: answer["evidence"].update(reason="because")),
        ("content address", lambda answer: answer.update(evidenceCid="bafyrei" + "a" * 52)),
        ("policy", lambda answer: answer["evidence"].update(policy="0" * 64)),
        ("invalid-recipients k", finding("k", None)),
        ("invalid-recipients n", finding("n", None)),
        ("invalid-recipients comparedPpm", finding("comparedPpm", None)),
        ("invalid-recipients thresholdPpm", finding("thresholdPpm", None)),
        ("invalid-recipients severity", finding("severity", "suspend")),
        ("invalid-recipients events", finding("events", None)),
        ("invalid-recipients eventsRoot", finding("eventsRoot", "0" * 64)),
    ],
)
async def test_evidence_that_says_anything_else_is_found(
    installation: "Installation", answers: Answers, named: str, tamper: Callable[[dict[str, Any]], None]
) -> None:
    answer = answers[BUYER, "mail-throttled", "apply"]
    tamper(answer)
    code, lines, errors = await asyncio.to_thread(check, installation, answer)
    assert (code, errors) == (1, "")
    assert any(line.startswith(f"✗ {named}: the log says ") for line in lines), lines


@pytest.mark.parametrize("change", [{"val": "mail-throttled"}, {"uri": SHOP}, {"neg": True}])
async def test_a_label_that_says_something_else_than_its_evidence_is_found(
    installation: "Installation", answers: Answers, change: dict[str, Any]
) -> None:
    answer = answers[BUYER, "mail-suspended", "apply"]
    answer["label"].update(change)
    code, lines, errors = await asyncio.to_thread(check, installation, answer)
    assert (code, errors) == (1, "")
    assert [line.partition(":")[0] for line in lines if line.startswith("✗")] == ["✗ label"]


async def test_whoever_wants_can_look_at_what_the_root_is_made_of(
    installation: "Installation", answers: Answers
) -> None:
    stated = answers[BUYER, "mail-throttled", "apply"]["evidence"]
    command = [
        sys.executable,
        str(LOG_READER),
        str(installation.folder / "data" / "telemetry.sqlite"),
        BUYER,
        stated["at"],
    ]
    ended = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True, timeout=30)
    hours = [line.split() for line in ended.stdout.splitlines()]
    assert sum(int(events) for _, events, _ in hours) == stated["findings"][0]["events"]
    assert all(len(digest) == 64 for _, _, digest in hours)


def rewrite(installation: "Installation", change: Callable[[dict[str, Any]], object]) -> None:
    """Change the first message of the buyer in the log."""
    with sqlite3.connect(installation.folder / "data" / "telemetry.sqlite") as database:
        for position, body in database.execute("SELECT position, body FROM record").fetchall():
            record = msgspec.msgpack.decode(body)
            ours = [event for event in record.get("events", ()) if event["did"] == BUYER]
            ours = [event for event in ours if event["kind"] == "accepted"]
            if ours:
                change({"event": ours[0], "events": record["events"], "record": record})
                changed = (msgspec.msgpack.encode(record), position)
                database.execute("UPDATE record SET body = ? WHERE position = ?", changed)
                return
    raise AssertionError("no message of the buyer in the log")


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["events"].remove(found["event"]),
        lambda found: found["event"].update(id="another"),
        lambda found: found["event"].update(at=found["event"]["at"] - timedelta(hours=1)),
        lambda found: found["record"].update(relay="did:web:elsewhere.example"),
        lambda found: found["events"].append({**found["event"], "id": "one more", "messageId": "m-more"}),
    ],
    ids=["an event is missing", "another id", "another hour", "another relay", "an event more"],
)
async def test_a_log_that_says_anything_else_is_found(
    installation: "Installation", answers: Answers, change: Callable[[dict[str, Any]], object]
) -> None:
    """The digests hold the log to what was counted, even where the numbers come out the same."""
    rewrite(installation, change)
    code, lines, errors = await asyncio.to_thread(check, installation, answers[BUYER, "mail-throttled", "apply"])
    assert (code, errors) == (1, "")
    assert any(line.startswith("✗ invalid-recipients eventsRoot: ") for line in lines), lines
