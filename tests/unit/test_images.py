"""The pictures of the documentation."""

from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
MAX_BYTES = 300 * 1024
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("image", sorted(IMAGES.glob("*")), ids=lambda image: image.name)
def test_a_picture_is_a_small_png(image: Path) -> None:
    raw = image.read_bytes()
    assert image.suffix == ".png"
    assert raw.startswith(PNG)
    assert len(raw) <= MAX_BYTES
