"""Charts: what is drawn, at which size, and that nothing in them runs."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from labeler.web.charts import SIZES, Band, Line, _levels, draw, utc

DAY = timedelta(days=1)
STARTS = [datetime(2026, 3, 1, tzinfo=UTC) + number * DAY for number in range(30)]


def drawn(lines: list[Line], bands: list[Band] | None = None, size: str = "large") -> str:
    return draw("Messages <sent> & more", STARTS, DAY, lines, bands or [], SIZES[size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [[0] * 30, [None] * 30, [1, None] * 15, [10**9] * 30, list(range(30))])
def test_it_is_sound_xml_without_scripts(size: str, values: list[int | None]) -> None:
    tree = ET.fromstring(drawn([Line("sent", values)], size=size))
    assert tree.tag.endswith("svg")
    assert not [each for each in tree.iter() if str(each.tag).endswith("script")]
    assert tree.attrib["viewBox"] == f"0 0 {SIZES[size].width} {SIZES[size].height}"


def test_names_are_text_and_bands_are_named() -> None:
    text = drawn(
        [Line("<b>", [1] * 30)],
        [
            Band("mail-suspended", STARTS[3], STARTS[5]),
            Band("mail-suspended", STARTS[8], STARTS[9]),
            Band("mail-throttled", STARTS[0] - 9 * DAY, STARTS[0] - DAY),
            Band("mail-removed", STARTS[29], STARTS[29] + 99 * DAY),
        ],
    )
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "Messages &lt;sent&gt; &amp; more" in text
    assert "mail-suspended" in text
    assert "mail-removed" in text
    assert "mail-throttled" not in text  # it was over before


def test_dark_is_drawn_as_well() -> None:
    assert "prefers-color-scheme" in drawn([Line("sent", [1] * 30)])


@pytest.mark.parametrize(
    ("most", "levels"),
    [
        (0, [0, 1]),
        (1, [0, 1, 2]),
        (3, [0, 1, 2, 3, 4]),
        (4, [0, 2, 4, 6]),
        (39, [0, 10, 20, 30, 40]),
        (40, [0, 20, 40, 60]),
        (999, [0, 500, 1000]),
        (12_345, [0, 5000, 10_000, 15_000]),
    ],
)
def test_levels_are_round_and_few(most: int, levels: list[int]) -> None:
    assert _levels(most) == levels


def test_levels_hold_whatever_was_counted() -> None:
    for most in [*range(2_000), 10**6, 10**9 + 1]:
        levels = _levels(most)
        assert levels[0] == 0
        assert most < levels[-1]
        assert 2 <= len(levels) <= 6


def test_an_hour_is_a_moment() -> None:
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)
