"""The acceptable-use page under the policy we ship, sentence by sentence: who crosses a line, and who is left alone."""

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from labeler.atproto import cbor
from labeler.reputation.definitions import ADVERSE
from labeler.reputation.events import Kind, SendEvent

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

MEMBER = "did:plc:member"
GOOD, BAD, REFUSED = "2.0.0", "5.1.1", "5.7.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"
CODES = ("login-link", "password-reset", "mfa-otp")


def enrol(story: "Story", did: str = MEMBER, domain: str = "shop.example", **fields: Any) -> list[str]:
    """The member has caps far above anything it sends, unless named."""
    caps: dict[str, Any] = {"hourly_cap": 100_000, "daily_cap": 100_000, "tier": "trusted"} | fields
    return story.batch(story.event(Kind.ENROLLED, did, domain=domain, **caps))


def letters(story: "Story", count: int, outcome: str | None = GOOD, domains: int = 7, **fields: Any) -> list[SendEvent]:
    """As many messages to strangers at a few domains (as many as recipients are: each at one of its own)."""
    mail = [story.message(outcome, at_domain=f"a{n % domains}.example", **fields) for n in range(count)]
    return [event for message in mail for event in message]


def restrictions(story: "Story", did: str = MEMBER) -> list[str]:
    """Every adverse label a member ever got with the rule that led to it, renewals aside."""
    issued = [emission for emission in story.emissions if emission.label.uri == did and not emission.label.neg]
    return list(dict.fromkeys(f"{e.label.val} by {e.actor}" for e in issued if e.label.val in ADVERSE))


def steady_days(story: "Story", days: int) -> None:
    """Two messages an hour, every hour, to the same twenty people."""
    for hour in range(days * 24):
        for person in (2 * hour % 20, (2 * hour + 1) % 20):
            story.batch(*story.message(recipient=person, at_domain=f"a{person % 7}.example"))
        story.wait(hours=1)


def an_hour_of(daily: int, hour: int) -> int:
    """How many of a day's messages fall into an hour."""
    return daily * (hour + 1) // 24 - daily * hour // 24


def findings(story: "Story") -> list[dict[str, Any]]:
    """What the evidence of the first suspension says was found."""
    suspension = next(emission for emission in story.emissions if emission.label.val == "mail-suspended")
    record = cbor.decode(suspension.evidence)
    assert isinstance(record, dict)
    found: Any = record["findings"]
    return list(found)


class TestSendOnYourOwnBehalf:
    def test_two_foreign_from_domains_are_a_mistake_three_throttle_and_ten_suspend(self, story: "Story") -> None:
        enrol(story)
        foreign = [story.message(None, from_domain=f"customer{n}.example", at_domain="one.example") for n in range(10)]
        changes = [story.batch(*message) for message in foreign]
        assert changes == [[]] * 2 + [[THROTTLED]] + [[]] * 6 + [[SUSPENDED, "-mail-throttled"]]
        assert restrictions(story) == ["mail-throttled by mail-for-others", "mail-suspended by mail-for-others"]

    def test_the_enrolled_domain_and_names_under_it_are_the_member_s_own(self, story: "Story") -> None:
        enrol(story)
        for name in ("shop.example", *(f"news{n}.shop.example" for n in range(20))):
            assert story.batch(*story.message(None, from_domain=name)) == []

    def test_thirty_networks_in_an_hour_are_shared_credentials_and_twenty_nine_are_not(self, story: "Story") -> None:
        enrol(story)
        networks = [story.message(None, client=f"{n:032x}", at_domain="one.example") for n in range(30)]
        assert [story.batch(*message) for message in networks] == [[]] * 29 + [[THROTTLED]]
        assert restrictions(story) == ["mail-throttled by shared-credentials"]

    def test_a_hoster_whose_networks_change_all_day_is_left_alone(self, story: "Story") -> None:
        enrol(story)
        for n in range(24 * 14):
            story.batch(*(e for k in range(14) for e in story.message(client=f"{n * 14 + k:032x}", recipient=k)))
            story.wait(hours=1)
        assert restrictions(story) == []


class TestBounces:
    def test_one_bounce_in_thirteen_sends_twice_in_one_weekend_restricts_nobody(self, story: "Story") -> None:
        for outcomes in ([GOOD] * 6 + [BAD] + [GOOD] * 6, [GOOD] * 12 + [BAD]):
            assert story.one_by_one(outcomes) == [[]] * 13
            story.wait(days=1)
        assert story.wait(days=60) == []
        assert restrictions(story) == []

    @pytest.mark.parametrize("of_ten", [2, 3])
    def test_a_bought_list_at_fifty_a_day_is_throttled_and_within_a_day_suspended(
        self, story: "Story", of_ten: int
    ) -> None:
        bad = (4, 9) if of_ten == 2 else (2, 5, 9)
        for n in range(75):
            story.batch(*story.message(BAD if n % 10 in bad else GOOD, at_domain=f"a{n % 7}.example"))
            story.wait(minutes=24 * 60 / 50)
        began = {e.label.val: e.received for e in reversed(story.emissions) if not e.label.neg}
        assert restrictions(story) == ["mail-throttled by invalid-recipients", "mail-suspended by invalid-recipients"]
        assert timedelta(0) < began["mail-suspended"] - began["mail-throttled"] <= timedelta(days=1)

    def test_a_careful_sender_with_two_percent_dead_is_left_alone(self, story: "Story") -> None:
        enrol(story)
        for n in range(600):
            story.batch(*story.message(BAD if n % 50 == 25 else GOOD, at_domain=f"a{n % 7}.example"))
            story.wait(minutes=20)
        assert restrictions(story) == []

    def test_crossing_a_bar_costs_the_clean_label_at_once(self, story: "Story") -> None:
        enrol(story)
        assert story.batch(*letters(story, 100)) == ["+clean-sender"]
        assert story.batch(*letters(story, 15, BAD)) == [THROTTLED, "-clean-sender"]
        assert story.active() == {"relay-member", "mail-throttled"}

    def test_mail_that_goes_on_to_dead_addresses_throttles_and_then_suspends(self, story: "Story") -> None:
        enrol(story)
        dead = [story.message(BAD, recipient=10_000 + n, at_domain=f"a{n % 7}.example") for n in range(10)]
        story.batch(*letters(story, 900), *(event for message in dead for event in message))
        story.wait(hours=1)
        for _ in range(5):
            again = [story.message(None, recipient=10_000 + n, at_domain=f"a{n % 7}.example") for n in range(10)]
            story.batch(*(event for message in again for event in message))
            story.wait(minutes=10)
        assert restrictions(story) == ["mail-throttled by dead-addresses", "mail-suspended by dead-addresses"]

    def test_one_retry_each_to_addresses_that_died_is_left_alone(self, story: "Story") -> None:
        enrol(story)
        for _ in range(2):
            story.batch(*(e for n in range(9) for e in story.message(BAD, recipient=10_000 + n)), *letters(story, 400))
            story.wait(hours=1)
        assert restrictions(story) == []


class TestPolicyBlocks:
    @staticmethod
    def pool(story: "Story", outcome: str, count: int) -> None:
        """Ten other members send twenty messages each to one provider, of which `count` end so."""
        for n in range(10):
            other: dict[str, Any] = {
                "did": f"did:plc:other{n}",
                "provider": "big.example",
                "domain": f"other{n}.example",
            }
            story.batch(*letters(story, 20 - count, **other), *letters(story, count, outcome, **other))

    def test_an_excess_over_the_pool_at_one_provider_throttles_and_never_suspends(self, story: "Story") -> None:
        self.pool(story, REFUSED, 1)
        assert story.batch(*letters(story, 50, provider="big.example")) == []
        assert story.batch(*letters(story, 200, REFUSED, provider="big.example")) == [THROTTLED]
        assert restrictions(story) == ["mail-throttled by policy-blocks"]

    def test_a_listing_of_the_shared_address_labels_nobody(self, story: "Story") -> None:
        self.pool(story, REFUSED, 20)
        assert story.batch(*letters(story, 50, REFUSED, provider="big.example")) == []
        assert story.emissions == []

    def test_nor_does_one_that_begins_in_mid_traffic_and_lasts_for_days(self, story: "Story") -> None:
        """Everybody writes to the same people every day: who was refused before counts for the pool all the same."""
        for part in range(6 * 4):
            outcome = GOOD if part < 2 * 4 else REFUSED
            for number, member in product(range(6), range(8)):
                who = 100 * member + 10 * (part % 4) + number
                story.batch(*story.message(outcome, did=f"did:plc:m{member}", recipient=who, provider="big.example"))
            story.wait(hours=6)
        assert {emission.label.val for emission in story.emissions} <= {"clean-sender"}

    def test_four_blocks_are_too_few_to_tell(self, story: "Story") -> None:
        self.pool(story, REFUSED, 0)
        assert story.batch(*letters(story, 4, REFUSED, provider="big.example")) == []


class TestComplaints:
    @staticmethod
    def complain(story: "Story", sent: int, complaints: int) -> list[list[str]]:
        enrol(story)
        mail = letters(story, sent)
        story.batch(*mail)
        story.wait(hours=2)
        return [story.batch(story.about(mail[2 * n], Kind.COMPLAINED)) for n in range(complaints)]

    def test_in_a_small_mailing_the_second_throttles_and_the_third_suspends(self, story: "Story") -> None:
        assert self.complain(story, 60, 3) == [[], [THROTTLED], [SUSPENDED, "-mail-throttled"]]

    def test_three_in_ten_thousand_are_left_alone(self, story: "Story") -> None:
        assert self.complain(story, 10_000, 3) == [[]] * 3

    def test_a_recipient_who_complains_again_and_again_is_one(self, story: "Story") -> None:
        mail = letters(story, 60)
        story.batch(*mail)
        assert [story.batch(story.about(mail[0], Kind.COMPLAINED)) for _ in range(20)] == [[]] * 20


class TestVolume:
    def test_three_times_the_hourly_cap_throttles_and_ten_times_suspends(self, story: "Story") -> None:
        enrol(story, hourly_cap=20, daily_cap=100_000)
        assert story.batch(*letters(story, 60, None)) == []
        assert story.batch(*letters(story, 1, None)) == [THROTTLED]
        assert story.batch(*letters(story, 139, None)) == []
        assert story.batch(*letters(story, 1, None)) == [SUSPENDED, "-mail-throttled"]

    @pytest.mark.parametrize(("refused", "expected"), [(25, ["mail-throttled by sustained-volume"]), (0, [])])
    def test_refused_attempts_count_two_hours_in_a_row(self, story: "Story", refused: int, expected: list[str]) -> None:
        enrol(story, hourly_cap=40)
        for _ in range(2):
            story.batch(*letters(story, 30, None), *(story.event(Kind.REJECTED) for _ in range(refused)))
            story.wait(minutes=65)
        assert restrictions(story) == expected

    def test_one_busy_hour_of_refusals_is_left_alone(self, story: "Story") -> None:
        enrol(story, hourly_cap=40)
        story.batch(*(story.event(Kind.REJECTED) for _ in range(500)))
        story.wait(hours=3)
        assert restrictions(story) == []

    def test_half_as_much_again_as_the_daily_cap_throttles(self, story: "Story") -> None:
        enrol(story, daily_cap=100)
        for _ in range(15):
            assert story.batch(*letters(story, 10, None)) == []
            story.wait(hours=1)
        assert story.batch(*letters(story, 1, None)) == [THROTTLED]

    def test_being_over_the_warm_up_caps_labels_nobody(self, story: "Story") -> None:
        assert enrol(story, tier="new", hourly_cap=100, daily_cap=1000) == ["+relay-member"]
        story.batch(*letters(story, 80, None))
        assert story.wait(days=1) == []
        assert restrictions(story) == []


class TestVelocityAndSpray:
    @pytest.mark.parametrize(("days", "expected"), [(5, []), (8, ["mail-throttled by velocity"])])
    def test_a_burst_to_strangers_tells_only_after_a_week_of_history(
        self, story: "Story", days: int, expected: list[str]
    ) -> None:
        steady_days(story, days)
        for _ in range(45):
            story.batch(*letters(story, 1, None, domains=1))
        assert restrictions(story) == expected

    def test_a_taken_over_account_is_throttled_within_40_and_suspended_within_150(self, story: "Story") -> None:
        steady_days(story, 10)
        caught: dict[str, int] = {}
        for sent in range(1, 151):
            for word in story.batch(*story.message(None, at_domain=f"victim{sent}.example")):
                caught.setdefault(word, sent)
            story.wait(seconds=10)
        assert caught[THROTTLED] <= 40
        assert caught[THROTTLED] < caught[SUSPENDED] <= 150
        assert {finding["rule"] for finding in findings(story)} >= {"velocity", "domain-spray-hour"}

    def test_a_weekly_newsletter_to_known_subscribers_is_left_alone(self, story: "Story") -> None:
        enrol(story, hourly_cap=500, daily_cap=1000)
        for _ in range(6):
            issue = [story.message(recipient=n, at_domain=f"a{n % 120}.example") for n in range(300)]
            story.batch(*(event for message in issue for event in message))
            story.wait(days=7)
        assert restrictions(story) == []

    def test_forty_nine_strangers_at_domains_of_their_own_are_too_few(self, story: "Story") -> None:
        mail = letters(story, 50, None, domains=50)
        assert story.batch(*mail[:49]) == []
        assert story.batch(mail[49]) == [THROTTLED]

    @pytest.mark.parametrize(("usual", "sprays"), [(40, False), (3, True)])
    def test_spray_is_an_excess_over_the_member_s_own_history(
        self, story: "Story", usual: int, *, sprays: bool
    ) -> None:
        number = 0
        for _ in range(21 * 24):  # somebody who writes to firms all day, each at a domain of its own
            for _ in range(an_hour_of(usual, story.now.hour)):
                number += 1
                story.batch(*story.message(at_domain=f"firm{number}.example"))
            story.wait(hours=1)
        for _ in range(10):
            story.batch(*(e for n in range(6) for e in story.message(None, at_domain=f"f{number + n}.example")))
            number += 6
            story.wait(hours=1)
        assert any("domain-spray" in word for word in restrictions(story)) is sprays


class TestAuthMail:
    @pytest.mark.parametrize("category", CODES)
    def test_login_links_to_strangers_throttle(self, story: "Story", category: str) -> None:
        enrol(story)
        story.batch(*letters(story, 40, category=category))
        assert restrictions(story) == ["mail-throttled by auth-mail-strangers"]

    def test_one_code_after_another_to_the_same_people_throttles(self, story: "Story") -> None:
        enrol(story)
        story.batch(*(event for n in range(3) for event in story.message(recipient=n)))
        story.wait(hours=1)
        codes = [story.message(None, recipient=n, category="mfa-otp") for _ in range(10) for n in range(3)]
        assert [story.batch(*code) for code in codes] == [[]] * 28 + [[THROTTLED]] + [[]]
        assert restrictions(story) == ["mail-throttled by auth-mail-flood"]

    def test_an_honest_sign_up_service_is_left_alone(self, story: "Story") -> None:
        enrol(story)
        for first in range(0, 400, 5):
            for category in ("verification", "login-link", "mfa-otp"):
                people = range(first, first + 5)
                mail = [story.message(recipient=n, category=category, at_domain=f"a{n % 5}.example") for n in people]
                story.batch(*(event for message in mail for event in message))
                story.wait(minutes=20)
        assert restrictions(story) == []
