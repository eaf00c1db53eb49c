"""What the windows say, as numbers."""

import math
from typing import Any

import pytest

from labeler.reputation.auth_mail import AuthMailWindows
from labeler.reputation.catalogue import CATALOGUE
from labeler.reputation.counters import CountWindow, DistinctWindow
from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.metrics import METRICS, Measurement, View, own_domains, whole_bucket
from labeler.reputation.places import ProviderWindows
from labeler.reputation.pool import Pool
from labeler.reputation.windows import SubjectWindows
from tests.filled_windows import HOUR, NOW_S, fill, filled, setting

MEMBER, OTHERS = "did:plc:m", "did:plc:others"


def measure(
    metric: str, windows: SubjectWindows, since_s: int = 0, now_s: int = NOW_S, **fields: Any
) -> tuple[int, int, float, int]:
    """k, n, estimate and weight."""
    return METRICS[metric].measure(View(windows, since_s, now_s, setting(**fields)))[:4]


def refused(blocked: int, answered: int, hour: int = HOUR) -> tuple[SubjectWindows, Pool]:
    """A member whose mail to `mx` was refused for policy, and the pool it is in, so far alone."""
    windows, pool = SubjectWindows(), Pool()
    there = windows.by_provider["mx"] = ProviderWindows()
    there.blocked = DistinctWindow()
    for number in range(answered):
        there.answered.add(hour)
        pool.answer("mx", MEMBER, hour)
        if number < blocked:
            there.blocked.record(f"r{number}", hour)
            pool.block("mx", hour)
    return windows, pool


def others(pool: Pool, blocked: int, answered: int, provider: str = "mx") -> None:
    for number in range(answered):
        pool.answer(provider, OTHERS, HOUR)
        if number < blocked:
            pool.block(provider, HOUR)


def test_the_catalogue_and_the_metrics_name_the_same() -> None:
    assert METRICS.keys() == CATALOGUE.keys()


def test_buckets_are_whole() -> None:
    assert [whole_bucket(since, 60) for since in (0, 1, 59, 60, 61)] == [0, 1, 1, 1, 2]


class TestInvalidRecipients:
    def test_out_of_those_whose_existence_is_known(self) -> None:
        windows = filled(invalid=[5, 6], reached=[5, 6, 6, 7], delivered=[6, 7])
        assert measure("invalid-recipient-rate", windows) == (2, 4, 0.5, 2)
        assert measure("invalid-recipient-rate", windows, 6 * 3600 + 1) == (1, 3, 1 / 3, 1)
        assert measure("invalid-recipient-rate", SubjectWindows()) == (0, 0, 0.0, 0)

    def test_a_relay_that_reports_no_deliveries_makes_nobody_fail_at_everything(self) -> None:
        """Five bounces in a thousand are half a percent, although nothing is known of the others."""
        windows = filled(invalid=[5] * 5, reached=[5] * 5, complained=[5] * 2, addressed=[5] * 1000)
        assert measure("invalid-recipient-rate", windows) == (5, 1000, 0.005, 5)
        assert measure("complaint-rate", windows) == (2, 1000, 0.002, 2)

    @staticmethod
    def failing_at(provider: str, hours: list[int], windows: SubjectWindows) -> None:
        there = windows.by_provider[provider] = ProviderWindows()
        there.invalid = DistinctWindow()
        fill(there.invalid, hours)

    def test_what_failed_at_a_provider_to_blame_counts_neither_as_failed_nor_as_known(self) -> None:
        windows = filled(invalid=[5, 6, 7], reached=[5, 6, 7, 7, 7], delivered=[7, 7])
        self.failing_at("mx", [5, 6, 7], windows)
        view = View(windows, 0, NOW_S, setting(incidents={"mx": [(6, 7)], "elsewhere": [(0, 9)]}))
        assert METRICS["invalid-recipient-rate"].measure(view) == Measurement(1, 3, 1 / 3, 1, excused=2)
        assert METRICS["invalid-recipient-rate"].measure(view._replace(since_s=7 * 3600)).excused == 1
        after = view._replace(since_s=8 * 3600)
        assert METRICS["invalid-recipient-rate"].measure(after) == Measurement(0, 0, 0.0, 0)

    def test_a_provider_where_the_member_lost_nobody_excuses_nothing(self) -> None:
        windows = filled(invalid=[5], reached=[5, 5], delivered=[5])
        windows.by_provider["mx"] = ProviderWindows()
        assert measure("invalid-recipient-rate", windows, incidents={"mx": [(0, 9)]}) == (1, 2, 0.5, 1)

    def test_one_recipient_that_failed_at_two_providers_to_blame_is_excused_once(self) -> None:
        """Or a rate would fall under nothing, and no interval is defined there."""
        windows = filled(invalid=[5], reached=[5] * 60, delivered=[5] * 59)
        for provider in ("a", "b"):
            self.failing_at(provider, [5], windows)
        excusing = {"a": [(5, 5)], "b": [(5, 5)]}
        assert measure("invalid-recipient-rate", windows, incidents=excusing) == (0, 59, 0.0, 0)


class TestComplaintsAndTraps:
    def test_complaints_out_of_those_reached(self) -> None:
        assert measure("complaint-rate", filled(complained=[5], delivered=[5, 5, 5, 5])) == (1, 4, 0.25, 1)

    def test_a_complaint_without_a_delivery_is_not_more_than_everybody(self) -> None:
        assert measure("complaint-rate", filled(complained=[5, 5])) == (2, 2, 1.0, 2)

    def test_traps_out_of_those_addressed(self) -> None:
        windows = filled(addressed=[5, 6, 7, 7])
        assert measure("trap-rate", windows) == (0, 4, 0.0, 0)
        windows.traps = DistinctWindow()
        fill(windows.traps, [5, 7])
        assert measure("trap-rate", windows) == (2, 4, 0.5, 2)
        assert measure("trap-rate", windows, 6 * 3600) == (1, 3, 1 / 3, 1)


class TestPolicyBlocks:
    def test_are_compared_with_everybody_else_at_the_same_provider(self) -> None:
        windows, pool = refused(10, 50)
        others(pool, 4, 200)
        others(pool, 90, 100, "another")
        measured = METRICS["policy-block-excess"].measure(View(windows, 0, NOW_S, setting(pool=pool)))
        assert measured == Measurement(10, 50, 10 / 50 - 4 / 200, 10, (4, 200), "mx")

    def test_what_hits_everybody_is_nobody_s(self) -> None:
        windows, pool = refused(40, 50)
        others(pool, 160, 200)
        assert measure("policy-block-excess", windows, pool=pool) == (0, 0, 0.0, 0)

    def test_without_anybody_else_there_is_nothing_to_compare_with(self) -> None:
        windows, pool = refused(50, 50)
        assert measure("policy-block-excess", windows, pool=pool) == (0, 0, 0.0, 0)

    def test_the_provider_where_it_is_worst_counts(self) -> None:
        windows, pool = refused(10, 50)
        others(pool, 0, 100)
        windows.by_provider["quiet"] = ProviderWindows()
        worse = windows.by_provider["a worse one"] = ProviderWindows()
        worse.blocked = DistinctWindow()
        fill(worse.blocked, [HOUR] * 4)
        for _ in range(8):
            worse.answered.add(HOUR)
        others(pool, 0, 50, "a worse one")
        measured = METRICS["policy-block-excess"].measure(View(windows, 0, NOW_S, setting(pool=pool)))
        assert (measured.at, measured.k, measured.n) == ("a worse one", 4, 8)

    def test_more_recipients_than_outcomes_are_never_more_than_all(self) -> None:
        windows, pool = refused(5, 5)
        there = windows.by_provider["mx"]
        there.answered = CountWindow()
        others(pool, 0, 100)
        assert measure("policy-block-excess", windows, pool=pool) == (5, 5, 1.0, 5)


class TestVolume:
    @pytest.mark.parametrize(
        ("metric", "bucket_s", "window", "cap"),
        [("hourly-volume", 60, "minutes", 10), ("daily-volume", 3600, "accepted", 100)],
    )
    def test_counts_whole_buckets_only(self, metric: str, bucket_s: int, window: str, cap: int) -> None:
        """A bucket that began before the window is left out; one that begins with it is not."""
        windows = filled(**{window: [9, 10, 11]})
        assert measure(metric, windows, 10 * bucket_s) == (2, cap, 2 / cap, 2)
        assert measure(metric, windows, 10 * bucket_s + 1) == (1, cap, 1 / cap, 1)

    @pytest.mark.parametrize(("early", "late", "k"), [(9, 4, 4), (4, 9, 4), (0, 9, 0), (9, 0, 0)])
    def test_sustained_is_the_quieter_of_two_hours(self, early: int, late: int, k: int) -> None:
        """Half of each were refused: whoever is held back is not calm."""
        minute = NOW_S // 60
        windows = filled(
            minutes=[minute - 90] * (early // 2) + [minute - 10] * (late // 2),
            refused=[minute - 90] * (early - early // 2) + [minute - 10] * (late - late // 2) + [minute - 121] * 50,
        )
        assert measure("sustained-volume", windows, NOW_S - 7200) == (k, 10, k / 10, k)

    def test_half_of_the_window_counts_for_nothing(self) -> None:
        windows = filled(minutes=[NOW_S // 60 - 10] * 99)
        assert measure("sustained-volume", windows, NOW_S - 1800)[0] == 0
        assert measure("sustained-volume", windows, NOW_S + 1800)[0] == 0

    def test_velocity_is_the_surprise_of_the_hour(self) -> None:
        windows = filled(
            accepted=[hour for hour in range(HOUR - 14 * 24, HOUR) for _ in range(1 + hour % 2)],
            minutes=[NOW_S // 60] * 30,
        )
        view = View(windows, NOW_S - 3600, NOW_S, setting())
        measured = METRICS["velocity"].measure(view)
        assert measured.against == windows.volume.baseline(HOUR)[:2]
        assert (measured.k, measured.weight) == (30, 30)
        assert measured.n == math.ceil(windows.volume.baseline(HOUR).mean) == 2
        assert measured.estimate > 20
        assert METRICS["velocity"].measure(View(SubjectWindows(), 0, NOW_S, setting())).estimate == 0.0


def test_spray_is_domains_per_recipient_and_weighs_recipients() -> None:
    windows = filled(addressed=[5, 5, 5, 5], recipient_domains=[5, 5, 5])
    assert measure("domain-spray", windows) == (3, 4, 0.75, 4)
    assert measure("domain-spray", SubjectWindows()) == (0, 0, 0.0, 0)


class TestRareOnes:
    def test_mail_to_the_dead(self) -> None:
        windows = SubjectWindows()
        assert measure("dead-address-sends", windows) == (0, 0, 0.0, 0)
        windows.dead = DeadAddresses()
        windows.dead.die("r", 5 * 3600)
        windows.dead.die("s", 5 * 3600)
        for recipient, hour in (("r", 6), ("r", 7), ("s", 7), ("t", 7)):
            windows.dead.sent(recipient, hour * 3600)
        assert measure("dead-address-sends", windows) == (3, 2, 3.0, 3)
        assert measure("dead-address-sends", windows, 7 * 3600) == (2, 2, 2.0, 2)

    def test_authentication_mail_to_strangers_and_in_floods(self) -> None:
        windows = SubjectWindows()
        assert measure("auth-mail-first-contact", windows) == measure("auth-mail-repeats", windows) == (0, 0, 0.0, 0)
        windows.delivered.record("somebody", 5)
        windows.auth_mail = AuthMailWindows()
        for number in range(5):
            windows.auth_mail.accept("login-link", "r", 5, stranger=number == 0)
        windows.auth_mail.accept("verification", "s", 5, stranger=True)
        assert measure("auth-mail-first-contact", windows) == (1, 5, 0.2, 1)
        assert measure("auth-mail-repeats", windows) == (2, 1, 2.0, 2)

    def test_nobody_is_a_stranger_to_a_relay_that_reports_no_deliveries(self) -> None:
        windows = SubjectWindows()
        windows.auth_mail = AuthMailWindows()
        windows.auth_mail.accept("login-link", "r", 5, stranger=True)
        assert measure("auth-mail-first-contact", windows) == (0, 1, 0.0, 0)
        windows.delivered.record("somebody", 5)
        assert measure("auth-mail-first-contact", windows) == (1, 1, 1.0, 1)

    def test_evasions_of_the_suppression_list(self) -> None:
        windows = SubjectWindows()
        assert measure("suppression-evasion", windows) == (0, 0, 0.0, 0)
        windows.suppressing().evade("one", 5 * 3600)
        windows.suppressing().evade("two", 6 * 3600)
        assert measure("suppression-evasion", windows) == (2, 0, 2.0, 2)
        assert measure("suppression-evasion", windows, 6 * 3600)[0] == 1

    def test_questions_and_reports_count_apart(self) -> None:
        windows = SubjectWindows()
        for metric in ("unanswered-asks", "unanswered-reports"):
            assert measure(metric, windows) == (0, 0, 0.0, 0)
        windows.reported().report("asked by itself", 0, None, 100)
        windows.reported().ask("by an operator", 0, 200, 0)
        windows.reported().report("asked by itself, too", 0, None, 100)
        after = 48 * 3600
        assert measure("unanswered-reports", windows, now_s=after + 99)[0] == 0
        assert measure("unanswered-reports", windows, now_s=after + 100) == (1, 2, 1.0, 1)
        assert measure("unanswered-asks", windows, now_s=after + 199)[0] == 0
        assert measure("unanswered-asks", windows, now_s=after + 200) == (1, 2, 1.0, 1)

    def test_networks_and_how_many_of_them_are_new(self) -> None:
        windows = filled(clients=[HOUR] * 3)
        windows.new_clients.record("item 0", HOUR)
        windows.new_clients.record("item 1", HOUR - 5)
        assert measure("submitting-networks", windows, NOW_S - 3600) == (3, 1, 3.0, 3)


class TestForeignFrom:
    @staticmethod
    def sending(*names: str) -> SubjectWindows:
        windows = SubjectWindows()
        for name in names:
            windows.from_domains.record(name, HOUR)
        return windows

    def test_domains_that_are_not_the_member_s(self) -> None:
        windows = self.sending("shop.example", "a.example", "b.example")
        assert measure("foreign-from", windows, enrolled=("mail.shop.example",)) == (2, 3, 2.0, 2)

    def test_what_the_relay_names_as_sending_domain_is_the_member_s_own(self) -> None:
        windows = self.sending("shop.example", "a.example")
        windows._domain("news.a.example")
        assert own_domains(("shop.example",), windows) == {"shop.example", "a.example"}
        assert measure("foreign-from", windows, enrolled=("shop.example",))[0] == 0

    @pytest.mark.parametrize("enrolled", [(), ("",)])
    def test_where_no_own_domain_is_known_none_is_foreign(self, enrolled: tuple[str, ...]) -> None:
        """An enrolment may name no domain."""
        assert measure("foreign-from", self.sending("a.example", "b.example"), enrolled=enrolled) == (0, 2, 0.0, 0)

    def test_too_many_to_be_known_are_all_foreign_but_so_many_as_are_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("labeler.reputation.counters.EXACT_MAX", 50)
        windows = self.sending(*(f"d{number}.example" for number in range(200)))
        assert not windows.from_domains.exact
        k, n, *_ = measure("foreign-from", windows, enrolled=("shop.example", "other.example"))
        assert (k, n) == (windows.from_domains.count(0) - 2, windows.from_domains.count(0))


def test_estimates_are_finite() -> None:
    assert all(math.isfinite(measure(metric, SubjectWindows())[2]) for metric in METRICS)
