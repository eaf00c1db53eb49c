"""A wake-up that carries no data.

Theory of operation. A reader does three things for ever: it takes the flag, reads everything after its cursor, and
waits on the flag it took. A writer makes its write durable and then raises the flag. Because the flag is taken
*before* the read, a write that lands during the read wakes the reader again at once, and because waking says nothing
but "look", it may come early, twice or for nothing. There is no list of readers and no cut-over between history and
live.
"""

import asyncio


class Wake:
    """One flag for any number of readers in this process."""

    def __init__(self) -> None:
        self._flag = asyncio.Event()

    def flag(self) -> asyncio.Event:
        """Take the flag that the next `wake` raises; take it before reading, wait on it after."""
        return self._flag

    def wake(self) -> None:
        """Tell every reader that there may be something new. Call it only after the write is durable."""
        self._flag.set()
        self._flag = asyncio.Event()


async def wait(flag: asyncio.Event, seconds: float) -> bool:
    """Wait for `flag`, at most `seconds`; tell whether it was raised."""
    try:
        async with asyncio.timeout(seconds):
            await flag.wait()
    except TimeoutError:
        return False
    return True
