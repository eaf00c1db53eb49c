"""What the audit chain notes of the configuration: at the start, what is otherwise than it was at the one before.

Every value stands as its JSON text, so that nothing of it depends on what a chain can hold (there are no floats).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from labeler.moderation.audit import LABELER, AuditEntry

SETTING: Final = "setting"


def setting_entry(described: Mapping[str, Any], entries: Iterable[AuditEntry], at: str) -> AuditEntry | None:
    """What is noted of the effective settings `described` (a JSON tree without secrets), None when nothing changed.

    `entries`: those about the labeler, in order; what their settings add up to is what held before.
    """
    before: dict[str, str] = {}
    for entry in entries:
        if entry.kind == SETTING:
            before |= entry.body["set"]
            before = {key: value for key, value in before.items() if key not in entry.body["unset"]}
    after = dict(_leaves(described))
    if after == before:
        return None
    body = {
        "sha256": hashlib.sha256(json.dumps(after, sort_keys=True).encode()).hexdigest(),
        "set": {key: value for key, value in after.items() if before.get(key) != value},
        "unset": sorted(before.keys() - after.keys()),
    }
    return AuditEntry(SETTING, at, LABELER, LABELER, body)


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value with its key, such as `limits.batch_bytes` or `relays[0].did`."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list | tuple) and tree:
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, json.dumps(tree, ensure_ascii=False)
