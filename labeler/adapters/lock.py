"""A lock on a file by flock(2): the kernel lets go of it when its holder dies, however that happens."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeler.errors import Misconfigured, Unavailable


class FileLock:
    """`Lock` on `path`. The file carries the holder's pid, for people only; it stays when the lock is released."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock; `Misconfigured` names the file and the pid of whoever has it."""
        try:
            # Python opens files so that programs we start do not inherit them; they cannot keep the lock alive.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot open the lock file: {error.strerror}") from error
        try:
            self._take(descriptor)
            try:
                yield
            finally:
                os.ftruncate(descriptor, 0)
                # Closing would not do while a program we are just starting still shares the open file.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Misconfigured(
                f"{self._path}: held by another process (pid {holder}); stop it first, one data_dir serves one labeler"
            ) from None
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot lock: {error.strerror}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
