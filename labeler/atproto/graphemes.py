"""How many characters a reader sees, counted so that nothing a limit allows is refused (UAX #29).

Where the rules of Unicode differ from version to version, or need its tables, what might join its neighbour does: the
count may fall a little short of a segmenter's, and a length in bytes bounds the rest.
"""

import unicodedata
from typing import Final

_JOINED: Final = frozenset({"Mn", "Me", "Mc", "Cf"})  # marks, joiners, variation selectors, tags
_JOINER: Final = "\u200d"
_VIRAMA: Final = 9  # the combining class: the next consonant is part of the same cluster
_JAMO: Final = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7fb"))  # vowels and finals of a decomposed syllable
_SKIN: Final = ("\U0001f3fb", "\U0001f3ff")
_FLAG: Final = ("\U0001f1e6", "\U0001f1ff")  # two of them are one flag


def graphemes(text: str) -> int:
    """Count the characters of `text` as a reader would, never more than there are."""
    count = flags = 0
    before = ""
    for char in text:
        if _FLAG[0] <= char <= _FLAG[1]:
            flags += 1
        elif not _joins(before, char):
            count += 1
        before = char
    return count + (flags + 1) // 2


def _joins(before: str, char: str) -> bool:
    if unicodedata.category(char) in _JOINED or _SKIN[0] <= char <= _SKIN[1]:
        return True
    if before and (before == _JOINER or unicodedata.combining(before) == _VIRAMA or before + char == "\r\n"):
        return True
    return any(first <= char <= last for first, last in _JAMO)
