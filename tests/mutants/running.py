"""Break the product on purpose, one small change at a time, and see that the named test notices.

Every mutation is tried in a copy of the tree. A test that fails kills the mutant; one that passes lets it survive, and
anything else (a test that is not there, a file that no longer imports in collection) is an error. The unchanged copy is
tried first: a test that fails anyway would prove nothing.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.conformance_table import DOCUMENT, ROOT, rows

FILE = Path(__file__).with_name("mutants.toml")
COPIED = ("conformance", "deploy", "docs", "labeler", "lexicons", "relay_hooks", "tests")
TIMEOUT_SECONDS = 180
FAILED, PASSED = 1, 0  # the exit codes of pytest that mean a verdict


class Mutant(NamedTuple):
    """One change of one file: `old`, which occurs there once, becomes `new`, and `test` must fail."""

    row: int
    file: str
    old: str
    new: str
    test: str


class Outcome(NamedTuple):
    """What became of a mutant: `killed`, `survived`, or why there was no verdict."""

    mutant: Mutant
    verdict: str


def declared(path: Path = FILE) -> dict[str, Any]:
    """Read the file of mutations as it is."""
    return tomllib.loads(path.read_text())


def mutants(path: Path = FILE) -> list[Mutant]:
    """Read the mutations."""
    return [Mutant(**each) for each in declared(path)["mutants"]]


def drawn(seed: int, later: Sequence[int] = (0, 0)) -> list[int]:
    """Shuffle every row of the document that is a must, a should or our own decision.

    Rows from `later[0]` to `later[1]` joined the document after the draw, which they must not change.
    """
    pool = sorted(
        row.number
        for row in rows(DOCUMENT.read_text())
        if row.level in "MSD" and not later[0] <= row.number <= later[1]
    )
    return random.Random(seed).sample(pool, len(pool))


def digests(chosen: Sequence[Mutant], root: Path = ROOT) -> dict[Mutant, str]:
    """Name each trial by all that could change its verdict: the mutation, and every file that is copied."""
    tree = _tree(root)
    return {mutant: hashlib.sha256(repr(mutant).encode() + tree).hexdigest() for mutant in chosen}


def _tree(root: Path) -> bytes:
    whole = hashlib.sha256()
    for folder in COPIED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".py", ".json", ".toml", ".sql"} and "node_modules" not in path.parts:
                whole.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return whole.digest()


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Path]:
    """Copy what tests need into a folder of its own."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        for path in (*root.glob("*.md"), *root.glob("*.toml"), root / "requirements.lock", root / "Makefile"):
            shutil.copy(path, copy)
        yield copy


def tested(copy: Path, tests: Iterable[str]) -> int:
    """Run tests in a copy; return pytest's exit code, -1 when they did not end."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"), *dict.fromkeys(tests)]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode


def tried(mutant: Mutant, copy: Path) -> Outcome:
    """Apply one mutation, run its test, and take the mutation back."""
    path = copy / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1 or mutant.old == mutant.new:
        return Outcome(mutant, "no such place in the file")
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        code = tested(copy, [mutant.test])
    finally:
        path.write_text(text)
    return Outcome(mutant, {FAILED: "killed", PASSED: "survived"}.get(code, f"no verdict: pytest ended with {code}"))


def run(chosen: Sequence[Mutant], workers: int, root: Path = ROOT) -> Iterator[Outcome]:
    """Try mutants in `workers` copies side by side; the first outcomes are of tests that fail unchanged, if any do."""
    copies: SimpleQueue[Path] = SimpleQueue()
    with copied(root) as first:
        if chosen and tested(first, [mutant.test for mutant in chosen]) != PASSED:
            for mutant in chosen:
                if tested(first, [mutant.test]) != PASSED:
                    yield Outcome(mutant, "its test fails or is not there without the mutation")
            return
        with TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(workers) as pool:
            copies.put(first)
            for number in range(1, workers):
                copies.put(Path(shutil.copytree(first, Path(folder) / str(number))))

            def trial(mutant: Mutant) -> Outcome:
                copy = copies.get()
                try:
                    return tried(mutant, copy)
                finally:
                    copies.put(copy)

            for done in as_completed([pool.submit(trial, mutant) for mutant in chosen]):
                yield done.result()


def remembered(path: Path) -> dict[str, str]:
    """Read the verdicts of an earlier run."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
