"""What a reader sees as one character counts once, however it is written."""

import pytest

from labeler.atproto.graphemes import graphemes


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301", 1),
        ("\u0301", 0),  # a mark with nothing under it
        ("a\r\nb\n\r", 5),
        ("👩‍👩‍👧‍👦", 1),
        ("👍🏽", 1),
        ("❤️", 1),
        ("🇩🇪🇫🇷", 2),
        ("🇩", 1),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 1),
        ("नमस्ते", 3),
        ("\u1112\u1161\u11ab", 1),
        ("한", 1),
    ],
)
@pytest.mark.row(257)
def test_a_character_is_what_a_reader_sees(text: str, seen: int) -> None:
    assert graphemes(text) == seen
