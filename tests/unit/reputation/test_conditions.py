"""What a bar asks besides its line."""

import math
from dataclasses import dataclass

import pytest

from labeler.reputation.conditions import measure_condition
from labeler.reputation.counters import DistinctWindow
from labeler.reputation.intervals import wilson
from labeler.reputation.metrics import METRICS, Measurement, View
from labeler.reputation.places import ProviderWindows
from labeler.reputation.policy import CONDITIONS
from labeler.reputation.windows import SubjectWindows
from tests.filled_windows import HOUR, NOW_S, REST_CONFIDENCE, filled, rule, setting

DAY_S = 24 * 3600


@dataclass
class Asked:
    """A condition of a rule on `metric`, to be asked about windows."""

    name: str
    metric: str
    window: str = "24h"
    now_s: int = NOW_S

    def __call__(
        self,
        windows: SubjectWindows,
        least: float,
        incidents: dict[str, list[tuple[int, int]]] | None = None,
        floor_s: int = 0,
    ) -> tuple[float, bool]:
        asked = rule(self.metric, window=self.window)
        since_s = max(self.now_s - asked.window.seconds, floor_s)
        view = View(windows, since_s, self.now_s, setting(incidents=incidents))
        return measure_condition(self.name, asked, view, METRICS[self.metric].measure(view), least)


def mail(
    good: dict[str, int], bad: dict[str, int], window: str = "invalid", *, delivered: bool = True, hour: int = HOUR
) -> SubjectWindows:
    """Windows after so many recipients at each domain were reached, and so many failed or complained."""
    windows = SubjectWindows()
    for which, domains in (("good", good), ("bad", bad)):
        for recipient, domain in [(f"{which} {n} at {name}", name) for name in domains for n in range(domains[name])]:
            windows.addressed.record(recipient, hour)
            windows.domain_of[recipient] = domain
            invalid = (which, window) == ("bad", "invalid")
            if which == "bad":
                getattr(windows, window).record(recipient, hour)
            if delivered and not invalid:
                windows.delivered.record(recipient, hour)
            if delivered or invalid:
                windows.reached.record(recipient, hour)
    return windows


class TestDistinct:
    def test_domains_behind_the_failures_of_a_rate(self) -> None:
        windows = mail({"a": 9}, {"a": 3, "b": 2})
        assert Asked("min_distinct", "invalid-recipient-rate")(windows, 2) == (2, True)
        assert Asked("min_distinct", "invalid-recipient-rate")(windows, 3) == (2, False)

    def test_domains_behind_complaints_and_traps(self) -> None:
        windows = mail({}, {"a": 3, "b": 2}, "complained")
        assert Asked("min_distinct", "complaint-rate")(windows, 2) == (2, True)
        assert Asked("min_distinct", "trap-rate")(windows, 1) == (0, False)
        windows.traps = DistinctWindow()
        windows.traps.record("bad 0 at a", HOUR)
        assert Asked("min_distinct", "trap-rate")(windows, 1) == (1, True)

    def test_a_recipient_of_no_known_domain_stands_for_itself(self) -> None:
        assert Asked("min_distinct", "invalid-recipient-rate")(filled(invalid=[HOUR] * 3), 3) == (3, True)

    def test_addresses_behind_a_count(self) -> None:
        view = View(SubjectWindows(), 0, NOW_S, setting())
        asked = rule("dead-address-sends")
        assert measure_condition("min_distinct", asked, view, Measurement(12, 3, 12.0, 12), 3) == (3, True)
        assert measure_condition("min_distinct", asked, view, Measurement(12, 2, 12.0, 12), 3) == (2, False)

    def test_what_failed_at_a_provider_to_blame_is_left_out(self) -> None:
        windows = mail({}, {"a": 2, "b": 1, "c": 1})
        for domain, hour in (("a", HOUR), ("b", HOUR - 3)):
            there = windows.by_provider[f"mx of {domain}"] = ProviderWindows()
            there.invalid = DistinctWindow()
            for number in range(2):
                there.invalid.record(f"bad {number} at {domain}", hour)
        windows.by_provider["mx of c"] = ProviderWindows()
        excusing = {"mx of a": [(HOUR - 1, HOUR)], "mx of b": [(HOUR, HOUR)], "mx of c": [(0, HOUR)], "mx": [(0, HOUR)]}
        assert Asked("min_distinct", "invalid-recipient-rate")(windows, 2, excusing) == (2, True)
        both = excusing | {"mx of b": [(HOUR - 9, HOUR - 3)]}
        assert Asked("min_distinct", "invalid-recipient-rate")(windows, 2, both) == (1, False)


def test_the_length_of_the_history() -> None:
    week = filled(accepted=[HOUR - 7 * 24, HOUR])
    assert Asked("min_baseline", "velocity", "1h")(week, 7 * DAY_S) == (7 * DAY_S, True)
    younger = filled(accepted=[HOUR - 7 * 24 + 1, HOUR])
    assert Asked("min_baseline", "velocity", "1h")(younger, 7 * DAY_S) == (7 * DAY_S - 3600, False)
    assert Asked("min_baseline", "velocity", "1h")(SubjectWindows(), 1) == (0, False)


@pytest.mark.parametrize(("usual", "count", "times"), [(8, 31, 31 / 8), (8, 32, 4.0), (0, 4, 4.0)])
def test_messages_against_a_usual_hour_of_one_at_least(usual: int, count: int, times: float) -> None:
    windows = filled(accepted=[HOUR - age for age in range(1, 7 * 24 + 1) for _ in range(usual)])
    view = View(windows, NOW_S - 3600, NOW_S, setting())
    measured = Measurement(count, usual, 9.0, count)
    value, enough = measure_condition("min_excess", rule("velocity"), view, measured, 4)
    assert (round(value, 6), enough) == (round(times, 6), times >= 4)


class TestExcess:
    @staticmethod
    def new(per_stretch: list[tuple[int, int]], seen: str = "new_domains") -> SubjectWindows:
        """So many new ones at each age in hours."""
        windows = SubjectWindows()
        for age, count in per_stretch:
            for number in range(count):
                getattr(windows, seen).record(f"{age} {number}", HOUR - age)
        return windows

    def test_new_domains_of_the_day_by_what_was_usual(self) -> None:
        usual = [(30, 5), (60, 10), (100, 15)]  # on three days of the four weeks before: ten a day
        assert Asked("min_excess", "domain-spray")(self.new([*usual, (1, 29)]), 3) == (2.9, False)
        assert Asked("min_excess", "domain-spray")(self.new([*usual, (1, 30)]), 3) == (3.0, True)

    def test_new_domains_of_the_hour_by_what_was_usual_in_an_hour(self) -> None:
        usual = [(30, 10), (31, 10), (32, 10)]
        assert Asked("min_excess", "domain-spray", "1h")(self.new([*usual, (0, 29)]), 3) == (2.9, False)
        assert Asked("min_excess", "domain-spray", "1h")(self.new([*usual, (0, 30)]), 3) == (3.0, True)

    def test_where_nothing_was_usual_every_new_one_counts(self) -> None:
        assert Asked("min_excess", "domain-spray")(self.new([(1, 2)]), 3) == (2.0, False)
        assert Asked("min_excess", "domain-spray")(self.new([(1, 3)]), 3) == (3.0, True)

    def test_what_was_new_long_ago_is_not_usual(self) -> None:
        windows = self.new([(24 * 28 + 30, 50), (1, 3)])
        assert Asked("min_excess", "domain-spray")(windows, 3) == (3.0, True)

    def test_networks_are_compared_with_networks(self) -> None:
        windows = self.new([(30, 10), (0, 20)], "new_clients")
        assert Asked("min_excess", "submitting-networks", "1h")(windows, 3) == (2.0, False)


def test_the_share_of_first_contacts() -> None:
    windows = filled(addressed=[HOUR] * 4)
    windows.delivered.record("item 0", HOUR - 50)
    windows.first_delivered["item 0"] = HOUR - 50
    assert Asked("min_first_contact", "domain-spray")(windows, 0.75) == (0.75, True)
    assert Asked("min_first_contact", "domain-spray")(windows, 0.76) == (0.75, False)
    assert Asked("min_first_contact", "domain-spray")(SubjectWindows(), 0.1) == (0.0, False)


class TestEntropy:
    def test_is_one_where_everybody_is_at_a_domain_of_their_own(self) -> None:
        value, enough = Asked("min_entropy", "domain-spray")(mail({f"d{n}": 1 for n in range(50)}, {}), 0.92)
        assert value == pytest.approx(1.0)
        assert enough

    def test_is_nothing_where_everybody_is_at_one(self) -> None:
        assert Asked("min_entropy", "domain-spray")(mail({"one": 50}, {}), 0.92) == (0.0, False)

    def test_is_shannon_s_by_the_logarithm_of_the_recipients(self) -> None:
        value, _ = Asked("min_entropy", "domain-spray")(mail({"a": 2, "b": 1, "c": 1}, {}), 0.92)
        assert value == pytest.approx(1.5 * math.log(2) / math.log(4))

    @pytest.mark.parametrize("recipients", [0, 1])
    def test_says_nothing_where_there_is_nobody_to_tell_apart(self, recipients: int) -> None:
        assert Asked("min_entropy", "domain-spray")(mail({"a": recipients}, {}), 0.92) == (1.0, True)


class TestElsewhere:
    """Without the few domains that fail most, the rest must tell the same story. The throttle bar here is 0.9."""

    def test_whoever_owns_a_few_domains_suspends_nobody(self) -> None:
        windows = mail({"a": 30, "b": 30}, {"evil": 40, "more evil": 20})
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 2) == (0.0, False)

    def test_a_bought_list_fails_everywhere(self) -> None:
        windows = mail({}, {f"d{n}": 20 for n in range(5)})
        value, enough = Asked("elsewhere", "invalid-recipient-rate")(windows, 2)
        assert (value, enough) == (wilson(60, 60, REST_CONFIDENCE)[0], True)

    def test_good_recipients_at_the_worst_domains_are_left_out_too(self) -> None:
        windows = mail({"worst": 500, "rest": 1}, {"worst": 9, "rest": 3})
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 1)[0] == wilson(3, 4, REST_CONFIDENCE)[0]

    def test_of_domains_that_fail_alike_the_first_by_name_is_left_out(self) -> None:
        windows = mail({"a": 1}, {"b": 2, "a": 2})
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 1)[0] == wilson(2, 2, REST_CONFIDENCE)[0]

    def test_where_nothing_is_left_there_is_nothing_to_compare(self) -> None:
        windows = mail({}, {"a": 9, "b": 9})
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 2) == (1.0, True)

    def test_complaints_are_out_of_those_reached(self) -> None:
        windows = mail({"big": 60, "small": 40}, {"big": 5}, "complained")
        assert Asked("elsewhere", "complaint-rate")(windows, 1) == (0.0, False)
        assert Asked("elsewhere", "complaint-rate")(mail({}, {"big": 5}, "complained"), 1) == (1.0, True)

    @pytest.mark.parametrize(
        ("metric", "window"), [("invalid-recipient-rate", "invalid"), ("complaint-rate", "complained")]
    )
    def test_a_relay_that_reports_no_deliveries_is_taken_at_its_acceptances(self, metric: str, window: str) -> None:
        """As the rate itself is: or those who fail would be all that is known of the rest."""
        windows = mail({"fine": 60}, {"evil": 40, "stray": 1, "another stray": 1, "third": 1}, window, delivered=False)
        assert Asked("elsewhere", metric)(windows, 2)[0] == wilson(2, 62, REST_CONFIDENCE)[0]

    def test_more_recipients_than_can_be_known_are_more_than_one_owner_has(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("labeler.reputation.counters.EXACT_MAX", 50)
        windows = mail({f"d{n}": 1 for n in range(100)}, {"evil": 10})
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 1) == (1.0, True)

    def test_where_only_those_reached_are_too_many_those_addressed_are_taken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        windows = mail({"fine": 40}, {"evil": 8})
        monkeypatch.setattr("labeler.reputation.counters.EXACT_MAX", 50)
        for number in range(100):
            windows.reached.record(f"others {number}", HOUR)
        assert not windows.reached.exact
        assert Asked("elsewhere", "invalid-recipient-rate")(windows, 1) == (0.0, False)

    def test_what_a_provider_is_to_blame_for_is_no_failure(self) -> None:
        windows = mail({"a": 10}, {"a": 6, "b": 3, "c": 3})
        there = windows.by_provider["mx"] = ProviderWindows()
        there.invalid = DistinctWindow()
        for number in range(6):
            there.invalid.record(f"bad {number} at a", HOUR)
        excusing = {"mx": [(HOUR, HOUR)]}
        # b is the worst now: it leaves three of three at c, and ten good ones at a
        value, _ = Asked("elsewhere", "invalid-recipient-rate")(windows, 1, excusing)
        assert value == wilson(3, 13, REST_CONFIDENCE)[0]


def test_every_condition_a_policy_may_ask_is_measured() -> None:
    for name in CONDITIONS:
        Asked(name, "invalid-recipient-rate")(SubjectWindows(), 1.0)
    with pytest.raises(KeyError):
        Asked("min_luck", "invalid-recipient-rate")(SubjectWindows(), 1.0)
