"""Frames of the label stream: written like the reference, read strictly, the future passed over."""

import json
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto import cbor
from labeler.atproto.frames import (
    MAX_SEQ,
    ErrorFrame,
    InfoFrame,
    LabelsFrame,
    decode_frame,
    error_frame,
    info_frame,
    labels_frame,
)
from labeler.atproto.label import Label
from labeler.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors"
FILE = json.loads((VECTORS / "frames.json").read_text())
FRAMES: dict[str, dict[str, Any]] = {frame["id"]: frame for frame in FILE["frames"]}
CONSTANTS = {constant["id"]: bytes.fromhex(constant["hex"]) for constant in FILE["constants"]}
INVALID = json.loads((VECTORS / "invalid.json").read_text())["frames"]

SIGNED: dict[str, Any] = FRAMES["labels-one"]["payload"]["labels"][0]
LABEL = Label.from_json(SIGNED)


def frame(header: object, *payloads: object) -> bytes:
    return b"".join(map(cbor.encode, (header, *payloads)))


def expected(payload: dict[str, Any], operation: int) -> LabelsFrame | InfoFrame | ErrorFrame:
    if operation == -1:
        return ErrorFrame(payload["error"], payload.get("message"))
    if "labels" in payload:
        return LabelsFrame(payload["seq"], tuple(map(Label.from_json, payload["labels"])))
    return InfoFrame(payload["name"], payload.get("message"))


def test_the_vectors_are_all_there() -> None:
    """A selection that came out empty would prove nothing."""
    verdicts = [item["expect"] for item in FRAMES.values()]
    assert (verdicts.count("accept"), verdicts.count("ignore-frame"), len(verdicts)) == (28, 2, 30)
    verdicts = [item["expect"] for item in INVALID]
    assert (verdicts.count("reject"), verdicts.count("producer-must-not-emit"), len(verdicts)) == (35, 5, 40)


@pytest.mark.parametrize("name", [name for name, item in FRAMES.items() if "payload" in item])
@pytest.mark.row(120, 121, 123, 124, 125)
def test_a_frame_of_the_reference_is_read(name: str) -> None:
    """Rows 120 to 125: what the frame says is what the vector says it says."""
    item = FRAMES[name]
    assert item["expect"] == "accept"
    assert decode_frame(bytes.fromhex(item["hex"])) == expected(item["payload"], item["header"]["op"])


@pytest.mark.row(156)
def test_an_unknown_field_of_the_header_is_passed_over() -> None:
    assert decode_frame(bytes.fromhex(FRAMES["extra-header-field"]["hex"])) == LabelsFrame(42, ())


@pytest.mark.parametrize("name", [name for name, item in FRAMES.items() if item["expect"] == "ignore-frame"])
@pytest.mark.row(156, 338)
def test_a_frame_of_the_future_is_ignored(name: str) -> None:
    """Row 156: unknown `op` or `t` is no error."""
    assert decode_frame(bytes.fromhex(FRAMES[name]["hex"])) is None


@pytest.mark.parametrize(
    "name", [name for name, item in FRAMES.items() if len(item.get("payload", {}).get("labels", ())) == 1]
)
@pytest.mark.row(38, 120, 121, 123)
def test_a_label_is_framed_as_the_reference_does(name: str) -> None:
    """Rows 38 and 121 to 123: header, order of keys, width of seq."""
    item = FRAMES[name]
    label = Label.from_json(item["payload"]["labels"][0])
    assert labels_frame(item["payload"]["seq"], label.to_bytes()).hex() == item["hex"]


@pytest.mark.parametrize("name", [name for name in FRAMES if name.startswith(("info-", "error-"))])
@pytest.mark.row(38, 124, 125)
def test_infos_and_errors_are_framed_as_the_reference_does(name: str) -> None:
    """Rows 124, 125 and 127."""
    item = FRAMES[name]
    said = item["payload"]
    made = error_frame(said["error"], said.get("message")) if "error" in said else info_frame(**said)
    assert made.hex() == item["hex"]


@pytest.mark.row(38, 121)
def test_headers_are_the_constants_of_the_protocol() -> None:
    assert labels_frame(1, b"").startswith(CONSTANTS["header-labels"])
    assert info_frame("OutdatedCursor").startswith(CONSTANTS["header-info"])
    assert error_frame("FutureCursor") == CONSTANTS["header-error"] + CONSTANTS["error-FutureCursor-nomsg-payload"]


@pytest.mark.parametrize("item", [item for item in INVALID if item["expect"] == "reject"], ids=lambda item: item["id"])
@pytest.mark.row(38, 120, 156)
def test_a_broken_frame_is_refused(item: dict[str, Any]) -> None:
    """Rows 39 to 41, 120 to 125 and 137."""
    with pytest.raises(BadInput):
        decode_frame(bytes.fromhex(item["hex"]))


@pytest.mark.parametrize(
    "item", [item for item in INVALID if item["expect"] == "producer-must-not-emit"], ids=lambda item: item["id"]
)
@pytest.mark.row(122)
def test_what_we_never_write_does_not_break_a_reader(item: dict[str, Any]) -> None:
    """Rows 121, 122 and 125: an odd `t` is ignored, superfluous fields are passed over."""
    read = decode_frame(bytes.fromhex(item["hex"]))
    if item["id"].startswith("frame-header-t-"):
        assert read is None
    elif item["id"] == "frame-payload-with-$type":
        assert read == LabelsFrame(1, (LABEL,))
    else:
        assert isinstance(read, ErrorFrame)
        assert read.error.removeprefix("#") == "FutureCursor"


@pytest.mark.parametrize("seq", [0, -1, MAX_SEQ + 1])
@pytest.mark.row(137)
def test_no_frame_is_made_with_a_seq_outside_the_protocol(seq: int) -> None:
    """Row 137: positive and below 2^53."""
    with pytest.raises(BadInput, match="seq"):
        labels_frame(seq, LABEL.to_bytes())


@pytest.mark.parametrize("seq", [1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, MAX_SEQ])
def test_a_frame_reads_back(seq: int) -> None:
    assert decode_frame(labels_frame(seq, LABEL.to_bytes())) == LabelsFrame(seq, (LABEL,))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        frame({"op": 1, "t": "#labels"}),
        frame({"op": 1, "t": "#labels"}, {"seq": 1, "labels": []}, {}),
        frame("op", {}),
        frame({"t": "#labels"}, {"seq": 1, "labels": []}),
        frame({"op": True, "t": "#labels"}, {"seq": 1, "labels": []}),
        frame({"op": None, "t": "#labels"}, {"seq": 1, "labels": []}),
        frame({"op": 1}, {"seq": 1, "labels": []}),
        frame({"op": 1, "t": 1}, {"seq": 1, "labels": []}),
        frame({"op": 1, "t": "#labels"}, {"seq": True, "labels": []}),
        frame({"op": 1, "t": "#labels"}, {"seq": 1, "labels": None}),
        frame({"op": 1, "t": "#labels"}, {"seq": 1, "labels": ["label"]}),
        frame({"op": 1, "t": "#info"}, {}),
        frame({"op": 1, "t": "#info"}, []),
        frame({"op": 1, "t": "#info"}, {"name": "OutdatedCursor", "message": 1}),
        frame({"op": 1, "t": "#info"}, {"name": "OutdatedCursor", "message": None}),
        frame({"op": -1}, {"message": "no name"}),
        frame({"op": -1}, "FutureCursor"),
    ],
    ids=lambda raw: raw.hex()[:40],
)
@pytest.mark.row(120)
def test_framing_is_all_or_nothing(raw: bytes) -> None:
    with pytest.raises(BadInput, match=r"frame|label"):
        decode_frame(raw)


def test_a_frame_cut_short_anywhere_is_refused() -> None:
    raw = labels_frame(1, LABEL.to_bytes())
    for end in range(len(raw)):
        with pytest.raises(BadInput):
            decode_frame(raw[:end])


def labels_of_many_kinds() -> bytes:
    good = LABEL.to_map()
    unsigned = LABEL.unsigned()
    return frame({"op": 1, "t": "#labels"}, {"seq": 7, "labels": [good, good | {"ver": 2}, unsigned, good]})


def test_a_label_of_another_version_is_set_aside() -> None:
    """Row 2: it is never read as version 1, and the labels beside it are."""
    good = LABEL.to_map()
    raw = frame({"op": 1, "t": "#labels"}, {"seq": 7, "labels": [good | {"ver": 2}, good]})
    assert decode_frame(raw) == LabelsFrame(7, (LABEL,), ("label: ver is not 1",))


def test_a_malformed_label_breaks_the_frame_unless_the_reader_is_tolerant() -> None:
    """One bad label of a labeler must not hold up its whole stream for good; the reader decides."""
    with pytest.raises(BadInput, match="sig"):
        decode_frame(labels_of_many_kinds())
    read = decode_frame(labels_of_many_kinds(), tolerant=True)
    assert read == LabelsFrame(7, (LABEL, LABEL), ("label: ver is not 1", "label: sig is missing or not bytes"))


@pytest.mark.row(156)
def test_unknown_fields_of_a_payload_are_passed_over_links_included() -> None:
    link = cbor.Link(b"\x01\x71\x12\x20" + bytes(32))
    raw = frame({"op": 1, "t": "#labels"}, {"seq": 1, "labels": [LABEL.to_map() | {"because": link}], "also": link})
    assert decode_frame(raw) == LabelsFrame(1, (LABEL,))
