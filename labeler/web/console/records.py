"""What is only read: the policy in force and what it means, and the audit chain."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from labeler.reputation.consequences import VOLUMES, AtVolume, at_volumes, describe
from labeler.reputation.policy import Policy
from labeler.reputation.statements import tell_rule
from labeler.service.labeler import Labeler
from labeler.web.console.gate import Gate, Visit
from labeler.web.console.words import tell
from labeler.web.site import Route

ENTRIES: Final = 50
ABOUT_CHARS: Final = 2_048
_DIGITS: Final = 15


class Records:
    """The pages."""

    def __init__(self, gate: Gate, labeler: Labeler) -> None:
        self._gate = gate
        self._labeler = labeler
        self._read: tuple[str, Mapping[str, Any]] | None = None  # of the policy of that hash, what it comes to

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("GET", "/console/policy", self._gate.seeing(self._policy)),
            Route("GET", "/console/audit", self._gate.seeing(self._audit)),
        ]

    async def _policy(self, visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        labeler = self._labeler
        policy, written = labeler.judge.enacted, labeler.ingest.policy
        if policy is not None and (self._read is None or self._read[0] != policy.hash):
            # Boundaries are searched for: too long to do it between two requests.
            self._read = policy.hash, await asyncio.to_thread(_come_to, policy)
        return self._gate.show(
            visit,
            "policy.html",
            here="policy",
            policy=policy,
            written=written,
            read=self._read[1] if self._read is not None else None,
            volumes=VOLUMES,
            canary=labeler.canary is not None,
            disagreements=_samples(labeler.metrics.canary_disagreements),
            shadowed=_samples(labeler.metrics.shadow),
            automation=labeler.judge.automation,
        )

    async def _audit(self, visit: Visit, _: Mapping[str, str]) -> web.StreamResponse:
        labels, query = self._labeler.labels, visit.request.query
        about = query.get("about", "").strip()[:ABOUT_CHARS]
        head = await labels.audit_head()
        before = _number(query.get("before"), head.n + 1)
        if about:
            after = _number(query.get("after"), 0)
            links = list(await labels.audit(after, ENTRIES + 1, about))
            older, newer = None, links[ENTRIES - 1].n if len(links) > ENTRIES else None
            links = links[:ENTRIES]
        else:
            first = max(0, before - 1 - ENTRIES)
            links = list(await labels.audit(first, before - 1 - first)) if before > 1 else []
            older, newer = (first + 1 if first else None), None
            links.reverse()
        words = self._labeler.history.words
        rows = [(link, entry := link.entry, tell(entry, words.get(entry.body.get("position", 0)))) for link in links]
        return self._gate.show(
            visit, "audit.html", here="audit", head=head, rows=rows, about=about, older=older, newer=newer
        )


def _come_to(policy: Policy) -> Mapping[str, Any]:
    """What the policy says in words, and what it means for members of different size."""
    return {
        "rules": [
            (rule, tell_rule(rule), [_at_volume(needed) for needed in at_volumes(rule)]) for rule in policy.rules
        ],
        "besides": [told for told in describe(policy) if not told.place.startswith("rules.")],
    }


def _at_volume(needed: AtVolume) -> str:
    counts = " / ".join(str(count) for count in (needed.throttle, needed.suspend) if count)
    return f"{counts} of {needed.n}" if counts and needed.n else counts or "–"


def _samples(metric: Any) -> list[tuple[Mapping[str, str], int]]:
    """The labelled values of a metric that are not nought."""
    found = [sample for family in metric.collect() for sample in family.samples if not sample.name.endswith("_created")]
    return [(sample.labels, int(sample.value)) for sample in found if sample.value]


def _number(text: str | None, otherwise: int) -> int:
    good = text and text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return min(int(text), otherwise) if good and text and otherwise else int(text) if good and text else otherwise
