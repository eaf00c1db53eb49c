"""The audit chain of a service that really ran, verified, exported, pinned, and tampered with in every way."""

import ast
import asyncio
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from labeler.adapters.keyfile import KeyFileSigner
from labeler.cli import main
from labeler.service.audit_check import verify
from labeler.wiring import audited
from tests.service_process import EMIT, ServiceProcess, install, serving

if TYPE_CHECKING:
    from tests.conftest import Installation

SCRIPT = Path("conformance/check_audit.py")
ALICE, BOB = "did:plc:alice", "did:plc:bob"
EVERY_KIND = {"begin", "setting", "policy", "decision", "label", "override", "question"}


class Ran(NamedTuple):
    """An installation whose service has ended: what was published, and what verify said beside it."""

    folder: Path
    head: dict[str, Any]
    beside: "Said"


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def said(*command: str, feed: str | None = None) -> Said:
    ended = subprocess.run(
        [sys.executable, *command], check=False, capture_output=True, text=True, timeout=60, input=feed
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def audit(folder: Path, verb: str, *more: str) -> Said:
    """Run `labeler audit …` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["audit", verb, "--config", str(folder / "labeler.toml"), *more])
    return Said(code, out.getvalue(), err.getvalue())


def post(service: ServiceProcess, path: str, token: str, **body: Any) -> None:
    answer = service.ask("POST", path, token=token, body=json.dumps(body).encode())
    assert answer.status == 200, answer.body


def decide(service: ServiceProcess, did: str, *create: str, negate: tuple[str, ...] = ()) -> None:
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": list(create),
        "negateLabelVals": list(negate),
    }
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": did}
    post(service, EMIT, "moderator", event=event, subject=subject, createdBy=did)


def published(service: ServiceProcess) -> dict[str, Any]:
    answer: dict[str, Any] = service.ask("GET", "/xrpc/email.atmos.reputation.getAuditHead").json()
    return answer


def change_policy(service: ServiceProcess) -> None:
    """Write the policy anew and wait until it is in the chain."""
    before = published(service)["n"]
    policy = service.folder / "policy.toml"
    policy.write_text(policy.read_text() + "\n# the same again\n")
    os.kill(service.process.pid, signal.SIGHUP)
    give_up = time.monotonic() + 20
    while published(service)["n"] == before:
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Labels by hand, one taken back; another policy; an override; a question; and a start with other settings."""
    folder = tmp_path_factory.mktemp("audited")
    install(folder)
    with serving(folder) as service:
        decide(service, ALICE, "mail-throttled")
        decide(service, BOB, "mail-suspended")
        change_policy(service)
        decide(service, ALICE, negate=("mail-throttled",))
    (folder / "labeler.toml").write_text((folder / "labeler.toml").read_text() + "\n[identity]\ncheck_seconds = 99.0\n")
    with serving(folder) as service:
        post(service, "/xrpc/email.atmos.operator.setOverride", "admin", did=BOB, dailyCap=5, comment="why not")
        post(service, "/xrpc/email.atmos.operator.askMember", "moderator", did=ALICE)
        beside = said("-m", "labeler", "audit", "verify", "--config", str(folder / "labeler.toml"))
        head = published(service)
    return Ran(folder, head, beside)


@pytest.fixture
def copy(ran: Ran, tmp_path: Path) -> Path:
    """A copy of it all, in which the database's own rules no longer hold."""
    folder = tmp_path / "copy"
    shutil.copytree(ran.folder, folder)
    with sqlite3.connect(folder / "data" / "labels.sqlite") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
    database.close()
    return folder


def run_sql(folder: Path, statement: str, log: str = "labels") -> None:
    with sqlite3.connect(folder / "data" / f"{log}.sqlite") as database:
        assert database.execute(statement).rowcount > 0
    database.close()


def script(folder: Path, *more: str) -> Said:
    chain = audit(folder, "export")
    assert chain.code == 0
    return said(str(SCRIPT), *more, feed=chain.out)


def test_the_script_imports_nothing_of_ours() -> None:
    imported = [
        node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imported if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"cbor2", "cryptography"}


def test_what_nobody_touched_is_good_beside_the_service_and_after_it(ran: Ran) -> None:
    pin = f"{ran.head['n']}:{ran.head['hash']}"
    assert ran.beside.code == 0, ran.beside.out
    assert pin in ran.beside.out
    found = audit(ran.folder, "verify", "--json", "--pin", pin)
    assert found.code == 0, found.out
    told = json.loads(found.out)
    assert told == {"ok": True, "n": ran.head["n"], "hash": ran.head["hash"], "labels": 3, "words": 7}
    assert audit(ran.folder, "head").out.strip() == pin
    assert json.loads(audit(ran.folder, "head", "--json").out) == {name: ran.head[name] for name in ("n", "hash", "at")}


def test_the_export_says_all_of_it_and_the_script_agrees(ran: Ran, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in audit(ran.folder, "export").out.splitlines()]
    assert {line["entry"]["kind"] for line in lines} == EVERY_KIND
    secret = hashlib.sha256(b"moderator").hexdigest()
    assert secret[:8] in str(lines)
    assert secret[:16] not in str(lines)
    settings = [line["entry"]["body"] for line in lines if line["entry"]["kind"] == "setting"]
    assert settings[1]["set"] == {"identity.check_seconds": "99.0"}
    (tmp_path / "head.json").write_text(json.dumps(ran.head))
    key = KeyFileSigner(ran.folder / "signing.key").key_id
    found = script(ran.folder, "--head", str(tmp_path / "head.json"), "--key", key)
    assert found == (0, f"✓ {len(lines)} entries; {ran.head['n']}:{ran.head['hash']}\n", "")
    (tmp_path / "head.json").write_text(json.dumps(ran.head | {"at": "2026-01-01T00:00:00.000Z"}))
    found = script(ran.folder, "--head", str(tmp_path / "head.json"), "--key", key)
    assert (found.code, "signature does not hold" in found.out) == (1, True)


async def test_beside_a_busy_service_it_finds_nothing_either(installation: "Installation") -> None:
    """Labels are replaced and words come in while it reads: what is new is left for the next time."""
    async with installation.serving() as running:

        async def decide_on_and_on() -> None:
            for number in range(40):
                member = f"did:plc:m{number % 3}"
                vals = ("mail-throttled",)
                await (running.label(member, negate=vals) if number // 3 % 2 else running.label(member, *vals))

        deciding, heads = asyncio.create_task(decide_on_and_on()), set[int]()
        while not deciding.done():
            async with audited(installation.settings) as (telemetry, labels):
                verdict = await verify(labels, telemetry, {}, lambda _: None)
            assert verdict.fault is None
            heads.add(verdict.head.n)
        await deciding
        assert len(heads) > 3


def test_an_export_may_begin_behind_a_pin(ran: Ran) -> None:
    lines = audit(ran.folder, "export").out.splitlines()
    rest = audit(ran.folder, "export", "--after", "4").out
    assert rest.splitlines() == lines[4:]
    pin = json.loads(lines[3])
    assert said(str(SCRIPT), "--pin", f"4:{pin['hash']}", feed=rest).code == 0
    assert "needs --pin 4:HASH" in said(str(SCRIPT), feed=rest).out


@pytest.mark.parametrize(
    ("statement", "verified", "scripted"),
    [
        (
            "UPDATE chain SET entry = CAST(replace(CAST(entry AS TEXT), 'why not', 'because') AS BLOB) "
            "WHERE instr(entry, CAST('why not' AS BLOB))",
            "its hash is not that of its bytes",
            "its hash is not that of its bytes",
        ),
        ("UPDATE chain SET hash = zeroblob(32) WHERE n = 3", "entry 3: its hash", "entry 3: its hash"),
        ("UPDATE chain SET about = 'did:plc:carol' WHERE n = 5", "entry 5: it is filed under did:plc:carol", None),
        ("DELETE FROM chain WHERE n = 4", "entry 4: it is missing", "entry 4: it is missing"),
        (
            "UPDATE chain SET n = CASE n WHEN 100 THEN 4 WHEN 4 THEN 100 ELSE n END WHERE n = 4",
            "entry 4: it is missing",
            "entry 4: it is missing",
        ),
        ("DELETE FROM label WHERE uri = 'did:plc:bob'", "label 2 (entry 7): it is gone from the log", None),
        ("DELETE FROM superseded", "label 1 (entry 5): it is gone from the log", None),
        ("UPDATE evidence SET record = x'a0' WHERE seq = 2", "label 2 (entry 7): the evidence behind it", None),
        ("UPDATE superseded SET superseded_by = 2", "label 1: label 3 took its place", None),
    ],
    ids=["edited", "hash", "filed", "deleted", "moved", "label", "superseded", "evidence", "successor"],
)  # fmt: skip
def test_every_edit_is_found_and_named(copy: Path, statement: str, verified: str, scripted: str | None) -> None:
    run_sql(copy, statement)
    found = audit(copy, "verify")
    assert (found.code, verified in found.out) == (1, True), found.out
    by_script = script(copy)
    if scripted is None:
        assert by_script.code == 0, "the chain itself is whole"
    else:
        assert (by_script.code, scripted in by_script.out) == (1, True), by_script.out


def test_two_entries_that_changed_places_are_found(copy: Path) -> None:
    for old, new in ((4, 100), (5, 4), (100, 5)):
        run_sql(copy, f"UPDATE chain SET n = {new} WHERE n = {old}")
    assert audit(copy, "verify").out == "wrong: entry 4: its hash is not that of its bytes behind entry 3\n"
    assert "entry 4: its hash is not that" in script(copy).out


@pytest.mark.parametrize("position", [2, 7])
def test_a_word_that_is_gone_from_the_input_log_is_found(copy: Path, position: int) -> None:
    """In the middle a hole, at the end an input log that is too short."""
    run_sql(copy, f"DELETE FROM record WHERE position = {position}", "telemetry")
    found = audit(copy, "verify", "--json")
    assert found.code == 1
    assert json.loads(found.out)["fault"]


def test_a_cut_tail_is_found_by_the_logs_and_by_the_pin(ran: Ran, copy: Path) -> None:
    run_sql(copy, "DELETE FROM chain WHERE n > 4")
    pin = f"{ran.head['n']}:{ran.head['hash']}"
    assert audit(copy, "verify").out == "wrong: label 1: it has no audit entry\n"
    assert script(copy).code == 0, "a chain that is only shorter is a chain"
    assert script(copy, "--pin", pin).out == f"✗ entry {ran.head['n']}: it was pinned, and the chain ends at 4\n"


def test_a_chain_bound_anew_over_other_logs_is_found_by_the_pin_alone(ran: Ran, copy: Path) -> None:
    """Somebody with the disk begins all over: nothing in the files can tell, only what was noted elsewhere."""
    shutil.rmtree(copy / "data")
    with serving(copy) as service:
        decide(service, ALICE, "mail-throttled")
    assert audit(copy, "verify").code == 0
    found = audit(copy, "verify", "--pin", f"5:{'0' * 64}", "--pin", f"{ran.head['n']}:{ran.head['hash']}")
    assert (found.code, "entry 5: its hash is not the pinned one" in found.out) == (1, True)


def test_where_nothing_can_be_read_nothing_is_called_wrong(tmp_path: Path) -> None:
    install(tmp_path)
    found = audit(tmp_path, "verify")
    assert (found.code, "no labeler has run here yet" in found.err) == (2, True)
    (tmp_path / "data").mkdir()
    found = audit(tmp_path, "verify")
    assert (found.code, "No such file or directory" in found.err) == (3, True)
    found = audit(tmp_path, "verify", "--pin", "x")
    assert (found.code, "is no pin" in found.err) == (2, True)
