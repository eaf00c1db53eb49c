"""Compute a label's evidence again from the log; exit 1 if anything differs. Imports nothing of the labeler's own.

`python conformance/check_evidence.py EVIDENCE.json TELEMETRY.sqlite`: what `labeler explain DID VAL --json` prints, and
the journal of telemetry. Counts are checked for rules on bounces (by the shipped policy's codes) and on complaints.
"""

import base64
import hashlib
import json
import sqlite3
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import libipld
import msgspec
from scipy.stats import binomtest

CODES = {f"5.1.{code}" for code in (1, 2, 3, 4, 6, 10)} | {"5.2.1", "5.7.13", "5.7.17", "5.7.18"}
BOUND = {"delivered", "bounced", "deferred", "complained", "unsubscribed", "trapHit"}
PARTS = {"invalid-recipient-rate": ("invalid", "reached"), "complaint-rate": ("complained", "delivered")}


def merkle(leaves: list[bytes]) -> bytes:
    """The root of RFC 6962 §2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


def counted(log: str, did: str, until: datetime) -> tuple[dict[int, Any], dict[str, dict[str, int]]]:
    """Count and digest of each hour, and the hour of acceptance in which each recipient was last seen as what."""
    accepted, waiting, hours = dict[Any, int](), dict[Any, Any](), dict[int, Any]()
    seen: dict[str, dict[str, int]] = {what: {} for parts in PARTS.values() for what in parts}
    for (body,) in sqlite3.connect(f"file:{log}?mode=ro", uri=True).execute(
        "SELECT body FROM record ORDER BY position"
    ):
        record, fresh = msgspec.msgpack.decode(body), dict[int, list[str]]()
        mine = [event for event in record.get("events", ()) if event["did"] == did and record["received"] <= until]
        for event in sorted(mine, key=lambda event: (event["at"], event["id"])):
            key = (record["relay"], event.get("messageId"), event.get("recipient"))
            hour, outcomes = int(event["at"].timestamp()) // 3600, [event]
            if event["kind"] not in BOUND:
                fresh.setdefault(hour, []).append(event["id"])
                outcomes = []
            if event["kind"] == "accepted":
                accepted[key], outcomes = hour, waiting.pop(key, [])
            for outcome in outcomes:
                if key not in accepted:
                    waiting.setdefault(key, []).append(outcome)
                    continue
                fresh.setdefault(accepted[key], []).append(outcome["id"])
                invalid = outcome["kind"] == "bounced" and outcome.get("status") in CODES
                kinds = {"delivered": ["delivered", "reached"], "complained": ["complained"]}
                for what in ["invalid", "reached"] if invalid else kinds.get(outcome["kind"], []):
                    seen[what][key[2]] = max(accepted[key], seen[what].get(key[2], 0))
        for hour, ids in fresh.items():
            number, digest = hours.get(hour, (0, bytes(32)))
            text = "\n".join([record["relay"], *sorted(ids), ""]).encode()
            hours[hour] = (number + len(ids), hashlib.sha256(digest + text).digest())
    return hours, seen


def main(evidence: str, log: str) -> int:
    """Print what is the same and what is not."""
    answer = json.loads(Path(evidence).read_text(encoding="utf-8"))
    record = answer["evidence"]
    hashed = hashlib.sha256(libipld.encode_dag_cbor(record)).digest()
    cid = "b" + base64.b32encode(b"\x01\x71\x12\x20" + hashed).decode().lower().rstrip("=")
    rows: list[tuple[str, object, object]] = [("cid", answer["evidenceCid"], cid)]
    hours, seen = counted(log, record["did"], datetime.fromisoformat(record["at"].replace("Z", "+00:00")))
    for finding in record["findings"]:
        inside = [(hour, *hours[hour]) for hour in sorted(hours) if finding["firstHour"] <= hour <= finding["lastHour"]]
        root = merkle([f"{hour}:{number}:".encode() + digest for hour, number, digest in inside]).hex()
        rows += [("root", finding["eventsRoot"], root), ("events", finding["events"], sum(row[1] for row in inside))]
        if finding["metric"] in PARTS:
            k, n = (sum(h >= finding["firstHour"] for h in seen[part].values()) for part in PARTS[finding["metric"]])
            low = binomtest(k, n).proportion_ci(finding["confidencePpm"] / 1e6, method="wilson").low
            rows += [
                ("k", finding["k"], k),
                ("n", finding["n"], n),
                ("bound", finding["comparedPpm"], round(low * 1e6)),
            ]
            crossed = k >= finding["minEvents"] and low * 1e6 > finding["thresholdPpm"]
            rows.append(("crossed", finding["severity"] != "none", bool(crossed)))
    for name, said, found in rows:
        print(
            f"{'same' if said == found else 'DIFFERENT'}: {name} {said}" + ("" if said == found else f", not {found}")
        )
    return int(any(said != found for _, said, found in rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
