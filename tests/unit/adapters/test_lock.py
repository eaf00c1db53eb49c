"""The lock on a data directory: one holder, named to the second, gone with its process."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labeler.adapters.lock import FileLock
from labeler.errors import Misconfigured, Unavailable

HOLDER = """
import subprocess, sys
from pathlib import Path
from labeler.adapters.lock import FileLock

with FileLock(Path(sys.argv[1])).hold():
    print("held", flush=True)
    child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], close_fds=False)
    sys.stdin.read()
"""
CHILD = "import sys; print('started', flush=True); sys.stdin.read()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labeler.lock"


def test_a_second_holder_is_told_who_has_it(path: Path) -> None:
    with FileLock(path).hold():
        with pytest.raises(Misconfigured) as refused, FileLock(path).hold():
            pytest.fail("held twice")
        assert str(path) in str(refused.value)
        assert f"pid {os.getpid()}" in str(refused.value)


def test_it_can_be_taken_again_after_release(path: Path) -> None:
    lock = FileLock(path)
    for _ in range(3):
        with lock.hold():
            assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == ""


def test_what_a_killed_holder_wrote_is_overwritten(path: Path) -> None:
    path.write_text("98765432109876\n")
    with FileLock(path).hold():
        assert path.read_text() == f"{os.getpid()}\n"


def test_it_is_released_when_the_work_fails(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), FileLock(path).hold():
        _ = 1 / 0
    with FileLock(path).hold():
        pass


def test_it_dies_with_its_process(path: Path) -> None:
    """A killed holder leaves its pid behind, and the lock is free, even while a program it started lives on."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["held\n", "started\n"]
    with pytest.raises(Misconfigured, match=f"pid {process.pid}"), FileLock(path).hold():
        pytest.fail("held twice")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert path.read_text() == f"{process.pid}\n"
    with FileLock(path).hold():
        assert path.read_text() == f"{os.getpid()}\n"
    process.communicate()  # the orphan reads the end of its input, and goes


def test_a_file_system_without_locks_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(Unavailable, match="cannot lock: No locks available"), FileLock(path).hold():
        pytest.fail("held nothing")


def test_a_lock_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=str(tmp_path)), FileLock(tmp_path / "absent" / "lock").hold():
        pytest.fail("held nothing")
