"""Where the lexicons are read from, and what is said when they are missing."""

from pathlib import Path

import pytest

from labeler.errors import Misconfigured
from labeler.service import schema


def test_the_lexicons_of_this_checkout_load() -> None:
    lexicons = schema.load_lexicons()
    assert lexicons.kind("email.atmos.telemetry.submitEvents") == "procedure"
    assert lexicons.kind("com.atproto.label.subscribeLabels") == "subscription"


def test_the_first_place_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "here" / "x" / "y" / "z.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"lexicon": 1, "id": "x.y.z", "defs": {"main": {"type": "token"}}}')
    monkeypatch.setattr(schema, "PLACES", (tmp_path / "nowhere", tmp_path / "here"))
    assert [document["id"] for document in schema.load_documents()] == ["x.y.z"]


@pytest.mark.parametrize("made", [True, False])
def test_no_lexicons_at_all_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool) -> None:
    place = tmp_path / "lexicons"
    if made:
        place.mkdir()
    monkeypatch.setattr(schema, "PLACES", (place,))
    with pytest.raises(Misconfigured, match="installation is incomplete"):
        schema.load_lexicons()


@pytest.mark.parametrize("text", ["{", "\xff", "[]"])
def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "broken.json").write_text(text, encoding="latin-1")
    monkeypatch.setattr(schema, "PLACES", (tmp_path,))
    with pytest.raises(Misconfigured, match=r"broken\.json.*install the package again"):
        schema.load_documents()
