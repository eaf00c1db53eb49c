"""An installation made by `labeler init`, and verbs run in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from labeler.cli import main


class Said(NamedTuple):
    """What a verb answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Stdout as JSON, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `labeler …` in an empty folder, with no token in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABELER_TOKEN", raising=False)

    def run_verb(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return run_verb


@pytest.fixture
def config(run: Run) -> Path:
    """The configuration of a fresh installation whose operator is did:plc:alice."""
    assert run("init", "here", "--hostname", "localhost:1", "--operator-did", "did:plc:alice").code == 0
    return Path("here/labeler.toml")
