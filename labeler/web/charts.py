"""Charts as SVG images of their own: drawn on the server, readable without scripts, in light and dark.

An image has its own styles, which the strict policy of the page around it does not reach; nothing in it runs or loads.
Beside every chart stands a table with the same numbers.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pygal
from pygal.style import Style

# It also leaves an import hook behind, for maps, of a form that Python 3.11 warns of and 3.12 passes over.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_GUIDES: Final = 4  # levels told apart, at most
_COLOURS: Final = {
    "relay-member": "#8fa3b8",
    "clean-sender": "#2e9e5b",
    "mail-throttled": "#e0a030",
    "mail-suspended": "#d9534f",
    "mail-removed": "#7d4bb3",
}
_LINES: Final = ("#2f7de1", "#c2410c")
_DARK: Final = """
@media (prefers-color-scheme: dark) {
  {{ id }}.background { fill: #182029 !important }
  {{ id }}.plot > .background { fill: #1c2530 !important }
  {{ id }}text { fill: #c9d2de !important }
  {{ id }}.guides .line, {{ id }}.guide.line { stroke: #3a4655 !important }
}
"""


class Size(NamedTuple):
    """How large a chart is, in pixels; how many dates stand below it, and how many names beside each other."""

    width: int
    height: int
    dates: int
    names: int


SIZES: Final = {"large": Size(960, 300, 6, 5), "small": Size(420, 300, 3, 2)}


class Line(NamedTuple):
    """One series: a value for each stretch that begins at one of the chart's moments; None where it is not known."""

    name: str
    values: Sequence[int | None]


class Band(NamedTuple):
    """A label in force from `start` to `end`."""

    name: str
    start: datetime
    end: datetime


def draw(
    title: str, starts: Sequence[datetime], width: timedelta, lines: Sequence[Line], bands: Sequence[Band], size: Size
) -> str:
    """Draw `lines` over stretches of time that begin at `starts` (UTC), with `bands` behind them; return SVG."""
    first, last = starts[0], starts[-1] + width
    levels = _levels(max(value or 0 for line in lines for value in line.values))
    top = float(levels[-1])
    names = dict.fromkeys(band.name for band in bands if band.start < last and band.end > first)
    chart = pygal.DateTimeLine(**_settings(title, size, [_COLOURS.get(name, "#888888") for name in names]))
    chart.range = (0, top)
    chart.y_labels = levels
    chart.xrange = (first.timestamp(), last.timestamp())
    chart.x_labels = [first + (last - first) * step / size.dates for step in range(size.dates + 1)]
    chart.x_value_formatter = lambda moment: moment.strftime("%d %b" if width >= timedelta(days=1) else "%a %Hh")
    for name in names:
        outline: list[tuple[datetime, float]] = []
        for band in (band for band in bands if band.name == name):
            start, end = max(band.start, first), min(band.end, last)
            if start < end:
                outline += [(start, 0.0), (start, top), (end, top), (end, 0.0)]
        chart.add(name, outline, fill=True)
    for line in lines:
        steps: list[tuple[datetime, float]] = []
        for start, value in zip(starts, line.values, strict=True):
            if value is not None:
                steps += [(start, float(value)), (start + width, float(value))]
        chart.add(line.name, steps, fill=True, stroke_style={"width": 2})
    return _still(chart)


def _levels(most: int) -> list[int]:
    """Round numbers from 0 to just above `most`, evenly apart."""
    step = 1
    while step * _GUIDES <= most:
        step = next(larger for larger in _rising(step) if larger > step)
    return list(range(0, most + step + 1, step))


def _rising(step: int) -> list[int]:
    """1, 2, 5, 10 times the power of ten that `step` lies in."""
    power = 10 ** (len(str(step)) - 1)
    return [power, 2 * power, 5 * power, 10 * power]


def _settings(title: str, size: Size, bands: list[str]) -> dict[str, Any]:
    style = Style(
        background="#ffffff",
        plot_background="#fbfcfd",
        foreground="#3c4757",
        foreground_strong="#1a2028",
        foreground_subtle="#566072",
        opacity=".28",
        opacity_hover=".4",
        transition="0s",
        font_family="system-ui, sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=13,
        title_font_size=15,
        value_font_size=12,
        guide_stroke_color="#d8dde5",
        major_guide_stroke_color="#d8dde5",
        colors=(*bands, *_LINES),
    )
    return {
        "title": title,
        "style": style,
        "css": ("file://style.css", "file://graph.css", f"inline:{_DARK}"),
        "js": (),
        "width": size.width,
        "height": size.height,
        "show_dots": False,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": size.names,
        "legend_box_size": 12,
        "truncate_legend": -1,
        "show_x_guides": False,
        "x_label_rotation": 0,
        "value_formatter": lambda value: f"{round(value):,}".replace(",", " "),
        "order_min": 0,
        "margin": 12,
        "margin_right": 26,
        "margin_bottom": 30,
        "disable_xml_declaration": True,
    }


def _still(chart: Any) -> str:
    """The drawing without the scripts that the library puts in for browsers that run them."""
    tree = chart.render_tree()
    for parent in list(tree.iter()):
        for child in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(child)
    return str(pygal.etree.etree.tostring(tree, encoding="unicode"))


def utc(hour: int) -> datetime:
    """The moment an hour since the epoch begins."""
    return datetime.fromtimestamp(hour * 3600, UTC)
