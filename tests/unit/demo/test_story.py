"""How the demo ends: nothing is left behind, except when there is something to look into."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from labeler.demo import story
from labeler.demo.members import Member
from labeler.demo.process import log_file
from labeler.errors import Unavailable

Staged = Callable[[Path, Sequence[Member]], object]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def staging(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None, *, happens: bool = True) -> list[Path]:
    """Put nobody on stage; `error` is raised there, `happens` is what the telling comes to. Returns the folders."""
    folders: list[Path] = []

    @asynccontextmanager
    async def staged(folder: Path, members: Sequence[Member]) -> AsyncIterator[object]:
        folders.append(folder)
        log_file(folder).write_text("the last line\n")
        if error is not None:
            raise error
        yield type("Nobody", (), {"members": members})()

    async def tell(*_: object) -> bool:
        return happens

    monkeypatch.setattr(story, "staged", staged)
    monkeypatch.setattr(story, "_tell", tell)
    return folders


def test_a_story_that_happened_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 0, no folder."""
    folders = staging(monkeypatch)
    assert story.run(keep=False) == 0
    assert folders[0].parent == folder
    assert not any(folder.iterdir())


@pytest.mark.parametrize("error", [None, Unavailable("no labeler"), OSError("no socket"), TimeoutError()])
def test_a_story_that_did_not_happen_shows_where_to_look(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception | None
) -> None:
    """Exit 1, the labeler's last lines, and the folder that is kept."""
    folders = staging(monkeypatch, error, happens=False)
    assert story.run(keep=False) == 1
    shown = capsys.readouterr().out
    assert "the last line" in shown
    assert f"Everything is kept in {folders[0]}" in shown
    assert folders[0].is_dir()
    assert (str(error) in shown) if error else True


def test_our_own_mistake_is_a_traceback_and_keeps_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hides it."""
    folders = staging(monkeypatch, KeyError("a bug"))
    with pytest.raises(KeyError):
        story.run(keep=False)
    assert folders[0].is_dir()


def test_interrupted_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops it does not want to look into anything."""
    staging(monkeypatch, asyncio.CancelledError())
    assert story.run(keep=False) == 143
    assert not any(folder.iterdir())


@pytest.mark.parametrize(("happens", "code"), [(True, 0), (False, 1)])
def test_kept_running_it_ends_well_with_an_interrupt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, happens: bool, code: int
) -> None:
    """After the story Ctrl-C is how it ends; the exit code still says whether the story happened."""
    staging(monkeypatch, happens=happens)
    shown: list[bool] = []

    def show_urls(*_: object) -> None:
        shown.append(True)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)

    monkeypatch.setattr(story, "_show_urls", show_urls)
    assert story.run(keep=True) == code
    assert shown == [True]
    assert any(folder.iterdir()) is not happens
