"""What the populations do, seen in the mail they mean to send."""

import itertools

import numpy as np
import pytest

from labeler.simulation import behaviours
from labeler.simulation.behaviours import Behaviour
from labeler.simulation.mail import Fate, Mail, Reaction, Script
from tests.unit.simulation.conftest import CAPS, DAY, HOUR


def drawn(behaviour: Behaviour, volume: int, days: int = 30, seed: int = 1) -> Script:
    (script,) = behaviour(np.random.default_rng(seed), volume, days, CAPS)
    return script


def rates(mail: Mail, days: int = 30) -> list[float]:
    """The share of invalid recipients, day by day."""
    return [float(np.mean(mail.fate[mail.at // DAY == day] == Fate.INVALID)) for day in range(days)]


@pytest.mark.parametrize("seed", range(5))
def test_bad_days_come_after_a_week_and_ten_days_apart(seed: int) -> None:
    daily = rates(drawn(behaviours.has_bad_days(0.02), 2_000, seed=seed).mail)
    bad = [day for day, rate in enumerate(daily) if rate > 0.07]
    assert len(bad) == 2
    assert bad[0] >= 7
    assert bad[1] - bad[0] >= 10
    assert np.mean([daily[day] for day in bad]) == pytest.approx(0.12, abs=0.03)


def test_no_bad_day_falls_into_a_run_of_a_week() -> None:
    assert max(rates(drawn(behaviours.has_bad_days(0.02), 2_000, days=7).mail, 7)) < 0.05


def test_a_newcomer_has_its_bad_day_in_the_first_week_and_stops_there() -> None:
    script = drawn(behaviours.begins_badly(0.02, warms_up_below=20), 2_000)
    assert sum(rate > 0.07 for rate in rates(script.mail, 7)) == 1
    assert script.mail.at.max() < 7 * DAY
    assert script.tier == "established"
    assert drawn(behaviours.begins_badly(0.02, warms_up_below=20), 10).tier == "new"


def test_newcomers_do_either_of_what_their_standing_names() -> None:
    behaviour = behaviours.begins_badly(0.02, warms_up_below=20)
    reactions = {drawn(behaviour, 10, seed=seed).at_a_throttle for seed in range(20)}
    assert reactions == {Reaction.DELIVER, Reaction.KEEP_SILENT}


def test_campaigns_vary_more_than_chance_does() -> None:
    spread = np.std(rates(drawn(behaviours.has_campaigns(0.02, 0.02), 5_000).mail))
    assert spread > 3 * np.std(rates(drawn(behaviours.sends(0.02), 5_000).mail))


def test_a_weekly_letter_goes_to_the_same_people_but_those_who_bounced() -> None:
    mail = drawn(behaviours.writes_weekly(0.05, 0.01, burst_h=2), 100).mail
    issues = [mail.recipient[mail.at // DAY == day] for day in sorted(set((mail.at // DAY).tolist()))]
    assert len(issues) == 4 or len(issues) == 5
    for earlier, later in itertools.pairwise(issues):
        assert len(later) == 700
        assert len(set(earlier) & set(later)) > 600
    dead = set(mail.recipient[mail.fate == Fate.INVALID].tolist())
    for recipient in dead:
        fates = mail.fate[mail.recipient == recipient].tolist()
        assert fates.index(Fate.INVALID) == len(fates) - 1
    hours = np.bincount(mail.at // HOUR)
    assert (hours > 0).sum() <= 3 * len(issues)


def test_a_run_without_an_issue_has_no_mail() -> None:
    assert {drawn(behaviours.writes_weekly(0.05, 0.01, burst_h=2), 10, 1, seed).mail.size for seed in range(8)} == {
        0,
        70,
    }


def test_a_taken_over_account_was_calm_and_then_is_not() -> None:
    script = drawn(behaviours.is_taken_over(0.02), 4_800)
    mail, calm = script.mail, script.watched_s
    before, after = mail.at < calm, mail.at >= calm
    assert calm >= 8 * DAY
    assert np.bincount(mail.at[before] // HOUR).max() <= 5
    assert mail.at[after].max() < calm + 3 * DAY
    assert after.sum() == 3 * 4_800
    assert not set(mail.recipient[before]) & set(mail.recipient[after])
    assert len(set(mail.domain[after].tolist())) == after.sum()


def test_slander_is_no_bounce_of_real_mail() -> None:
    mail = drawn(behaviours.is_slandered(0.01, forged=0.3), 1_000, 10).mail
    assert np.mean(mail.fate == Fate.FORGED) == pytest.approx(0.3, abs=0.02)
    assert np.mean(mail.fate == Fate.INVALID) == pytest.approx(0.007, abs=0.003)


def test_those_who_lure_hold_so_many_domains_and_refuse_all() -> None:
    mail = drawn(behaviours.is_lured(0.0, 0.2, domains=2), 200).mail
    assert set(mail.domain[mail.fate == Fate.INVALID].tolist()) == {-1, -2}
    assert mail.at[mail.domain < 0].min() >= 7 * DAY
    assert np.mean(mail.domain[mail.at >= 7 * DAY] < 0) == pytest.approx(0.2, abs=0.02)


def test_a_fleet_is_many_members() -> None:
    scripts = behaviours.spreads_over(3, behaviours.sends(0.1))(np.random.default_rng(1), 10, 5, CAPS)
    assert len(scripts) == 3
    assert len({tuple(script.mail.at.tolist()) for script in scripts}) == 3
