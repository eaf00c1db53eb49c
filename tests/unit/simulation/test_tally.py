"""Outcomes become counts, and counts are held against goals."""

import math

import pytest

from labeler.simulation.goals import NONE, Goal
from labeler.simulation.passage import Outcome
from labeler.simulation.populations import POPULATIONS
from labeler.simulation.tally import Check, Tally, Verdict


def outcome(throttled: int | None = None, suspended: int | None = None, transitions: int = 0) -> Outcome:
    return Outcome(1_000, throttled, suspended, transitions)


def verdicts(found: list[Outcome], goal: Goal, days: int = 30) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in Tally(found).checks(goal, days)}


def test_sends_are_those_by_which_so_many_members_were_stopped() -> None:
    tally = Tally([outcome(throttled) for throttled in (30, 10, None, 20)])
    assert tally.after(tally.throttled_after, 0.5) == 20
    assert tally.after(tally.throttled_after, 0.75) == 30
    assert tally.after(tally.throttled_after, 0.9) == math.inf
    assert tally.after(tally.suspended_after, 0.5) == math.inf
    assert (tally.throttled.k, tally.throttled.n, tally.throttled.value) == (3, 4, 0.75)


def test_of_no_members_nothing_is_known() -> None:
    tally = Tally([])
    assert tally.throttled.value == 0
    assert tally.throttled.interval == (0.0, 1.0)
    assert tally.after(tally.throttled_after, 0.5) == math.inf
    assert tally.changes_in(30) == 0


@pytest.mark.parametrize(
    ("stopped", "of", "verdict"),
    [(0, 2_000, Verdict.SURE), (0, 100, Verdict.MET), (2, 100, Verdict.OPEN), (10, 100, Verdict.MISSED)],
)
def test_a_false_throttle_goal_has_four_answers(stopped: int, of: int, verdict: Verdict) -> None:
    found = [outcome(1 if number < stopped else None) for number in range(of)]
    assert verdicts(found, Goal(false_throttle=0.01)) == {"false throttle": verdict}


def test_never_means_never() -> None:
    found = [outcome() for _ in range(50)]
    assert verdicts(found, Goal(false_suspend=0.0)) == {"false suspend": Verdict.MET}
    assert verdicts([*found, outcome(5, 5)], Goal(false_suspend=0.0)) == {"false suspend": Verdict.MISSED}


@pytest.mark.parametrize(
    ("soon", "late", "verdict"),
    [(80, 20, Verdict.SURE), (50, 50, Verdict.MET), (49, 51, Verdict.OPEN), (30, 70, Verdict.MISSED)],
)
def test_a_median_is_met_when_half_were_stopped_by_then(soon: int, late: int, verdict: Verdict) -> None:
    found = [outcome(15) for _ in range(soon)] + [outcome(16) for _ in range(late)]
    assert verdicts(found, Goal(median_throttle=15)) == {"half throttled": verdict}


def test_within_asks_it_of_nearly_all() -> None:
    goal = Goal(within_throttle=40, within_suspend=150)
    found = [outcome(20, 60) for _ in range(99)]
    assert set(verdicts([*found, outcome(41, None)], goal).values()) == {Verdict.MET}
    assert set(verdicts([outcome(41, None)] * 10, goal).values()) == {Verdict.MISSED}


@pytest.mark.parametrize(
    ("goal", "stopped", "n"), [(Goal(false_throttle=0.01), 2, 100), (Goal(median_throttle=15), 20, 50)]
)
def test_about_so_many_more_members_would_decide_what_is_open(goal: Goal, stopped: int, n: int) -> None:
    def checked(times: int) -> Check:
        found = [outcome(1 if number % n < stopped else None) for number in range(n * times)]
        (check,) = Tally(found).checks(goal, 30)
        return check

    check = checked(1)
    assert check.verdict is Verdict.OPEN
    times = (n + check.undecided) / n
    assert checked(math.floor(times / 2)).verdict is Verdict.OPEN
    assert checked(math.ceil(times * 2)).verdict is Verdict.MISSED
    assert checked(math.ceil(times * 2)).undecided == 0


def test_changes_are_held_as_a_mean_of_thirty_days() -> None:
    assert verdicts([outcome(transitions=0)] * 60 + [outcome(transitions=2)] * 40, Goal(transitions=1.0)) == {
        "changes of state": Verdict.SURE
    }
    assert verdicts([outcome(transitions=1)] * 20, Goal(transitions=1.0), 15) == {"changes of state": Verdict.MISSED}
    few = [outcome(transitions=0), outcome(transitions=4), outcome(transitions=1)]
    assert verdicts(few, Goal(transitions=1.0)) == {"changes of state": Verdict.OPEN}


def test_one_label_that_did_not_clear_breaks_the_promise() -> None:
    kept = [outcome(3)._replace(cleared=True)] * 30
    assert verdicts(kept, Goal(clears=True)) == {"clears": Verdict.MET}
    assert verdicts([*kept, outcome(3)._replace(cleared=False)], Goal(clears=True)) == {"clears": Verdict.MISSED}
    assert verdicts([outcome()], Goal(clears=True)) == {}


def test_goals_are_told_in_a_few_words() -> None:
    assert Goal(false_throttle=0.01, false_suspend=0.0002).text == "≤ 1 / ≤ 0.02 %"
    assert Goal(median_throttle=15, median_suspend=60).text == "half by 15 / 60 sends"
    assert Goal(false_suspend=0.0).text == "– / 0 %"
    assert Goal(transitions=1.0).text == "≤ 1 changes"
    assert NONE.text == ""
    assert all(population.goal.text or population.goal is NONE for population in POPULATIONS)
