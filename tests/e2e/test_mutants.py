"""A few of the mutations, drawn by a seed, are really tried; `make mutants` tries them all."""

import random

import pytest

from tests.mutants.running import Mutant, mutants, run

SEED = 4
SLICE = 4


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_mutants_of_a_seeded_slice_are_killed() -> None:
    chosen = random.Random(SEED).sample(mutants(), SLICE)
    assert {outcome.mutant.row: outcome.verdict for outcome in run(chosen, workers=2)} == {
        mutant.row: "killed" for mutant in chosen
    }


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_change_nothing_depends_on_survives() -> None:
    """The runner can say so: a mutation of a comment is noticed by nobody, and one of nowhere gets no verdict."""
    test = "tests/unit/atproto/test_cbor.py::test_a_sequence_is_items_back_to_back"
    idle = Mutant(120, "labeler/atproto/cbor.py", "# before int, which it is too", "# first", test)
    nowhere = Mutant(120, "labeler/atproto/cbor.py", "no such text", "", test)
    verdicts = [outcome.verdict for outcome in run([idle, nowhere], workers=1)]
    assert sorted(verdicts) == ["no such place in the file", "survived"]
