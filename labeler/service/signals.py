"""What the system tells a process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def taken(actions: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Answer signals with `actions` until the block ends. Only a main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number, action in actions.items():
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in actions:
            loop.remove_signal_handler(number)
