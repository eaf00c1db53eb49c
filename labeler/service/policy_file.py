"""The policy file: taken up when its text changes, ignored with a word in the log while it is broken."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from labeler.errors import Misconfigured, Unavailable
from labeler.reputation.proofs import check_policy
from labeler.service.observe import Metrics
from labeler.service.wake import Wake, wait

Stamp = tuple[int, int, int]  # what changes when a file is written: mtime, size, inode

POLL_SECONDS = 2.0  # how often the file's stamp is looked at

log = logging.getLogger(__name__)


def read_text(path: Path) -> str:
    """Read a policy file as it is, checking nothing; raises `Misconfigured` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"{path}: the policy cannot be read: {error}") from error


def read_policy(path: Path) -> str:
    """Read a policy file and prove it sound; raises `Misconfigured` naming file, line, key and fix."""
    text = read_text(path)
    try:
        check_policy(text)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from error
    return text


class PolicyFile:
    """Watches one policy file and hands every new, sound text to `activate`; `canary` if it is only to be watched."""

    def __init__(
        self, path: Path, activate: Callable[[str], Awaitable[int]], metrics: Metrics, *, canary: bool = False
    ) -> None:
        self._path = path
        self._activate = activate
        self._loads = metrics.canary_policies if canary else metrics.policies
        self._refused = metrics.canary_refused if canary else metrics.policy_refused
        self._name = "canary policy" if canary else "policy"
        self._asked = Wake()

    def reload(self) -> None:
        """Read the file now, whatever its stamp says (SIGHUP)."""
        self._asked.wake()

    async def take_up(self, text: str, current: str | None) -> str:
        """Activate `text` unless it is the one in force; return the text in force afterwards. Raises `Unavailable`."""
        if text != current:
            await self._activate(text)
            self._loads.labels("activated").inc()
            log.info("%s activated: %s", self._name, self._path)
        self._refused.set(0)
        return text

    async def watch(self, current: str | None) -> None:
        """Follow the file for ever; `current` is the text in force."""
        done: Stamp | None = None
        before: Stamp | None = None
        while True:
            asked = await wait(self._asked.flag(), POLL_SECONDS)
            stamp = self._look()
            settled = stamp == before  # an editor that writes in two goes must not have half a policy taken up
            before = stamp
            if not asked and (stamp == done or not settled):
                continue
            try:
                current = await self.take_up(read_policy(self._path), current)
            except Misconfigured as error:
                self._loads.labels("refused").inc()
                self._refused.set(1)
                log.error("the %s stays as it was: %s", self._name, error)
            except Unavailable as error:
                log.error("the %s could not be activated, trying again: %s", self._name, error)
                continue
            done = stamp

    def _look(self) -> Stamp:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)  # gone: reading it says why, once
        return (status.st_mtime_ns, status.st_size, status.st_ino)
