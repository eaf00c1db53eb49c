"""A label proves itself to somebody who has the log and none of our code."""

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service_process import SUBMIT, ServiceProcess, install, serving

SCRIPT = Path(__file__).parents[2] / "conformance" / "check_evidence.py"
EVIDENCE = "/xrpc/email.atmos.reputation.getEvidence"
MEMBER, BEGIN = "did:plc:buyer", datetime.now(UTC) - timedelta(hours=5)


def mail(number: int, *, bad: bool, complains: bool = False) -> list[dict[str, Any]]:
    """One message, and what became of it; every third outcome is told before its acceptance."""
    about = {"did": MEMBER, "messageId": f"m{number}", "recipient": f"{number:032x}", "domain": "list.example"}
    about |= {"recipientDomain": f"d{number % 7}.example"}
    at = (BEGIN + timedelta(minutes=number)).isoformat()
    events = [{**about, "id": f"a{number}", "kind": "accepted", "at": at}]
    fate = {"kind": "bounced", "status": "5.1.1"} if bad else {"kind": "delivered", "status": "2.0.0"}
    events.append({**about, **fate, "id": f"o{number}", "at": at})
    if complains:
        events.append({**about, "kind": "complained", "id": f"c{number}", "at": at})
    return events[::-1] if number % 3 == 0 else events


def submit(service: ServiceProcess, events: list[dict[str, Any]]) -> None:
    answer = service.ask("POST", SUBMIT, token="relay", body=json.dumps({"events": events}).encode())
    assert answer.json()["accepted"] == len(events)


def evidence_of(service: ServiceProcess, val: str) -> dict[str, Any]:
    """The evidence of the newest label, once it is there."""
    path = f"{EVIDENCE}?uri={MEMBER}&val={val}"
    for _ in range(100):
        answer = service.ask("GET", path, token="admin")
        if answer.status == 200:
            found: dict[str, Any] = answer.json()
            return found
    raise AssertionError(answer.body)


def check(folder: Path, answer: dict[str, Any], log: Path) -> "subprocess.CompletedProcess[str]":
    file = folder / "evidence.json"
    file.write_text(json.dumps(answer))
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(file), str(log)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, dict[str, Any]]]:
    """A member that is throttled and then suspended: folder, log, and the evidence of both."""
    folder = tmp_path_factory.mktemp("evidence")
    install(folder)
    with serving(folder) as service:
        for number in range(14):
            submit(service, mail(number, bad=number % 5 == 4 or number == 13))
        answers = {"mail-throttled": evidence_of(service, "mail-throttled")}
        for number in range(14, 40):
            submit(service, mail(number, bad=number % 2 == 0, complains=number % 9 == 0))
        answers["mail-suspended"] = evidence_of(service, "mail-suspended")
    return folder, folder / "data" / "telemetry.sqlite", answers


Proved = tuple[Path, Path, dict[str, dict[str, Any]]]


@pytest.mark.parametrize("val", ["mail-throttled", "mail-suspended"])
def test_the_evidence_of_a_label_can_be_computed_again(proved: Proved, val: str) -> None:
    folder, log, answers = proved
    done = check(folder, answers[val], log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[1] for line in done.stdout.splitlines()} == {
        "cid",
        "root",
        "events",
        "k",
        "n",
        "bound",
        "crossed",
    }


@pytest.mark.parametrize("key", ["k", "n", "events", "comparedPpm", "eventsRoot"])
def test_a_changed_number_is_found(proved: Proved, key: str) -> None:
    folder, log, answers = proved
    answer = json.loads(json.dumps(answers["mail-throttled"]))
    finding = answer["evidence"]["findings"][0]
    finding[key] = "00" * 32 if key == "eventsRoot" else finding[key] + 1
    done = check(folder, answer, log)
    assert done.returncode == 1
    assert done.stdout.count("DIFFERENT") == 2  # the number, and the address of the record


def test_a_changed_log_is_found(proved: Proved, tmp_path: Path) -> None:
    folder, log, answers = proved
    copy = tmp_path / "telemetry.sqlite"
    copy.write_bytes(log.read_bytes())
    with sqlite3.connect(copy) as database:
        (body,) = database.execute("SELECT body FROM record WHERE position = 3").fetchone()
        database.execute("UPDATE record SET body = ? WHERE position = 3", (body.replace(b"a1", b"a9"),))
    done = check(folder, answers["mail-throttled"], copy)
    assert done.returncode == 1
    assert "DIFFERENT: root" in done.stdout
