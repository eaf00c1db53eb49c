"""Hold one label's evidence against the input log, with none of the labeler's own code.

python conformance/check_evidence.py EVIDENCE.json TELEMETRY.sqlite

EVIDENCE.json is an answer of getEvidence (`labeler explain --seq N --json`). Recomputed: its content address, the
policy in force, the Merkle root over the member's events; for rates of missing recipients and of complaints also k, n,
the lower end of the Wilson interval and whether the bar was crossed. Taken as stated: what an incident excused, and
the conditions of a bar. The log must reach back to where the window began. Exit code 1 if anything differs.
"""

import base64
import json
import math
import sqlite3
import sys
import tomllib
from collections import defaultdict
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import NormalDist
from typing import Any

import cbor2
import msgspec

OUTCOMES = {"delivered", "bounced", "deferred", "complained", "unsubscribed", "trapHit"}
RATES = {"invalid-recipient-rate": ("invalid", "reached"), "complaint-rate": ("complained", "delivered")}
FATES = {"accepted": ("addressed",), "delivered": ("delivered", "reached"), "complained": ("complained",)}
ADVERSE = {"mail-throttled", "mail-suspended", "mail-removed"}
BINDING_HOURS = 9 * 24
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def replay(path: str, did: str, until: datetime) -> tuple[dict[int, tuple[int, bytes]], Any, str, int]:
    """Read the log: by hour the number and running digest of the member's events, by fate each recipient's latest hour,
    the policy in force, and the epoch second from which on mail counts (a human's lift gives a clean slate).
    """
    sealed: dict[int, tuple[int, bytes]] = {}
    latest, accepted, policy, slate = defaultdict[str, Any](dict), dict[Any, int](), "", 0
    waiting = defaultdict[Any, list[Any]](list)  # outcomes of messages nobody has reported yet
    database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    for (body,) in database.execute("SELECT body FROM record ORDER BY position"):
        record, counted = msgspec.msgpack.decode(body), list[tuple[int, str]]()
        if record["received"] >= until + timedelta(milliseconds=1):
            break
        oldest = hour_of(record["received"]) - BINDING_HOURS
        policy = record.get("text", policy)
        if record.get("did") == did and ADVERSE & {*record.get("negate", ())}:
            slate = (hour_of(record["received"]) + 1) * 3600
        ours = [event for event in record.get("events", ()) if event["did"] == did]
        for event in sorted(ours, key=lambda event: (event["at"], event["id"])):
            key, hour = (record["relay"], event.get("messageId"), event.get("recipient")), hour_of(event["at"])
            counts = [(event, hour)]
            if event["kind"] in OUTCOMES:  # counts in the hour of its message, once that is known
                bound = accepted.get(key, -1) >= oldest
                counts = [(event, accepted[key])] if bound else []
                waiting[key] += [event] if not bound and None not in key else []
            elif event["kind"] == "accepted" and None not in key:
                accepted[key] = max(accepted.get(key, hour), hour)
                counts += [(outcome, hour) for outcome in waiting.pop(key, ()) if hour_of(outcome["at"]) >= oldest]
            for each, at in counts:
                counted.append((at, each["id"]))
                fates = ("invalid", "reached") if missing(policy, each) else FATES.get(each["kind"], ())
                for fate in fates if "recipient" in each else ():
                    latest[fate][each["recipient"]] = max(latest[fate].get(each["recipient"], at), at)
        for hour in {hour for hour, _ in counted}:
            ids = sorted(name for at, name in counted if at == hour)
            text = "".join(name.replace("\\", "\\\\").replace("\n", "\\n") + "\n" for name in ids)
            events, digest = sealed.get(hour, (0, bytes(32)))
            sealed[hour] = (events + len(ids), sha256(digest + f"{record['relay']}\n{text}".encode()).digest())
    return sealed, latest, policy, slate


def missing(policy: str, event: Any) -> bool:
    """Whether an event says that a recipient does not exist; an exact status code beats a star."""
    if event["kind"] != "bounced" or "status" not in event:
        return False
    lists = tomllib.loads(policy)["outcomes"]
    codes = (event["status"], event["status"].rpartition(".")[0] + ".*")
    named = next((code for code in codes if any(code in known for known in lists.values())), "")
    return named in lists["invalid_recipient"]


def tree(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 §2.1."""
    if len(leaves) < 2:
        return sha256(b"".join(b"\0" + leaf for leaf in leaves)).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def wilson(k: int, n: int, confidence: float) -> float:
    """Lower end of the two-sided score interval (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, z2n = k / n, z * z / n
    return (share + z2n / 2 - z * math.sqrt((share * (1 - share) + z2n / 4) / n)) / (1 + z2n)


def hour_of(moment: datetime) -> int:
    """Hours since the epoch."""
    return int(moment.timestamp()) // 3600


def ppm(share: float) -> int:
    """Parts per million."""
    return round(share * 1_000_000)


def check(answer: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Recompute a record; return what was compared, as computed and as stated."""
    record = answer["evidence"]
    at = datetime.fromisoformat(record["at"])
    sealed, latest, policy, slate = replay(path, record["did"], at)
    cid = b"\x01\x71\x12\x20" + sha256(cbor2.dumps(record, canonical=True)).digest()
    compared = [("content address", "b" + base64.b32encode(cid).decode().lower().rstrip("="), answer["evidenceCid"])]
    if "policy" in record:
        compared.append(("policy", sha256(policy.encode()).hexdigest(), record["policy"]))
    for stated in record["findings"]:
        rule = next(rule for rule in tomllib.loads(policy)["rules"] if rule["id"] == stated["rule"])
        window = int(rule["window"][:-1]) * SECONDS[rule["window"][-1]]
        first, last = max(int(at.timestamp()) - window, slate) // 3600, hour_of(at)
        within = [(hour, *sealed[hour]) for hour in sorted(sealed) if first <= hour <= last]
        root = tree([f"{hour}:{events}:".encode() + digest for hour, events, digest in within])
        ours = {"metric": rule["metric"], "firstHour": first, "lastHour": last, "eventsRoot": root.hex()}
        ours["events"] = sum(events for _, events, _ in within)
        if rule["metric"] in RATES:
            ours |= rate(rule, stated, latest, first)
        compared += [(f"{rule['id']} {name}", value, stated[name]) for name, value in ours.items()]
    return compared


def rate(rule: Any, stated: Any, latest: Any, first: int) -> dict[str, Any]:
    """Recompute a rate: distinct recipients that met with a fate in the window, held against the bar of the policy."""
    failed, known = RATES[rule["metric"]]
    fates = (failed, known if latest["delivered"] else "addressed")
    k, n = (sum(hour >= first for hour in latest[fate].values()) for fate in fates)
    k, n = k - stated.get("excused", 0), max(k, n) - stated.get("excused", 0)
    bars = [rule[name] for name in ("throttle", "suspend") if name in rule]
    bar = next((bar for bar in bars if ppm(bar["above"]) == stated["thresholdPpm"]), bars[0])
    lower = wilson(k, n, bar["confidence"])
    crossed = k >= bar["min_events"] and lower > bar["above"] and (stated["severity"] != "suspend" or bar is bars[-1])
    holds = k >= bars[0]["min_events"] and k / n >= rule["exit_below"]  # enough to keep a label, not to put it on
    right = holds if stated["severity"] == "none" else crossed
    ours = {"k": k, "n": n, "estimatePpm": ppm(k / n), "comparedPpm": ppm(lower), "minEvents": bar["min_events"]}
    ours |= {"thresholdPpm": ppm(bar["above"]), "confidencePpm": ppm(bar["confidence"])}
    return ours | {"severity": stated["severity"] if right else f"not {stated['severity']}"}


def main(evidence: str, telemetry: str) -> int:
    """Print what was compared; return the exit code."""
    compared = check(json.loads(Path(evidence).read_text()), telemetry)
    for what, ours, stated in compared:
        print(f"✓ {what}: {ours}" if ours == stated else f"✗ {what}: the log says {ours}, the evidence {stated}")
    return int(any(ours != stated for _, ours, stated in compared))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
