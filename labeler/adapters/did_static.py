"""DID documents out of a dictionary: the reference of the port, and what tests resolve with."""

import copy
from collections.abc import Mapping
from typing import Any

from labeler.errors import BadInput, Unavailable


class StaticDids:
    """`DidResolver` over documents given to it. What is put into `documents` later is found; `broken` finds nothing."""

    def __init__(self, documents: Mapping[str, dict[str, Any]] | None = None) -> None:
        self.documents: dict[str, dict[str, Any]] = dict(documents or {})
        self.broken = False
        self.asked: list[str] = []

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """Return a copy of the document, always of what is there now."""
        self.asked.append(did)
        if self.broken:
            raise Unavailable(f"{did} cannot be resolved now")
        document = self.documents.get(did)
        if document is None:
            raise BadInput(f"{did} has no DID document")
        if document.get("id") != did:
            raise BadInput(f"the document found for {did} is of another DID")
        return copy.deepcopy(document)
