"""Hold one label's evidence against the input log, with none of the labeler's own code; exit code 1 if they differ.

python conformance/check_evidence.py EVIDENCE.json TELEMETRY.sqlite; the first is what `labeler explain --json` prints.
Taken as stated: how long a window is, what was excused, the conditions of a bar. The log must reach back far enough.
"""

import json
import sys
import tomllib
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import libipld
from member_events import policy_and_slate, rate, sealed, tree  # type: ignore[import-not-found]  # beside this file
from scipy.stats import binomtest


def check(answer: Any, log: str) -> list[tuple[str, Any, Any]]:
    """Compute all of it again; return what was compared: its name, as computed, as stated."""
    record, label = answer["evidence"], answer.get("label")
    of, now = (log, record["did"], record["at"]), int(datetime.fromisoformat(record["at"]).timestamp())
    (policy, slate), hours = policy_and_slate(*of), sealed(*of)
    content, address = sha256(libipld.encode_dag_cbor(record)), libipld.decode_cid(answer["evidenceCid"])
    compared: list[Any] = [("content address", content.hexdigest(), address["hash"]["digest"].hex())]
    compared.append(("policy", sha256(policy.encode()).hexdigest(), record.get("policy")))
    if label is not None:  # a newer one may have taken its place
        signed = (label["uri"], label["val"], label.get("neg", False))
        compared.append(("label", (record["did"], record["val"], record["change"] == "negate"), signed))
    for stated in record["findings"]:
        rule = next(rule for rule in tomllib.loads(policy)["rules"] if rule["id"] == stated["rule"])
        first, last = max((now - stated["windowSeconds"]) // 3600, slate), now // 3600
        within = {hour: hours[hour] for hour in sorted(hours) if first <= hour <= last}
        root = tree([f"{hour}:{events}:".encode() + digest for hour, (events, digest) in within.items()])
        ours = {"firstHour": first, "events": sum(events for events, _ in within.values()), "eventsRoot": root.hex()}
        ours |= numbers(rule, stated, rate(rule["metric"], *of, first))
        compared += [(f"{rule['id']} {name}", value, stated[name]) for name, value in ours.items()]
    return compared


def numbers(rule: Any, stated: Any, counted: tuple[int, int] | None) -> dict[str, Any]:
    """Hold k of n against the bar: the lower end of its interval (Wilson) must lie above it."""
    if counted is None:
        return {}
    k, n = (count - stated.get("excused", 0) for count in counted)
    bars = [rule[name] for name in ("throttle", "suspend") if name in rule]
    bar = next((bar for bar in bars if round(bar["above"] * 1e6) == stated["thresholdPpm"]), bars[0])
    lower = binomtest(k, n).proportion_ci(bar["confidence"], "wilson").low
    crossed = k >= bar["min_events"] and lower > bar["above"] and (stated["severity"] != "suspend" or bar is bars[-1])
    ppm = {"estimatePpm": k / n, "comparedPpm": lower, "thresholdPpm": bar["above"], "confidencePpm": bar["confidence"]}
    ours = {"k": k, "n": n, "minEvents": bar["min_events"]} | {name: round(share * 1e6) for name, share in ppm.items()}
    return ours | {"severity": stated["severity"] if crossed else "none"}


if __name__ == "__main__":
    results = check(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
    for what, ours, stated in results:
        print(f"✓ {what}: {ours}" if ours == stated else f"✗ {what}: the log says {ours}, the evidence {stated}")
    sys.exit(int(any(ours != stated for _, ours, stated in results)))
