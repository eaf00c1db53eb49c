"""The acceptable-use page under the policy we ship: who works around it, who is framed, and what people decide."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.definitions import ADVERSE
from labeler.reputation.events import Kind, SendEvent

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

MEMBER, OTHER = "did:plc:member", "did:plc:other"
GOOD, BAD = "2.0.0", "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"
LIFTED = "-mail-throttled"
EVADED = [[], [THROTTLED], [SUSPENDED, LIFTED]]  # the first hit, the second, the third
EXACT, VARIANT = "e" * 32, "f" * 32
URGENCY = {
    "phishing": "immediate", "credential-harvesting": "immediate", "malware": "immediate", "ransomware": "immediate",
    "violence": "immediate", "impersonation": "urgent", "harassment": "urgent", "identity": "urgent",
    "fraud": "urgent", "scam": "urgent", "illegal": "urgent", "unsolicited": "routine", "something-else": "routine",
}  # fmt: skip


def enrol(story: "Story", did: str = MEMBER, domain: str = "shop.example", **fields: Any) -> list[str]:
    """The member has caps far above anything it sends, unless named."""
    caps: dict[str, Any] = {"hourly_cap": 100_000, "daily_cap": 100_000, "tier": "trusted"} | fields
    return story.batch(story.event(Kind.ENROLLED, did, domain=domain, **caps))


def letters(story: "Story", count: int, outcome: str | None = GOOD, domains: int = 7, **fields: Any) -> list[SendEvent]:
    """As many messages to strangers at a few domains."""
    mail = [story.message(outcome, at_domain=f"a{n % domains}.example", **fields) for n in range(count)]
    return [event for message in mail for event in message]


def restricted(story: "Story") -> set[str]:
    """Everybody who ever got an adverse label, with it."""
    labels = (emission.label for emission in story.emissions)
    return {f"{label.uri} {label.val}" for label in labels if label.val in ADVERSE and not label.neg}


def bought_list(story: "Story") -> None:
    """A member is throttled and then suspended for recipients that do not exist."""
    story.batch(*letters(story, 4, BAD))
    story.batch(*letters(story, 4, BAD))
    assert story.active() == {"mail-suspended"}


def leave(story: "Story", people: int = 3) -> None:
    """People unsubscribe, and the list has its time."""
    for n in range(people):
        mail = story.message(recipient=n, recipient_exact=EXACT, domain="shop.example")
        story.batch(*mail, story.about(mail[0], Kind.UNSUBSCRIBED, recipient_exact=EXACT))
    story.wait(hours=2)


class TestSuppression:
    @pytest.mark.parametrize(
        "another_way", [{"recipient_exact": VARIANT}, {"domain": "news.example", "recipient_exact": EXACT}]
    )
    def test_a_variant_or_another_domain_first_nothing_then_throttled_then_suspended(
        self, story: "Story", another_way: dict[str, Any]
    ) -> None:
        leave(story)
        hits = [story.message(recipient=n, **another_way) for n in range(3)]
        assert [story.batch(*hit) for hit in hits] == EVADED

    def test_a_suppressed_attempt_by_a_variant_counts_too(self, story: "Story") -> None:
        leave(story)
        hits = [
            story.event(Kind.SUPPRESSED, recipient=f"{n:032x}", recipient_exact=VARIANT, domain="shop.example")
            for n in range(3)
        ]
        assert [story.batch(hit) for hit in hits] == EVADED

    def test_another_did_on_the_same_domain_is_the_one_who_evades(self, story: "Story") -> None:
        enrol(story)
        enrol(story, OTHER)
        leave(story)
        hits = [story.message(recipient=n, did=OTHER, recipient_exact=EXACT) for n in range(3)]
        assert [story.batch(*hit) for hit in hits] == EVADED
        assert restricted(story) == {f"{OTHER} mail-throttled", f"{OTHER} mail-suspended"}

    def test_another_did_on_a_domain_of_its_own_owes_nothing_to_the_list(self, story: "Story") -> None:
        enrol(story)
        enrol(story, OTHER, "elsewhere.example")
        leave(story)
        for n in range(3):
            assert story.batch(*story.message(recipient=n, did=OTHER, domain="elsewhere.example")) == []

    def test_a_stripped_header_is_an_evasion_a_message(self, story: "Story") -> None:
        stripped = [story.event(Kind.HEADER_STRIPPED, message_id=f"<{n}>", category="newsletter") for n in (0, 0, 1, 2)]
        assert [story.batch(event) for event in stripped] == [[], *EVADED]

    @pytest.mark.parametrize("kind", [Kind.SUPPRESSED, Kind.HEADER_STRIPPED])
    def test_codes_a_person_waits_for_are_no_evasion(self, story: "Story", kind: Kind) -> None:
        leave(story)
        for n in range(3):
            event = story.event(kind, recipient=f"{n:032x}", recipient_exact=VARIANT, category="password-reset")
            assert story.batch(event) == []

    def test_the_same_address_is_quietly_dropped_and_no_evasion(self, story: "Story") -> None:
        leave(story, 20)
        for n in range(20):
            event = story.event(Kind.SUPPRESSED, recipient=f"{n:032x}", recipient_exact=EXACT, domain="shop.example")
            assert story.batch(event) == []


class TestAbuseReports:
    @pytest.mark.parametrize("category", [*URGENCY, None])
    def test_a_category_never_labels_and_says_how_soon_a_human_must_look(
        self, story: "Story", category: str | None
    ) -> None:
        for _ in range(20):
            story.batch(story.event(Kind.ABUSE_REPORTED, category=category))
        told = {notice.text.split(":")[0] for notice in story.judge.notices}
        assert told == {URGENCY.get(category or "", "routine")}
        assert story.notices() == [f"abuse-report {MEMBER}"] * 20
        assert story.wait(days=90) == []
        assert story.emissions == []

    @staticmethod
    def heartbeat(story: "Story", hours: int) -> list[str]:
        """Somebody else's mail goes on, so that the labeler hears the relay all the time."""
        changes = []
        for _ in range(hours):
            changes += story.wait(hours=1)
            changes += story.batch(*story.message(did=OTHER, recipient=1))
        return changes

    def test_an_operator_s_question_and_48_hours_of_silence_suspend(self, story: "Story") -> None:
        story.batch(story.event(Kind.ABUSE_REPORTED, category="fraud"))
        assert story.ask() == []
        assert self.heartbeat(story, 47) == []
        assert self.heartbeat(story, 2) == [SUSPENDED]
        assert story.last().actor == "unanswered-question"

    def test_an_answer_in_time_ends_it(self, story: "Story") -> None:
        story.batch(story.event(Kind.ABUSE_REPORTED, category="fraud"))
        story.ask()
        assert self.heartbeat(story, 47) == []
        assert story.batch(story.event(Kind.ABUSE_ANSWERED)) == []
        assert self.heartbeat(story, 24 * 30) == []

    def test_asked_by_itself_silence_only_throttles_however_many_reports(
        self, begin: Callable[..., "Story"], shipped: str
    ) -> None:
        story = begin(shipped.replace("auto_ask = false", "auto_ask = true"))
        for _ in range(50):
            story.batch(story.event(Kind.ABUSE_REPORTED, category="malware"))
        assert self.heartbeat(story, 49) == [THROTTLED]
        self.heartbeat(story, 24 * 10)
        assert restricted(story) == {f"{MEMBER} mail-throttled"}


class TestTraps:
    def test_traps_must_be_bound_to_mail_the_relay_took(self, story: "Story") -> None:
        for n in range(20):
            trap = story.event(Kind.TRAP_HIT, message_id=f"<guess{n}>", recipient=f"{n:032x}")
            assert story.batch(trap, *story.message()) == []
        assert story.emissions == []

    def test_one_is_an_accident_two_throttle_and_three_suspend(self, story: "Story") -> None:
        mail = letters(story, 60)
        story.batch(*mail)
        hits = [story.batch(story.about(mail[2 * n], Kind.TRAP_HIT)) for n in range(3)]
        assert hits == EVADED
        assert story.last().actor == "spam-traps"

    def test_traps_at_one_domain_throttle_nobody(self, story: "Story") -> None:
        mail = letters(story, 60, domains=1)
        story.batch(*mail)
        assert [story.batch(story.about(mail[2 * n], Kind.TRAP_HIT)) for n in range(20)] == [[]] * 20


class TestRemoval:
    @staticmethod
    def removed(story: "Story") -> None:
        assert enrol(story) == ["+relay-member"]
        assert story.batch(*letters(story, 100)) == ["+clean-sender"]
        changes = story.decide(["mail-removed"])
        assert changes[0] == "+mail-removed"
        assert sorted(changes[1:]) == ["-clean-sender", "-relay-member"]

    def test_it_takes_membership_and_good_name_along_and_stands(self, story: "Story") -> None:
        self.removed(story)
        assert enrol(story) == []
        assert story.wait(days=365) == []
        assert story.active() == {"mail-removed"}

    @pytest.mark.parametrize("domain", ["shop.example", "SHOP.example", "news.shop.example"])
    def test_its_domain_under_another_did_suspends_and_tells_people(self, story: "Story", domain: str) -> None:
        self.removed(story)
        assert enrol(story, OTHER, domain) == ["+relay-member", SUSPENDED]
        assert story.notices() == [f"removed-domain {OTHER}"]
        assert story.active(OTHER) == {"relay-member", "mail-suspended"}

    def test_another_domain_under_another_did_is_nobody_s_business(self, story: "Story") -> None:
        self.removed(story)
        assert enrol(story, OTHER, "elsewhere.example") == ["+relay-member"]
        assert story.notices() == []

    def test_rules_never_remove_anyone(self, story: "Story") -> None:
        enrol(story, hourly_cap=1, daily_cap=1)
        leave(story)
        for n in range(100):
            mail = story.message(BAD, recipient_exact=VARIANT, from_domain=f"x{n}.example", recipient=n)
            story.batch(*mail, story.about(mail[0], Kind.TRAP_HIT), story.about(mail[0], Kind.COMPLAINED))
            story.wait(hours=12)
        assert restricted(story) <= {f"{MEMBER} mail-throttled", f"{MEMBER} mail-suspended"}
        assert f"{MEMBER} mail-suspended" in restricted(story)


class TestWhatPeopleDecide:
    def test_a_lift_keeps_the_rules_away_and_restarts_the_window(self, story: "Story") -> None:
        bought_list(story)
        assert story.decide(negate=["mail-suspended"]) == ["-mail-suspended"]
        story.wait(hours=1)
        assert story.batch(*letters(story, 20)) == []  # what came before counts no more
        assert story.batch(*letters(story, 20, BAD)) == [THROTTLED]
        assert story.batch(*letters(story, 60, BAD)) == []
        story.wait(days=7)
        assert story.batch(*letters(story, 20, BAD)) == [SUSPENDED, LIFTED]

    def test_a_lifted_throttle_does_not_come_back_within_the_week(self, story: "Story") -> None:
        assert story.batch(*letters(story, 4, BAD)) == [THROTTLED]
        assert story.decide(negate=["mail-throttled"]) == [LIFTED]
        story.wait(hours=1)
        assert story.batch(*letters(story, 4, BAD)) == []
        story.wait(days=8)
        assert story.batch(*letters(story, 4, BAD)) == [THROTTLED]

    def test_an_override_exempts_from_a_rule_until_it_ends(self, story: "Story") -> None:
        assert story.override(exempt=("invalid-recipients",), duration_h=24) == []
        assert story.batch(*letters(story, 20, BAD)) == []
        story.wait(hours=25)
        assert story.batch(*story.message()) == [SUSPENDED]

    def test_an_override_raises_the_caps_until_it_ends(self, story: "Story") -> None:
        enrol(story, hourly_cap=20, daily_cap=100_000)
        assert story.override(hourly_cap=500, duration_h=24) == []
        assert story.batch(*letters(story, 250, None)) == []
        story.wait(hours=25)
        assert story.batch(*letters(story, 60, None)) == []
        assert story.batch(*letters(story, 1, None)) == [THROTTLED]

    def test_a_throttle_lasts_a_day_then_three_then_seven(self, story: "Story") -> None:
        terms = []
        for _ in range(4):
            assert story.batch(*letters(story, 301, None, domains=1)) == [THROTTLED]
            label = story.last().label
            assert label.exp is not None
            span = datetime.fromisoformat(label.exp) - datetime.fromisoformat(label.cts)
            terms.append(span.total_seconds() / 3600)
            story.wait(seconds=span.total_seconds(), hours=1)
            assert story.active() == set()
        assert terms == [24, 72, 168, 168]


class TestFraming:
    """Somebody wants a victim off the relay, and knows addresses, or owns domains, or a good many of both."""

    @pytest.mark.parametrize("kind", [Kind.BOUNCED, Kind.COMPLAINED, Kind.UNSUBSCRIBED, Kind.TRAP_HIT])
    def test_forged_outcomes_bind_to_nothing(self, story: "Story", kind: Kind) -> None:
        for n in range(100):
            mail = story.message()
            forged = [
                story.event(kind, status=BAD),
                story.about(mail[0], kind, status=BAD, message_id=f"<guess{n}>"),
                story.about(mail[0], kind, status=BAD, recipient="f" * 32),
            ]
            assert story.batch(*mail, *forged) in ([], ["+clean-sender"])
        story.wait(days=30)
        assert restricted(story) == set()

    @pytest.mark.parametrize("honest", [20, 60, 200, 1000])
    @pytest.mark.parametrize("kind", [Kind.BOUNCED, Kind.COMPLAINED, Kind.TRAP_HIT])
    def test_who_owns_a_domain_or_two_never_gets_a_victim_suspended(
        self, story: "Story", kind: Kind, honest: int
    ) -> None:
        enrol(story)
        owned = 2 if kind is Kind.BOUNCED else 1
        story.batch(*letters(story, honest))
        for n in range(60):
            mail = story.message(None, at_domain=f"evil{n % owned}.example")
            delivered = [] if kind is Kind.BOUNCED else [story.about(mail[0], Kind.DELIVERED)]
            story.batch(*mail, *delivered, story.about(mail[0], kind, status=BAD))
            story.wait(minutes=10)
        story.wait(days=30)
        assert restricted(story) <= {f"{MEMBER} mail-throttled"}

    def test_names_under_one_owned_domain_are_one_domain(self, story: "Story") -> None:
        enrol(story)
        story.batch(*letters(story, 60))
        for n in range(60):
            story.batch(*story.message(BAD, at_domain=f"mx{n}.evil.example"))
        assert restricted(story) <= {f"{MEMBER} mail-throttled"}


class TestNobodyIsSuspendedByASingleEvent:
    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.parametrize("before", [0, 1, 12, 60, 300])
    def test_of_any_kind_after_any_honest_past(self, story: "Story", kind: Kind, before: int) -> None:
        enrol(story, hourly_cap=1000)
        story.batch(*letters(story, before))
        worst: dict[str, Any] = {
            "status": BAD,
            "provider": "big.example",
            "category": "malware",
            "from_domain": "bank.example",
            "client": "c" * 32,
            "hourly_cap": 1000,
            "recipient_exact": VARIANT,
        }
        mail = story.message(None)
        story.batch(*mail)
        story.batch(story.about(mail[0], kind, **worst))
        story.wait(days=30)
        assert restricted(story) == set()

    @pytest.mark.parametrize("kind", [Kind.BOUNCED, Kind.COMPLAINED, Kind.TRAP_HIT, Kind.HEADER_STRIPPED])
    def test_the_same_event_told_a_thousand_times_is_one(self, story: "Story", kind: Kind) -> None:
        mail = story.message()
        story.batch(*mail, *letters(story, 10))
        for _ in range(1000):
            story.batch(story.about(mail[0], kind, status=BAD))
        assert restricted(story) == set()
