"""Another canary policy while the service runs: it reads the input log from its first record, as if at a start.

A policy that began to judge in the middle would differ from the one in force by what it never saw. So a changed canary
is made anew, together with a second judge that tells what was published, and takes the old one's place once both have
come as far as the judge at work.
"""

import asyncio
import logging
from datetime import timedelta

from labeler.errors import Misconfigured
from labeler.ports import TelemetryLog
from labeler.reputation.canary import Canary
from labeler.reputation.judge import Judge
from labeler.service.oversight import Oversight

PAGE = 64  # records read at once

log = logging.getLogger(__name__)


class Rehearsal:
    """Brings new canaries up to where `oversight` is. `src` is the labeler's DID; `grace` as of `Canary`."""

    def __init__(self, src: str, telemetry: TelemetryLog, oversight: Oversight, grace: timedelta) -> None:
        self._src = src
        self._telemetry = telemetry
        self._oversight = oversight
        self._grace = grace

    async def begin(self, text: str) -> int:
        """Let the policy `text` judge the whole log, then watch it in place of the old one; return how far it read.

        Until then the old one stays. Raises `Unavailable` when the log cannot be read, and `Misconfigured` when the
        policy falls over on what is in it.
        """
        log.info("the canary policy changed; it reads the input log from its first record")
        canary, judge, position = Canary(self._src, text, grace=self._grace), Judge(self._src), 0
        while position < self._oversight.position:
            for position, record in await self._telemetry.read(position, PAGE):  # noqa: B020 - the next page begins there
                try:
                    canary.take(record, judge.step(record))
                except Exception as error:
                    raise Misconfigured(f"the canary policy fell over at input {position}: {error!r}") from error
                judge.notices.clear()
                if position == self._oversight.position:  # the judge at work has come no further
                    break
                await asyncio.sleep(0)
        self._oversight.watch(canary)
        return position
