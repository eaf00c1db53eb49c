"""Notices on their way to people, through every configured channel.

Theory of operation. The walk hands a notice over and goes on: it never waits for a channel, and no channel can make it
fail. Each channel has a queue and a task of its own, so that a mail server that is down holds up no webhook. What a
channel does not take is tried again, ever more rarely, until an hour after it was noticed; while it is away the queue
keeps the newest. What it refuses for good is not tried again: it must not hold up what comes after it. Nothing is kept
on disk: the log, which every notice is a line of, is the record. What was told before a restart is not told after it,
and where an old input log is judged anew, what is older than a day stays untold.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    wait_exponential,
    wait_random,
)

from labeler.atproto.syntax import is_did
from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Clock, Message, Notifier
from labeler.reputation.subject import Notice
from labeler.service.observe import Metrics

QUEUED_MAX: Final = 1_000  # messages a channel
TRY_FOR_SECONDS: Final = 3600.0
NEWS_FOR: Final = timedelta(days=1)
FIRST_PAUSE_SECONDS: Final = 1.0  # doubled from try to try
LONGEST_PAUSE_SECONDS: Final = 60.0
JITTER_SECONDS: Final = 1.0

Link = Callable[[str, int | None], str]
"""Where to look at what a notice is about, and at the case it belongs to."""

log = logging.getLogger(__name__)

_ADDRESS: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+")


def look_at(origin: str) -> Link:
    """Say where to look: the case that waits, else the member's page, else the console. `origin` is our own."""

    def link(about: str, case: int | None) -> str:
        if case is not None:
            return f"{origin}/console/cases/{case}"
        return f"{origin}/member/{quote(about, safe=':')}" if is_did(about) else f"{origin}/console"

    return link


class Notifications:
    """Tells notices of `kinds` through `channels`; `link` says where to look at what a notice is about."""

    def __init__(
        self,
        channels: Mapping[str, Notifier],
        metrics: Metrics,
        clock: Clock,
        *,
        kinds: Collection[str],
        link: Link,
    ) -> None:
        self._lines = [_Line(name, notifier, metrics) for name, notifier in channels.items()]
        self._clock = clock
        self._kinds = frozenset(kinds)
        self._link = link

    def tell(self, notice: Notice) -> None:
        """Take a notice; returns at once, whatever becomes of it."""
        if notice.kind not in self._kinds or notice.at < self._clock.now() - NEWS_FOR:
            return
        # A relay names its reports as it likes, and perhaps after somebody.
        text = _ADDRESS.sub("[address]", notice.text)
        message = Message(
            notice.kind, notice.about, notice.at, text, self._link(notice.about, notice.case), notice.case
        )
        for line in self._lines:
            line.put(message)

    async def run(self) -> None:
        """Deliver until `close`, and then give everything that is left one last try."""
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.run())

    def close(self) -> None:
        """Let `run` end."""
        for line in self._lines:
            line.close()


class _Waiting(NamedTuple):
    """A message, and until when of the loop's clock it is tried."""

    message: Message
    until: float


class _Line:
    """One channel and what waits for it."""

    def __init__(self, channel: str, notifier: Notifier, metrics: Metrics) -> None:
        self._channel = channel
        self._notifier = notifier
        self._count = metrics.notifications
        self._queue: deque[_Waiting] = deque()
        self._look = asyncio.Event()
        self._closing = asyncio.Event()

    def put(self, message: Message) -> None:
        if len(self._queue) >= QUEUED_MAX:
            self._queue.popleft()
            self._counted("dropped")
        self._queue.append(_Waiting(message, asyncio.get_running_loop().time() + TRY_FOR_SECONDS))
        self._look.set()

    def close(self) -> None:
        self._closing.set()
        self._look.set()

    async def run(self) -> None:
        sending = 0
        try:
            while True:
                self._look.clear()
                while self._queue:
                    waiting, sending = self._queue.popleft(), 1
                    await self._deliver(waiting)
                    sending = 0
                if self._closing.is_set():
                    return
                await self._look.wait()
        finally:
            if lost := len(self._queue) + sending:
                self._counted("dropped", lost)
                log.error("%d notices were not told by %s before the end", lost, self._channel)

    async def _deliver(self, waiting: _Waiting) -> None:
        """Try until it is taken or too late; never raises."""
        try:
            tries = AsyncRetrying(
                sleep=self._pause,
                stop=lambda state: self._is_over(state, waiting.until),
                wait=wait_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS) + wait_random(0, JITTER_SECONDS),
                retry=retry_if_exception_type(Unavailable) & retry_if_not_exception_type(Undeliverable),
                before_sleep=self._note_failure,
                reraise=True,
            )
            await tries(self._notifier.send, waiting.message)
        except Unavailable as error:
            self._counted("failed")
            log.error("a notice could not be told by %s: %s", self._channel, error)
        except Exception:
            self._counted("failed")
            log.exception("a notice could not be told by %s", self._channel)
        else:
            self._counted("sent")

    def _is_over(self, state: RetryCallState, until: float) -> bool:
        return self._closing.is_set() or asyncio.get_running_loop().time() + state.upcoming_sleep > until

    def _note_failure(self, state: RetryCallState) -> None:
        self._counted("retried")
        if state.attempt_number == 1 and state.outcome is not None:
            log.warning("a notice waits for %s: %s", self._channel, state.outcome.exception())

    async def _pause(self, seconds: float) -> None:
        """Rest before the next try; the end of the service is worth one last try at once."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass

    def _counted(self, result: str, number: int = 1) -> None:
        self._count.labels(self._channel, result).inc(number)
