"""The relay heeds the labels, and counting leads to the same ones as telling every event."""

import copy

import msgspec
import numpy as np
import pytest

from labeler.reputation.judge import Judge
from labeler.reputation.policy import Policy
from labeler.simulation.anonymous import AnonymousWindow
from labeler.simulation.behaviours import has_bad_days, sends
from labeler.simulation.counts_path import CountsPath, busy, countable
from labeler.simulation.events_path import EventsPath
from labeler.simulation.mail import START_S, Fate, Script, joined
from labeler.simulation.populations import NAMED
from labeler.simulation.runs import generator
from tests.unit.simulation.conftest import CAPS, DAY, HOUR, Listening, Play, Told, mail, script

OK, BAD = Fate.DELIVERED, Fate.INVALID


@pytest.fixture(scope="module")
def policy(activated: Judge) -> Policy:
    assert activated.policy is not None
    return activated.policy


def test_a_list_buyer_is_throttled_then_suspended_and_then_sends_nothing(play: Play) -> None:
    at = [minute * 60 for minute in range(600)]
    told = play([script(at, [BAD if place % 2 else OK for place in range(600)])], EventsPath(), days=3)
    (outcome,) = told.outcomes
    assert told.changes[:3] == ["+mail-throttled", "+mail-suspended", "-mail-throttled"]
    assert outcome.throttled_after is not None
    assert outcome.suspended_after is not None
    assert outcome.throttled_after < outcome.suspended_after == outcome.sent
    assert outcome.transitions == 2


def test_a_throttled_member_sends_no_more_an_hour_than_the_policy_lets_through(play: Play, policy: Policy) -> None:
    at = list(range(0, 6 * HOUR, 60))
    fates = [BAD] * 4 + [OK] * (len(at) - 4)
    (outcome,) = play([script(at, fates)], EventsPath(), days=1).outcomes
    assert outcome.throttled_after == 3
    hourly = policy.labels["mail-throttled"].hourly_cap
    assert hourly is not None
    assert outcome.sent == 3 + 6 * hourly


def test_who_sends_well_is_left_alone(play: Play) -> None:
    told = play([script(list(range(0, 3 * DAY, HOUR)))], EventsPath(), days=3)
    assert told.changes == []
    assert told.outcomes[0].sent == 72


def test_nothing_is_sent_after_the_last_day(play: Play) -> None:
    for path in (EventsPath(),):
        assert play([script([0, 3 * DAY])], path, days=2).outcomes[0].sent == 1


def test_what_comes_before_is_not_counted_but_noted(play: Play) -> None:
    at = list(range(0, 40 * HOUR, HOUR))
    (outcome,) = play([script(at, [BAD] * 4 + [OK] * 36, watched_s=20 * HOUR)], EventsPath(), days=2).outcomes
    assert outcome.early
    assert outcome.sent == 20


def test_members_of_a_fleet_are_told_apart(play: Play) -> None:
    good = script(list(range(0, 10 * HOUR, 600)))
    bad = script(list(range(0, 10 * HOUR, 600)), [BAD] * 60)
    outcomes = play([good, bad, good], EventsPath(), days=1).outcomes
    assert [outcome.throttled_after for outcome in outcomes] == [None, 3, None]


def both(play: Play, policy: Policy, told: Script, days: int = 30) -> Told:
    """Run by both paths, which must say the same."""
    counted = play([told], CountsPath(told.mail, policy), days)
    by_events = play([told], EventsPath(), days)
    assert counted.labels == by_events.labels
    assert counted.outcomes == by_events.outcomes
    return counted


@pytest.mark.parametrize(
    ("name", "volume", "runs"),
    [
        ("honest-bad-day", 10, range(6)),
        ("honest-bad-day", 50, range(2)),
        ("newcomer-bad-day", 50, range(12)),
        ("few-complaints", 50, range(3)),
        ("at-the-threshold", 10, range(8)),
        ("at-the-threshold", 50, range(6)),
        ("honest-campaigns", 200, range(2)),
    ],
)
def test_counting_changes_no_label(play: Play, policy: Policy, name: str, volume: int, runs: range) -> None:
    population = NAMED[name]
    assert population.counted
    for number in runs:
        (told,) = population.behaviour(generator(1, name, volume, number), volume, 30, policy.caps)
        both(play, policy, told)


@pytest.mark.parametrize("fate", [Fate.INVALID, Fate.COMPLAINED])
def test_nor_where_it_goes_all_the_way(play: Play, policy: Policy, fate: Fate) -> None:
    for seed in range(3):
        (told,) = sends(0.25, fate=fate)(np.random.default_rng(seed), 20, 30, policy.caps)
        assert "+mail-suspended" in both(play, policy, told).changes


def test_nor_when_good_mail_that_is_forgotten_makes_a_rate_rise(play: Play, policy: Policy) -> None:
    """Sixty good mails, then three bad ones among eleven; a week after the first they alone remain."""
    at = [minute * 60 for minute in range(60)] + [3 * DAY + place * HOUR for place in range(11)]
    told = script([*at, 7 * DAY + 2 * HOUR], [OK] * 60 + [BAD] * 3 + [OK] * 9)
    found = both(play, policy, told)
    assert found.changes[0] == "+mail-throttled"
    assert found.outcomes[0].throttled_after == 72


def test_nor_in_an_hour_busier_than_any(play: Play, policy: Policy) -> None:
    calm = mail(list(range(0, 10 * DAY, HOUR)))
    burst = mail([10 * DAY + 10 * second for second in range(300)])
    flood = joined(calm, burst._replace(recipient=burst.recipient + 10_000))
    assert both(play, policy, Script(flood, CAPS)).changes


def test_nor_when_the_throttle_ends_and_the_mail_goes_on(play: Play, policy: Policy) -> None:
    at = list(range(0, 12 * DAY, HOUR))
    changes = both(play, policy, script(at, [BAD, BAD, BAD] + [OK] * (len(at) - 3))).changes
    assert changes[0] == "+mail-throttled"
    assert changes[-1] == "-mail-throttled"


@pytest.mark.parametrize("days", [2, 5, 12])
def test_what_the_relay_refused_is_counted_by_neither(activated: Judge, policy: Policy, days: int) -> None:
    """A throttled member tries far more than it may, and goes on when the throttle is over."""
    at = [place * 90 for place in range(12 * DAY // 90)]
    told = script(at, [BAD] * 3 + [OK] * (len(at) - 3))
    counts = []
    for path in (CountsPath(told.mail, policy), EventsPath()):
        passage = Listening(copy.deepcopy(activated), [told])
        passage.run(path, days)
        volume = passage.judge.subjects["did:plc:member0"].windows.volume
        now_s = START_S + days * DAY
        recent = [volume.minutes.count((now_s - ago) // 60) for ago in (HOUR, 2 * HOUR)]
        counts.append([*recent, volume.accepted.total, [label.to_json() for label in passage.labels]])
    assert counts[0] == counts[1]


def test_a_busy_hour_is_looked_at_long_before_a_rule_minds(policy: Policy) -> None:
    calm = list(range(0, 10 * DAY, HOUR))
    at = [*calm, *(10 * DAY + 30 * place for place in range(100))]
    looked = busy(mail(at), policy)
    assert looked.size
    assert len(calm) < looked[0] < len(calm) + 30


@pytest.mark.parametrize(
    ("rule", "above"), [("hourly-volume", 0.9), ("daily-volume", 0.5), ("domain-spray", 0.5), ("velocity", 2.0)]
)
def test_a_policy_with_low_bars_is_told_everything(policy: Policy, rule: str, above: float) -> None:
    assert countable(policy)
    lowered = [
        msgspec.structs.replace(each, throttle=msgspec.structs.replace(each.throttle, above=above))
        if each.id == rule
        else each
        for each in policy.rules
    ]
    assert not countable(msgspec.structs.replace(policy, rules=lowered))


def test_counting_is_counting(activated: Judge, policy: Policy) -> None:
    """After a calm month both paths leave windows of the same counts."""
    (told,) = has_bad_days(0.02)(np.random.default_rng(4), 50, 30, policy.caps)
    counts = []
    for path in (CountsPath(told.mail, policy), EventsPath()):
        passage = Listening(copy.deepcopy(activated), [told])
        passage.run(path, 30)
        windows = passage.judge.subjects["did:plc:member0"].windows
        hour = (max(windows.reached.alive)) - 7 * 24
        names = ("addressed", "reached", "delivered", "invalid", "complained")
        counts.append([getattr(windows, name).count(hour) for name in names] + [windows.volume.accepted.count(hour)])
    assert counts[0] == counts[1]
    assert counts[0][0] > 300


def test_anonymous_recipients_go_by_their_domains() -> None:
    window = AnonymousWindow(mail([0, 1, 2, 3], [OK, BAD, OK, BAD], [1, 2, 3, 4]), (Fate.INVALID,))
    window.count(5)
    window.take(5, 0, 2)
    window.take(6, 2, 4)
    window.record("somebody", 6)
    assert window.count(5) == window.size == 3
    assert sorted(window.items(6)) == ["d4.example", "somebody"]
    window.expire(6)
    assert window.count(0) == 2
    assert sorted(window.items(0)) == ["d4.example", "somebody"]
