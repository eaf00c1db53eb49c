"""Finds and reads the lexicon files: inside the installed package, or in the checkout when working on it."""

import json
from pathlib import Path
from typing import Any

from labeler.atproto.lexicon import Lexicons
from labeler.errors import Misconfigured

_PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (_PACKAGE / "lexicons", _PACKAGE.parent / "lexicons")


def load_lexicons() -> Lexicons:
    """Read every lexicon; raises `Misconfigured` when there are none or one cannot be used."""
    return Lexicons(load_documents())


def load_documents() -> list[dict[str, Any]]:
    """Read the documents as parsed JSON, in order of their paths; raises `Misconfigured` as above."""
    folder = next((place for place in PLACES if place.is_dir()), None)
    files = sorted(folder.rglob("*.json")) if folder else []
    if not files:
        places = " or ".join(str(place) for place in PLACES)
        raise Misconfigured(f"no lexicons in {places}: the installation is incomplete, install the package again")
    return [_read(file) for file in files]


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file}: not readable as a lexicon ({error}); install the package again") from error
    if not isinstance(document, dict):
        raise Misconfigured(f"{file}: a lexicon is a JSON object; install the package again")
    return document
