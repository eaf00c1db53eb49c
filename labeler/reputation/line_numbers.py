"""Where a key stands in a TOML text, so that an error can name the line.

The TOML readers of the field tell no positions once a document is read; this walks the headers and keys of the text
again. It serves messages only: what it cannot find it does not name.
"""

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def locate(text: str, place: str) -> int | None:
    """The line, from 1, of `place` (`rules[2].throttle.above`), or of the nearest table around it; None if unknown."""
    wanted = [name or int(number) for name, number in _STEP.findall(place)]
    if not wanted:
        return None
    best, depth = None, 0
    for line, path in _paths(text):
        agreed = 0
        for ours, theirs in zip(path, wanted, strict=False):
            if ours != theirs:
                break
            agreed += 1
        if agreed == len(path) and agreed > depth:
            best, depth = line, agreed
    return best


def _paths(text: str) -> list[tuple[int, list[str | int]]]:
    """Every header and key with its full path."""
    table: list[str | int] = []
    counts: dict[str, int] = {}
    found: list[tuple[int, list[str | int]]] = []
    for line, content in enumerate(text.splitlines(), 1):
        header = _HEADER.match(content)
        if header is not None:
            name = _plain(header[2])
            table = list(name)
            if header[1] == "[[":
                joined = ".".join(name)
                counts[joined] = counts.get(joined, -1) + 1
                table.append(counts[joined])
            found.append((line, list(table)))
            continue
        key = _KEY.match(content)
        if key is not None:
            found.append((line, [*table, *_plain(key[1])]))
    return found


def _plain(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
