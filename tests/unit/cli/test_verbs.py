"""Every verb explains itself, and every failure is one message and an exit code."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import labeler
from labeler.cli import main, version
from labeler.cli.verbs import VERBS
from labeler.errors import BadInput, Corrupt, LabelerError, Misconfigured, Unavailable

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

ACTIONS = [[verb] for verb in VERBS if verb not in {"label", "notify", "policy", "audit"}] + [
    ["label", "apply"],
    ["label", "negate"],
    ["label", "list"],
    ["policy", "check"],
    ["policy", "show"],
    ["audit", "verify"],
    ["audit", "export"],
    ["audit", "head"],
    ["notify", "test"],
]


@pytest.mark.parametrize("words", ACTIONS, ids=" ".join)
def test_every_verb_has_help_with_an_example(run: "Run", words: list[str]) -> None:
    said = run(*words, "--help")
    assert said.code == 0
    assert "Example: labeler " + " ".join(words) in said.out


@pytest.mark.parametrize("words", ACTIONS, ids=" ".join)
def test_every_verb_speaks_json_but_the_demo(run: "Run", words: list[str]) -> None:
    assert ("--json" in run(*words, "--help").out) == (words != ["demo"])


def test_the_list_of_verbs_names_each(run: "Run") -> None:
    said = run("--help")
    assert said.code == 0
    assert [verb for verb in VERBS if f" {verb} " not in said.out] == []


def test_no_verb_at_all_shows_the_list_and_is_a_mistake(run: "Run") -> None:
    said = run()
    assert said.code == 2
    assert "check-config" in said.out + said.err


@pytest.mark.parametrize(
    "words", [["doctor"], ["version", "--foo"], ["init"], ["label"], ["label", "apply", "did:plc:a"]]
)
def test_wrong_usage_is_2(run: "Run", words: list[str]) -> None:
    assert run(*words).code == 2


@pytest.mark.parametrize(
    ("error", "code"), [(BadInput("no"), 2), (Misconfigured("no"), 2), (Unavailable("no"), 3)], ids=str
)
def test_an_error_becomes_one_line_and_its_code(
    run: "Run", monkeypatch: pytest.MonkeyPatch, error: LabelerError, code: int
) -> None:
    said = fail_with(error, run, monkeypatch)
    assert said == (code, "", "labeler: no\n")


@pytest.mark.parametrize("error", [Corrupt("torn"), RuntimeError("a mistake of ours")], ids=lambda e: type(e).__name__)
def test_corruption_and_our_own_mistakes_keep_their_traceback(
    run: "Run", monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(type(error)):
        fail_with(error, run, monkeypatch)


def fail_with(error: Exception, run: "Run", monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(version, "show_json", fail)
    return run("version", "--json")


def test_version_says_which_one(run: "Run") -> None:
    assert run("version").out == f"labeler {labeler.__version__} (Python {platform.python_version()})\n"
    assert run("version", "--json").lines == [{"version": labeler.__version__, "python": platform.python_version()}]


def test_main_takes_the_words_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["labeler", "version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("labeler ")


def test_a_light_verb_loads_no_server() -> None:
    """Start-up stays quick: each verb imports only what it needs."""
    code = (
        "import sys; from labeler.cli import main; main(['version']);"
        "print(sorted({'aiohttp', 'httpx', 'coincurve', 'labeler.settings'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_labeler_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "labeler", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_the_installed_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("labeler")
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("labeler ")


def test_a_full_disk_under_stdout_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "labeler", "version", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert "cannot print: No space left on device" in done.stderr


def test_the_demo_is_told_whether_to_stay_and_says_how_it_went(run: "Run", monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    class Story:
        @staticmethod
        def run(keep: bool) -> int:
            asked.append(keep)
            return 1 if keep else 0

    monkeypatch.setitem(sys.modules, "labeler.demo.story", Story)
    assert run("demo").code == 0
    assert run("demo", "--keep").code == 1
    assert asked == [False, True]
