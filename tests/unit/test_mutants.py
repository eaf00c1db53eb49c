"""The mutations stand as declared: drawn as the seed says, each with one place in the code and a test for its row."""

import pytest

from tests.conformance_table import DOCUMENT, ROOT, markers, proofs, rows
from tests.mutants.running import Mutant, declared, drawn, mutants

DECLARED = declared()
PASSED = {int(number): reason for number, reason in DECLARED["passed"].items()}
MUTANTS = mutants()
PROOFS = proofs(markers())


def test_the_rows_are_the_first_of_the_draw() -> None:
    """Nobody picked the rows that are easy to break: they come in the order of the seed, but for those passed over."""
    order = [number for number in drawn(DECLARED["seed"], DECLARED["later"]) if number not in PASSED]
    assert [mutant.row for mutant in MUTANTS][: DECLARED["count"]] == order[: DECLARED["count"]]
    assert len(MUTANTS) >= DECLARED["count"] >= 40


def test_only_rows_without_code_are_passed_over() -> None:
    decisions = {row.number: row.decision for row in rows(DOCUMENT.read_text())}
    for number, reason in PASSED.items():
        assert reason
        assert decisions[number].startswith("n/a: "), number


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.row))
def test_a_mutation_has_one_place_and_its_test_proves_its_row(mutant: Mutant) -> None:
    """Code that moved takes its mutation along, and the test that must fail is one that names the row."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert mutant.test in PROOFS.get(mutant.row, ())
    assert not mutant.file.startswith("tests/")
