r"""Which events a subject's numbers are made of: a digest a bucket, and one root over the buckets of a window.

Each hour keeps how many events were counted in it, and a running digest of their ids: after each record of the input
log, SHA-256 over the digest before (32 zero bytes at first), the relay's DID, a line feed, and the ids counted in that
hour, sorted by code point, each ending in a line feed; a backslash or a line feed within an id is written `\\` or
`\n`. The log supplies the ids; nobody can take one away, add one or move it to another hour without changing the
digest, and the order within a record does not matter. The root is the Merkle tree hash of RFC 6962 §2.1 over the hours
in their order, each leaf `hour:count:` in ASCII and the digest. A proof for one hour is the usual audit path.
"""

import hashlib
from typing import Final, NamedTuple

_EMPTY: Final = bytes(32)
_LEAF, _NODE = b"\x00", b"\x01"  # RFC 6962 §2.1: told apart, so that no node passes for a leaf


class Root(NamedTuple):
    """The events of a window: the Merkle root (hex), how many, and the first and last hour that lie in it."""

    digest: str
    events: int
    first_hour: int
    last_hour: int


class EventLedger:
    """Running digests of one subject, by hour."""

    __slots__ = ("counted", "hours")

    def __init__(self) -> None:
        self.hours: dict[int, tuple[int, bytes]] = {}
        self.counted: list[tuple[int, str]] = []  # hour and id of what was counted since the last `seal`

    def seal(self, relay: str) -> None:
        """Take in what was counted from one record of the input log, reported by `relay`."""
        counted = self.counted
        if not counted:
            return
        counted.sort()
        hour = counted[0][0]
        if hour == counted[-1][0]:  # as is most often so with mail of the moment
            self._digest(relay, hour, [event_id for _, event_id in counted])
        else:
            by_hour: dict[int, list[str]] = {}
            for hour, event_id in counted:
                by_hour.setdefault(hour, []).append(event_id)
            for hour, ids in by_hour.items():
                self._digest(relay, hour, ids)
        counted.clear()

    def _digest(self, relay: str, hour: int, ids: list[str]) -> None:
        events, digest = self.hours.get(hour, (0, _EMPTY))
        text = "\n".join(ids)
        if "\\" in text or text.count("\n") >= len(ids):
            text = "\n".join(event_id.replace("\\", "\\\\").replace("\n", "\\n") for event_id in ids)
        running = hashlib.sha256(digest + f"{relay}\n{text}\n".encode()).digest()
        self.hours[hour] = (events + len(ids), running)

    def root(self, since: int, until: int) -> Root:
        """The root over the hours `since` … `until`."""
        leaves = [(hour, *self.hours[hour]) for hour in sorted(self.hours) if since <= hour <= until]
        tree = merkle_root([f"{hour}:{events}:".encode() + digest for hour, events, digest in leaves])
        return Root(tree.hex(), sum(events for _, events, _ in leaves), since, until)

    def expire(self, before: int) -> None:
        """Forget hours < `before`."""
        if any(hour < before for hour in self.hours):
            self.hours = {hour: sealed for hour, sealed in self.hours.items() if hour >= before}


def merkle_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 §2.1 with SHA-256."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(_LEAF + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)  # the largest power of two below the number of leaves
    return hashlib.sha256(_NODE + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()
