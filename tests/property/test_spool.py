"""The spool against a plain list, through appends, partial reads, restarts and crashes in mid-write."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relay_hooks.spool import Spool


class SpoolMachine(RuleBasedStateMachine):
    """`expected` is what must still come out, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.expected: list[int] = []
        self.written = 0
        self.torn = 0  # bytes that crashes left behind

    @initialize()
    def start(self) -> None:
        self.spool = Spool(Path(self.folder.name), max_bytes=600, segment_bytes=60)
        self.spool.open()

    @rule(count=st.integers(1, 12))
    def append(self, count: int) -> None:
        values = list(range(self.written, self.written + count))
        taken = self.spool.append(values)
        self.written += count
        self.expected += values[:taken]

    @rule(limit=st.integers(1, 9), share=st.floats(0, 1))
    def read(self, limit: int, share: float) -> None:
        portion = self.spool.peek(limit)
        assert list(portion.values) == self.expected[: len(portion.values)]
        assert bool(portion.values) == bool(self.expected)
        done = round(share * len(portion.values))
        self.spool.commit(portion, done)
        del self.expected[:done]

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.start()

    @rule(torn=st.integers(1, 8))
    def crash_in_mid_write(self, torn: int) -> None:
        """A record that was never acknowledged stands half-written at the end of a segment."""
        self.spool.close()
        segments = sorted(Path(self.folder.name).glob("*.spool"))
        if segments:
            with segments[-1].open("ab") as file:
                file.write(b"\0\0\0\x09\x11\x22\x33\x44"[:torn])
            self.torn += torn
        self.start()

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.pending == len(self.expected)
            assert self.spool.bytes_on_disk <= 600 + self.torn

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            while (portion := self.spool.peek(5)).values:
                assert list(portion.values) == self.expected[: len(portion.values)]
                del self.expected[: len(portion.values)]
                self.spool.commit(portion, len(portion.values))
            assert self.expected == []
            self.spool.close()
        self.folder.cleanup()


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=100, stateful_step_count=30)
