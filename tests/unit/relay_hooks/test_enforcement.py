"""From labels to SMTP replies: the table, the hours, and that nothing is ever raised into the mail path."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from labeler.atproto.label import Label
from labeler.reputation import definitions
from relay_hooks import enforcement
from relay_hooks.cache import LabelCache
from relay_hooks.enforcement import Accept, Defer, Enforcer, Reject, Transaction, Verdict

SRC = "did:web:labeler.test"
ALICE, BOB = "did:plc:alice", "did:plc:bob"
NOW = datetime(2026, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
URL = "https://labeler.test"

MakeLabel = Callable[..., Label]
Labelled = Callable[..., LabelCache]


@pytest.fixture
def labelled(label: MakeLabel) -> Labelled:
    """Return a maker of caches in which ALICE, or `did`, has these values."""

    def make(*values: str, did: str = ALICE, **fields: str) -> LabelCache:
        cache = LabelCache(SRC)
        for seq, val in enumerate(values, 1):
            cache.apply(label(uri=did, val=val, **fields), seq)
        return cache

    return make


def kind(verdict: Verdict) -> str:
    """Show a verdict as the table does: its type, and code and status of its reply."""
    return "Accept" if isinstance(verdict, Accept) else f"{type(verdict).__name__} {verdict.reply[:9]}"


@pytest.mark.parametrize("stale", [False, True], ids=["fresh", "stale"])
@pytest.mark.parametrize("category", ["bulk", "mfa-otp"])
@pytest.mark.parametrize(
    ("values", "used_up", "expected"),
    [
        ((), True, "Accept"),
        (("relay-member", "clean-sender"), True, "Accept"),
        (("some-future-label",), True, "Accept"),
        (("mail-throttled",), False, "Accept"),
        (("mail-throttled",), True, "Defer 451 4.7.1"),
        (("mail-throttled", "clean-sender"), True, "Defer 451 4.7.1"),
        (("mail-suspended",), False, "Reject 550 5.7.1"),
        (("mail-suspended", "mail-throttled"), False, "Reject 550 5.7.1"),
        (("mail-removed",), False, "Reject 550 5.7.1"),
        (("mail-removed", "mail-suspended", "clean-sender"), False, "Reject 550 5.7.1"),
    ],
)
def test_the_table(
    labelled: Labelled, values: Iterable[str], used_up: bool, expected: str, category: str, stale: bool
) -> None:
    """Staleness opens what is throttled and nothing else; the category changes only which hour is charged."""
    enforcer = Enforcer(labelled(*values), standing_url=URL, hourly_cap=5, auth_hourly_cap=5, stale=lambda: stale)
    if used_up:
        enforcer.check(ALICE, ["r@example.com"] * 5, category, NOW)
    if stale and expected.startswith("Defer"):
        expected = "Accept"
    assert kind(enforcer.check(ALICE, ["r@example.com"], category, NOW)) == expected


def test_the_values_are_those_the_labeler_declares() -> None:
    ours = {enforcement.THROTTLED, enforcement.SUSPENDED, enforcement.REMOVED}
    assert ours == definitions.ADVERSE


def test_replies_carry_code_status_and_standing_url(labelled: Labelled) -> None:
    at = f"{URL}/member/{ALICE}"
    removed = Enforcer(labelled("mail-removed"), standing_url=URL + "/").check(ALICE, ["r"], "bulk", NOW)
    assert removed == Reject(f"550 5.7.1 This account was removed from this relay, see {at}")
    throttled = Enforcer(labelled("mail-throttled"), standing_url=URL, hourly_cap=10).check(
        ALICE, ["r"] * 11, "bulk", NOW
    )
    assert throttled == Defer(
        f"451 4.7.1 Mail from this account is limited to 10 recipients an hour, try again in 1 min, see {at}"
    )


def test_the_standing_url_may_be_the_relays_own(labelled: Labelled) -> None:
    enforcer = Enforcer(labelled("mail-suspended"), standing_url="https://relay.test/why/{did}")
    assert enforcer.check(ALICE, ["r"], "bulk", NOW) == Reject(
        f"550 5.7.1 Mail from this account is suspended, see https://relay.test/why/{ALICE}"
    )


@pytest.mark.parametrize("did", ["did:web:localhost%3A8080", "did:example:" + "a" * 2_000])
def test_a_reply_is_one_line_of_at_most_512_octets_whatever_the_did(labelled: Labelled, did: str) -> None:
    """RFC 5321 §4.5.3.1.5."""
    verdict = Enforcer(labelled("mail-suspended", did=did), standing_url=URL).check(did, ["r"], "bulk", NOW)
    assert isinstance(verdict, Reject)
    assert len(verdict.reply) <= 510
    assert verdict.reply.isascii()
    assert verdict.reply.isprintable()
    assert f"see {URL}/member/" in verdict.reply
    assert "%3A" not in verdict.reply  # the DID's own percent sign is escaped once more


def test_the_hour_is_counted_in_recipients_and_refills(labelled: Labelled) -> None:
    enforcer = Enforcer(labelled("mail-throttled"), standing_url=URL, hourly_cap=10)
    assert kind(enforcer.check(ALICE, ["r"] * 7, "bulk", NOW)) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"] * 4, "bulk", NOW)) == "Defer 451 4.7.1"
    assert kind(enforcer.check(ALICE, ["r"] * 3, "bulk", NOW)) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW + timedelta(minutes=6))) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"] * 10, "bulk", NOW + 2 * HOUR)) == "Accept"


def test_one_member_does_not_use_up_anothers_hour(labelled: Labelled, label: MakeLabel) -> None:
    cache = labelled("mail-throttled")
    cache.apply(label(uri=BOB), 9)
    enforcer = Enforcer(cache, standing_url=URL, hourly_cap=1)
    assert [kind(enforcer.check(did, ["r"], "bulk", NOW)) for did in (ALICE, BOB)] == ["Accept", "Accept"]


@pytest.mark.parametrize("category", ["login-link", "password-reset", "mfa-otp", "verification"])
def test_mail_somebody_waits_for_flows_on_within_its_own_cap(labelled: Labelled, category: str) -> None:
    enforcer = Enforcer(labelled("mail-throttled"), standing_url=URL, hourly_cap=1, auth_hourly_cap=2)
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Defer 451 4.7.1"
    assert kind(enforcer.check(ALICE, ["r"], category, NOW)) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"], category, NOW)) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"], category, NOW)) == "Defer 451 4.7.1"


def test_a_label_that_is_over_restricts_nobody(labelled: Labelled) -> None:
    enforcer = Enforcer(labelled("mail-suspended", exp="2026-01-03T00:00:00.000Z"), standing_url=URL)
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW - timedelta(seconds=1))) == "Reject 550 5.7.1"
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Accept"


def test_the_operators_allow_list_outranks_the_labels(labelled: Labelled) -> None:
    cache = labelled("mail-removed")
    assert kind(Enforcer(cache, standing_url=URL, allow=[ALICE]).check(ALICE, ["r"], "bulk", NOW)) == "Accept"
    enforcer = Enforcer(cache, standing_url=URL, allow=["alice.example"])
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW, domain="alice.example")) == "Accept"
    assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW, domain="other.example")) == "Reject 550 5.7.1"


def test_a_removed_members_domain_does_not_come_back_under_another_did(labelled: Labelled) -> None:
    owners = {"spam.example": [ALICE, BOB]}
    enforcer = Enforcer(labelled("mail-removed"), standing_url=URL, domain_owners=lambda d: owners.get(d, ()))
    verdict = enforcer.check(BOB, ["r"], "bulk", NOW, domain="spam.example")
    assert isinstance(verdict, Reject)
    assert verdict.reply.startswith("550 5.7.1 This sending domain was removed")
    assert kind(enforcer.check(BOB, ["r"], "bulk", NOW, domain="bob.example")) == "Accept"
    assert kind(enforcer.check(BOB, ["r"], "bulk", NOW)) == "Accept"


def test_an_error_of_ours_lets_the_mail_pass_and_is_counted(labelled: Labelled) -> None:
    def broken() -> bool:
        raise RuntimeError

    enforcer = Enforcer(labelled("mail-throttled"), standing_url=URL, stale=broken)
    transaction = Transaction(ALICE)
    assert enforcer.check(ALICE, ["r"], "bulk", NOW) == Accept()
    assert enforcer.check_recipient(transaction, NOW) == Accept()
    assert enforcer.check_message(transaction, "bulk", NOW) == Accept()
    assert enforcer.decisions == {"accept error": 3}


def test_decisions_are_counted_by_kind_and_reason(labelled: Labelled) -> None:
    enforcer = Enforcer(labelled("mail-throttled"), standing_url=URL, hourly_cap=1, auth_hourly_cap=1)
    for category in ("bulk", "bulk", "mfa-otp", "mfa-otp"):
        enforcer.check(ALICE, ["r"], category, NOW)
    enforcer.check(BOB, ["r"], "bulk", NOW)
    assert enforcer.decisions == {
        "accept within cap": 1,
        "defer throttled": 1,
        "accept auth mail": 1,
        "defer auth cap": 1,
        "accept unrestricted": 1,
    }


class TestTransactions:
    """RCPT comes before the category is known."""

    @pytest.fixture
    def enforcer(self, labelled: Labelled) -> Enforcer:
        return Enforcer(labelled("mail-throttled"), standing_url=URL, hourly_cap=3, auth_hourly_cap=2)

    @staticmethod
    def recipients(enforcer: Enforcer, transaction: Transaction, count: int) -> list[str]:
        return [kind(enforcer.check_recipient(transaction, NOW))[:5] for _ in range(count)]

    def test_each_recipient_gets_its_own_verdict(self, enforcer: Enforcer) -> None:
        transaction = Transaction(ALICE)
        assert self.recipients(enforcer, transaction, 5) == ["Accep"] * 3 + ["Defer"] * 2
        assert kind(enforcer.check_message(transaction, "bulk", NOW)) == "Accept"
        assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Defer 451 4.7.1"

    def test_authentication_mail_gets_in_when_the_ordinary_hour_is_used_up(self, enforcer: Enforcer) -> None:
        enforcer.check(ALICE, ["r"] * 3, "bulk", NOW)
        transaction = Transaction(ALICE)
        assert self.recipients(enforcer, transaction, 1) == ["Accep"]
        assert kind(enforcer.check_message(transaction, "login-link", NOW)) == "Accept"

    def test_ordinary_mail_that_got_in_that_way_is_deferred_and_costs_nothing(self, enforcer: Enforcer) -> None:
        enforcer.check(ALICE, ["r"] * 3, "bulk", NOW)
        transaction = Transaction(ALICE)
        assert self.recipients(enforcer, transaction, 3) == ["Accep", "Accep", "Defer"]
        assert kind(enforcer.check_message(transaction, "bulk", NOW)) == "Defer 451 4.7.1"
        assert kind(enforcer.check(ALICE, ["r"] * 2, "mfa-otp", NOW)) == "Accept"

    def test_authentication_mail_does_not_eat_into_the_ordinary_hour(self, enforcer: Enforcer) -> None:
        transaction = Transaction(ALICE)
        self.recipients(enforcer, transaction, 2)
        assert kind(enforcer.check_message(transaction, "mfa-otp", NOW)) == "Accept"
        assert kind(enforcer.check(ALICE, ["r"] * 3, "bulk", NOW)) == "Accept"
        assert kind(enforcer.check(ALICE, ["r"], "mfa-otp", NOW)) == "Defer 451 4.7.1"

    def test_authentication_mail_over_its_own_cap_is_paid_from_the_ordinary_hour(self, enforcer: Enforcer) -> None:
        transaction = Transaction(ALICE)
        self.recipients(enforcer, transaction, 3)
        assert kind(enforcer.check_message(transaction, "mfa-otp", NOW)) == "Accept"
        assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Defer 451 4.7.1"

    def test_a_message_that_never_came_is_given_back(self, enforcer: Enforcer) -> None:
        transaction = Transaction(ALICE)
        self.recipients(enforcer, transaction, 3)
        enforcer.cancel(transaction, NOW)
        enforcer.cancel(transaction, NOW)
        assert kind(enforcer.check(ALICE, ["r"] * 3, "bulk", NOW)) == "Accept"
        assert kind(enforcer.check(ALICE, ["r"], "bulk", NOW)) == "Defer 451 4.7.1"

    def test_a_suspension_that_arrives_between_rcpt_and_data_still_counts(
        self, labelled: Labelled, label: MakeLabel
    ) -> None:
        cache = labelled()
        enforcer = Enforcer(cache, standing_url=URL)
        transaction = Transaction(ALICE)
        assert self.recipients(enforcer, transaction, 1) == ["Accep"]
        cache.apply(label(val="mail-suspended"), 1)
        assert kind(enforcer.check_message(transaction, "bulk", NOW)) == "Reject 550 5.7.1"

    def test_a_throttle_that_arrives_between_rcpt_and_data_counts_from_the_next_message(
        self, labelled: Labelled, label: MakeLabel
    ) -> None:
        cache = labelled()
        enforcer = Enforcer(cache, standing_url=URL, hourly_cap=1)
        transaction = Transaction(ALICE)
        self.recipients(enforcer, transaction, 2)
        cache.apply(label(), 1)
        assert kind(enforcer.check_message(transaction, "bulk", NOW)) == "Accept"
