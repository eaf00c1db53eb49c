"""A month of mail is drawn as told: so many a day, in order, to a new recipient each, with the rates given."""

import numpy as np
import pytest

from labeler.reputation.policy import Caps
from labeler.simulation.mail import DAY_S, Fate, addressed, agreed, joined, moment, steady
from labeler.simulation.mixes import CONSUMERS
from tests.unit.simulation.conftest import mail


def test_every_day_has_its_volume_and_time_never_runs_back() -> None:
    at = steady(np.random.default_rng(1), 40, 12)
    assert np.bincount(at // DAY_S).tolist() == [40] * 12
    assert (np.diff(at) >= 0).all()


def test_a_rate_may_be_one_for_each_day() -> None:
    at = steady(np.random.default_rng(1), 2_000, 3)
    drawn = addressed(np.random.default_rng(2), at, CONSUMERS, np.array([0.0, 0.5, 0.02]), Fate.COMPLAINED)
    rates = [np.mean(drawn.fate[at // DAY_S == day] == Fate.COMPLAINED) for day in range(3)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.5, abs=0.05)
    assert rates[2] == pytest.approx(0.02, abs=0.012)
    assert len(set(drawn.recipient.tolist())) == drawn.size


def test_streams_are_joined_by_time() -> None:
    both = joined(mail([10, 30], [Fate.INVALID, Fate.DELIVERED]), mail([20]))
    assert both.at.tolist() == [10, 20, 30]
    assert both.fate.tolist() == [Fate.INVALID, Fate.DELIVERED, Fate.DELIVERED]
    assert both.recipient.tolist() == [0, 0, 1]


def test_caps_leave_twice_the_busiest_hour_and_day() -> None:
    at = np.array([0] * 60 + [DAY_S] * 500)
    assert agreed(at, Caps(hourly=100, daily=1_000)) == Caps(hourly=1_000, daily=1_000)
    assert agreed(np.array([], dtype=np.int64), Caps(hourly=100, daily=1_000)) == Caps(hourly=100, daily=1_000)


def test_the_start_is_a_monday_at_midnight() -> None:
    assert moment(0).strftime("%a %H:%M") == "Mon 00:00"
    assert moment(DAY_S + 1).second == 1
