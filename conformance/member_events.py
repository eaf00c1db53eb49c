"""Which of one member's events count, in which hour, and what they say of their recipients: read from the input log.

python conformance/member_events.py TELEMETRY.sqlite DID 2026-03-02T12:00:00.000Z prints hour, number and digest.
"""

import sqlite3
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

OUTCOMES = {"delivered", "bounced", "deferred", "complained", "unsubscribed", "trapHit"}
RATES = {
    "invalid-recipient-rate": ("invalid_recipient", {"delivered", "invalid_recipient"}),
    "complaint-rate": ("complained", {"delivered"}),
}
ADVERSE = {"mail-throttled", "mail-suspended", "mail-removed"}
BINDING_HOURS = 9 * 24  # an outcome counts for a message as old as that


def hour_of(moment: datetime) -> int:
    """Hours since the epoch."""
    return int(moment.timestamp()) // 3600


def records(log: str, until: str) -> Iterator[Any]:
    """Read the records of the log that were received by `until`, to the millisecond."""
    database = sqlite3.connect(f"{Path(log).absolute().as_uri()}?mode=ro", uri=True)
    for (body,) in database.execute("SELECT body FROM record ORDER BY position"):
        record = msgspec.msgpack.decode(body)
        if f"{record['received'].isoformat(timespec='milliseconds')[:23]}Z" > until:
            return
        yield record


def counted(log: str, did: str, until: str) -> Iterator[tuple[Any, list[tuple[int, Any, str]]]]:
    """Yield each record with the events it makes count: their hour, themselves, and their fate, which is their kind,
    or for a bounce the list of the policy then that names its status. An exact code beats a star.
    """
    accepted, waiting, codes = dict[Any, int](), defaultdict[Any, list[Any]](list), dict[str, str]()
    for record in records(log, until):
        if "text" in record:
            lists = tomllib.loads(record["text"])["outcomes"]
            codes = {code: name for name, listed in lists.items() for code in listed}
        oldest, found = hour_of(record["received"]) - BINDING_HOURS, list[tuple[int, Any]]()
        ours = [event for event in record.get("events", ()) if event["did"] == did]
        for event in sorted(ours, key=lambda event: (event["at"], event["id"])):
            key, hour = (record["relay"], event.get("messageId"), event.get("recipient")), hour_of(event["at"])
            if event["kind"] not in OUTCOMES:
                found.append((hour, event))
                if event["kind"] == "accepted" and None not in key:
                    accepted[key] = max(accepted.get(key, hour), hour)
                    found += [(hour, late) for late in waiting.pop(key, ()) if hour_of(late["at"]) >= oldest]
            elif accepted.get(key, -1) >= oldest:  # an outcome counts in the hour of its message …
                found.append((accepted[key], event))
            elif None not in key:  # … once that is known
                waiting[key].append(event)
        yield record, [(hour, event, fate_of(event, codes)) for hour, event in found]


def policy_and_slate(log: str, did: str, until: str) -> tuple[str, int]:
    """The policy in force, and the hour from which on mail counts: a human's lift gives a clean slate."""
    policy, slate = "", 0
    for record in records(log, until):
        policy = record.get("text", policy)
        if record.get("did") == did and ADVERSE & {*record.get("negate", ())}:
            slate = hour_of(record["received"]) + 1
    return policy, slate


def fate_of(event: Any, codes: dict[str, str]) -> str:
    """What an event says of its recipient."""
    if event["kind"] != "bounced":
        return str(event["kind"])
    status = event.get("status", "")
    return codes.get(status, codes.get(status.rpartition(".")[0] + ".*", "bounced"))


def sealed(log: str, did: str, until: str) -> dict[int, tuple[int, bytes]]:
    """By hour: how many events count in it, and their running digest, record by record."""
    hours: dict[int, tuple[int, bytes]] = {}
    for record, found in counted(log, did, until):
        for hour in {hour for hour, _, _ in found}:
            ids = sorted(event["id"] for at, event, _ in found if at == hour)
            lines = [record["relay"], *(name.replace("\\", "\\\\").replace("\n", "\\n") for name in ids)]
            events, digest = hours.get(hour, (0, bytes(32)))
            said = "".join(f"{line}\n" for line in lines).encode()
            hours[hour] = (events + len(ids), sha256(digest + said).digest())
    return hours


def rate(metric: str, log: str, did: str, until: str, since: int) -> tuple[int, int] | None:
    """How many recipients met with what the metric is about, since that hour, and how many could; None for a metric
    that is no rate of recipients.
    """
    if metric not in RATES:
        return None
    met = [(event.get("recipient"), fate, hour) for _, found in counted(log, did, until) for hour, event, fate in found]
    failed, known = RATES[metric]
    known = known if any(fate == "delivered" for _, fate, _ in met) else {"accepted"}
    k, n = (len({who for who, fate, hour in met if who and fate in of and hour >= since}) for of in ({failed}, known))
    return k, max(k, n)


def tree(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 §2.1."""
    if len(leaves) < 2:
        return sha256(b"".join(b"\0" + leaf for leaf in leaves)).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


if __name__ == "__main__":
    for at, (number, running) in sorted(sealed(*sys.argv[1:4]).items()):
        print(at, number, running.hex())
