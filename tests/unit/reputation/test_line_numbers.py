"""Where a key stands in a TOML text."""

import tomllib

import pytest

from labeler.reputation.line_numbers import locate

TEXT = """\
# a comment = 1
name = "x"

[caps]  # [not.this]
hourly = 1

[labels.mail-throttled]
terms = ["1h"]

[abuse."urgency"]
'phishing' = "urgent"

[[rules]]
id = "a"
throttle = { above = 1, min_events = 2 }

[[rules]]
id = "b"
suspend.above = 3

[[rules.notes]]
by = "c"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("name", 2),
        ("caps", 4),
        ("caps.hourly", 5),
        ("caps.daily", 4),
        ("labels.mail-throttled", 7),
        ("labels.mail-throttled.terms", 8),
        ("labels.mail-throttled.terms[0]", 8),
        ("abuse.urgency.phishing", 11),
        ("rules[0]", 13),
        ("rules[0].id", 14),
        ("rules[0].throttle.above", 15),
        ("rules[0].suspend", 13),
        ("rules[1].id", 18),
        ("rules[1].suspend.above", 19),
        ("rules[1].suspend", 17),
    ],
)
def test_a_key_or_the_nearest_table_around_it_is_found(place: str, line: int) -> None:
    assert locate(TEXT, place) == line


@pytest.mark.parametrize("place", ["", "...", "labels", "guards.silence", "rules[2]", "rules", "Name"])
def test_what_is_not_there_is_not_named(place: str) -> None:
    assert locate(TEXT, place) is None


def test_the_examples_are_toml() -> None:
    assert len(tomllib.loads(TEXT)["rules"]) == 2


def test_every_table_of_the_policy_we_ship_is_found_where_it_stands(shipped: str) -> None:
    lines = shipped.splitlines()
    headers = [number for number, line in enumerate(lines, 1) if line.strip() == "[[rules]]"]
    assert [locate(shipped, f"rules[{index}]") for index in range(len(headers))] == headers
    for index, header in enumerate(headers):
        line = locate(shipped, f"rules[{index}].exit_below")
        assert line is not None
        assert line > header
        assert lines[line - 1].startswith("exit_below")
    silence = locate(shipped, "guards.silence")
    assert silence is not None
    assert lines[silence - 1].startswith("silence =")
