"""docs/CONFORMANCE.md: every row is held by a test or says why not, and the document shows what the markers say."""

import re

import pytest

from tests.conformance_table import DOCUMENT, LAST_ROW, ROOT, Marked, Row, filled, markers, proofs, rows

TEXT = DOCUMENT.read_text()
ROWS = rows(TEXT)
MARKED = markers()
IN_SCOPE = [*range(1, 238), *range(255, 265), *range(280, 292), *range(295, 313), *range(327, 339)]


def test_the_rows_in_scope_are_all_listed_in_order() -> None:
    assert [row.number for row in ROWS] == IN_SCOPE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_a_row_names_a_test_or_says_why_not(row: Row) -> None:
    """A test, a decision record, or `n/a:` with a reason of more than a word."""
    answered = "](adr/" in row.decision or re.fullmatch(r"n/a: .{12,}", row.decision)
    assert row.proof or answered, f"row {row.number} is held by nothing"


def test_every_named_test_exists() -> None:
    """Named as `file` or as `file::class::test`, and found there as it is written."""
    for row in ROWS:
        for name in re.findall(r"`([^`]+)`", row.proof):
            file, *inner = name.split("::")
            text = (ROOT / file).read_text()
            for part in inner:
                assert re.search(rf"(?m)^ *(async def|def|class) {part}\b", text), name


def test_markers_name_rows_there_are() -> None:
    for test, numbers in MARKED:
        assert numbers, test
        assert all(1 <= number <= LAST_ROW for number in numbers), test


def test_the_table_shows_what_the_markers_say() -> None:
    """If this fails: `make conformance-table`, and commit what it wrote."""
    assert filled(TEXT, proofs(MARKED)) == TEXT


def test_a_marker_that_moves_changes_the_table() -> None:
    """The comparison above can fail: one marker less is one test less in the table."""
    number = ROWS[0].number
    fewer = [Marked(test, tuple(each for each in numbers if each != number)) for test, numbers in MARKED]
    assert filled(TEXT, proofs(fewer)) != TEXT
