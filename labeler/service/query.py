"""`com.atproto.label.queryLabels`: the labels in force, by pattern, page by page.

A pattern is an exact uri, or a plain string prefix followed by `*`. Negations are among the answers (mirrors need
them), superseded and expired labels are not. The cursor is opaque to clients and decimal to us.
"""

import re
from typing import Any, Final

from labeler.errors import BadInput
from labeler.ports import Clock, LabelLog, LabelQuery
from labeler.service.http import Call

MAX_PATTERNS: Final = 100
MAX_PATTERN_BYTES: Final = 8 * 1024 + 1  # a uri, which is at most 8 KiB (label spec §Schema), and the star
DEFAULT_LIMIT: Final = 50

_CURSOR: Final = re.compile(r"[0-9]{1,16}", re.ASCII)


class Labels:
    """The method over a label log of one source."""

    def __init__(self, labels: LabelLog, clock: Clock, src: str) -> None:
        self._labels = labels
        self._clock = clock
        self._src = src

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer one page; raises `BadInput` on a bad pattern or cursor, `Unavailable`."""
        params = call.params
        exact, prefixes = read_patterns(params["uriPatterns"])
        after = read_cursor(params.get("cursor"))
        limit = params.get("limit", DEFAULT_LIMIT)
        sources = params.get("sources")
        if sources is not None and self._src not in sources:
            return {"labels": []}
        query = LabelQuery(exact, prefixes, after, limit + 1, self._clock.now())  # one more, to know whether it ends
        found = await self._labels.find(query)
        answer: dict[str, Any] = {"labels": [sequenced.label.to_json() for sequenced in found[:limit]]}
        if len(found) > limit:
            answer["cursor"] = str(found[limit - 1].seq)
        return answer


def read_patterns(patterns: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sort patterns into exact uris and prefixes, each once; raises `BadInput`."""
    if len(patterns) > MAX_PATTERNS:
        raise BadInput(f"uriPatterns: at most {MAX_PATTERNS} are answered at once.")
    exact: dict[str, None] = {}
    prefixes: dict[str, None] = {}
    for pattern in patterns:
        if len(pattern.encode()) > MAX_PATTERN_BYTES:
            raise BadInput(f"uriPatterns: a pattern is at most {MAX_PATTERN_BYTES} bytes long.")
        head, star, rest = pattern.partition("*")
        if rest:
            raise BadInput(f"invalid pattern: {pattern[:200]}")
        (prefixes if star else exact)[head] = None
    if "" in prefixes:
        return (), ("",)  # everything: the others add nothing
    return tuple(exact), tuple(prefixes)


def read_cursor(cursor: str | None) -> int:
    """Read our own cursor back, 0 where there is none; raises `BadInput`."""
    if cursor is None:
        return 0
    if not _CURSOR.fullmatch(cursor):
        raise BadInput("invalid cursor")
    return int(cursor)
