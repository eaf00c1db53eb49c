"""Who unsubscribed, and who works around it: by another spelling of the address, another domain, another account."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from labeler.reputation import suppression as module
from labeler.reputation.events import AUTH_MAIL, Kind, SendEvent
from labeler.reputation.suppression import SuppressionWindows

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
GRACE_S = 3600
ANNE, BERT = "a" * 32, "b" * 32
SPELT, OTHERWISE = "1" * 32, "2" * 32


def event(kind: Kind = Kind.ACCEPTED, **fields: Any) -> SendEvent:
    known = {"domain": "shop.example", "recipient": ANNE, "recipient_exact": SPELT}
    return SendEvent(id="e", kind=kind, did="did:plc:m", at=NOON, **(known | fields))


def left(**fields: Any) -> SuppressionWindows:
    """Anne unsubscribed at noon."""
    windows = SuppressionWindows()
    windows.unsubscribe(ANNE, NOON_S, event(Kind.UNSUBSCRIBED, **fields))
    return windows


def evasions(windows: SuppressionWindows, hours: float = 2, recipient: str = ANNE, **fields: Any) -> int:
    """How many evasions there are once the recipient was mailed so many hours after noon."""
    windows.tried(recipient, NOON_S + int(hours * 3600), event(**fields), GRACE_S)
    return windows.evaded.count(0)


class TestTheSameMember:
    @pytest.mark.parametrize(
        "fields",
        [{"recipient_exact": OTHERWISE}, {"domain": "other.example"}, {"domain": "mail.shop.example"}],
        ids=["a variant of the address", "another domain", "a domain below"],
    )
    def test_another_way_to_the_same_person_is_evasion(self, fields: dict[str, Any]) -> None:
        assert evasions(left(), **fields) == 1

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"recipient_exact": None},
            {"domain": None},
            {"recipient_exact": None, "domain": None},
            {"domain": "SHOP.Example"},
        ],
        ids=["as it was", "spelling unknown", "domain unknown", "both unknown", "in capitals"],
    )
    def test_the_way_that_was_suppressed_is_the_relay_s_to_stop(self, fields: dict[str, Any]) -> None:
        assert evasions(left(), **fields) == 0

    def test_what_was_not_known_then_cannot_differ_now(self) -> None:
        windows = left(recipient_exact=None, domain=None)
        assert evasions(windows, recipient_exact=OTHERWISE, domain="other.example") == 0

    def test_capitals_at_unsubscription_make_no_other_domain_either(self) -> None:
        windows = left(domain="Shop.EXAMPLE")
        assert evasions(windows) == 0
        assert evasions(windows, domain="other.example") == 1

    def test_nobody_else_was_meant(self) -> None:
        assert evasions(left(), recipient=BERT, recipient_exact=OTHERWISE) == 0

    @pytest.mark.parametrize(("hours", "counted"), [(-1, 0), (0, 0), (0.5, 0), (1, 0), (1.001, 1), (5_000, 1)])
    def test_the_list_has_its_time(self, hours: float, counted: int) -> None:
        assert evasions(left(), hours, domain="other.example") == counted

    @pytest.mark.parametrize("category", sorted(AUTH_MAIL))
    def test_mail_the_person_waits_for_is_no_evasion(self, category: str) -> None:
        assert evasions(left(), category=category, domain="other.example") == 0

    @pytest.mark.parametrize("category", ["bulk", "newsletter", "MFA-OTP", None])
    def test_any_other_category_is(self, category: str | None) -> None:
        assert evasions(left(), category=category, domain="other.example") == 1

    def test_evasions_are_people_not_messages(self) -> None:
        windows = left()
        windows.unsubscribe(BERT, NOON_S, event(Kind.UNSUBSCRIBED))
        assert [evasions(windows, hours, domain="other.example") for hours in (2, 3, 50)] == [1, 1, 1]
        assert evasions(windows, recipient=BERT, domain="other.example") == 2

    def test_an_evasion_counts_in_the_hour_it_happened(self) -> None:
        windows = left()
        evasions(windows, 5, domain="other.example")
        hour = NOON_S // 3600
        assert [windows.evaded.count(hour + hours) for hours in (5, 6)] == [1, 0]


class TestTheFirstUnsubscription:
    STORY = ((0, "shop.example"), (5, "two.example"), (9, "three.example"))

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_wins_in_whatever_order_they_are_told(self, order: tuple[int, ...]) -> None:
        windows = SuppressionWindows()
        for index in order:
            hours, domain = self.STORY[index]
            windows.unsubscribe(ANNE, NOON_S + hours * 3600, event(Kind.UNSUBSCRIBED, domain=domain))
        assert windows.unsubscribed == {ANNE: (NOON_S, SPELT, "shop.example")}

    def test_cannot_be_moved_by_unsubscribing_again_from_elsewhere(self) -> None:
        windows = left()
        windows.unsubscribe(ANNE, NOON_S + 7200, event(Kind.UNSUBSCRIBED, domain="other.example"))
        assert evasions(windows, 4, domain="other.example") == 1


class TestAnotherMember:
    """Two accounts with one sending domain know each other's lists."""

    @pytest.mark.parametrize(
        ("hours", "fields", "counted"),
        [
            (2, {}, 1),
            (2, {"recipient_exact": OTHERWISE}, 1),
            (1, {}, 0),
            (-1, {}, 0),
            (2, {"category": "mfa-otp"}, 0),
            (2, {"recipient": BERT}, 0),
        ],
        ids=["plainly", "by a variant", "within the grace", "before", "awaited", "somebody else"],
    )
    def test_mailing_who_left_the_other(self, hours: int, fields: dict[str, Any], counted: int) -> None:
        own, other = SuppressionWindows(), left()
        mail = event(**fields)
        own.tried_elsewhere(str(mail.recipient), NOON_S + hours * 3600, mail, GRACE_S, other)
        assert (own.evaded.count(0), other.evaded.count(0)) == (counted, 0)


class TestMemory:
    def test_the_older_half_is_forgotten_when_there_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "UNSUBSCRIBED_MAX", 10)
        windows = SuppressionWindows()
        for n in range(1_000):
            windows.unsubscribe(f"{n:032x}", NOON_S + n, event(Kind.UNSUBSCRIBED))
            assert len(windows.unsubscribed) <= 10
        assert f"{999:032x}" in windows.unsubscribed

    def test_who_left_is_remembered_as_long_as_the_policy_says(self) -> None:
        windows = left()
        windows.unsubscribe(BERT, NOON_S + 10, event(Kind.UNSUBSCRIBED))
        windows.expire(0, NOON_S)
        assert set(windows.unsubscribed) == {ANNE, BERT}
        windows.expire(0, NOON_S + 1)
        assert set(windows.unsubscribed) == {BERT}

    def test_evasions_leave_with_their_window(self) -> None:
        windows, hour = left(), NOON_S // 3600
        evasions(windows, 2, domain="other.example")
        windows.expire(hour + 2, 0)
        assert windows.evaded.count(0) == 1
        windows.expire(hour + 3, 0)
        assert (windows.evaded.count(0), set(windows.unsubscribed)) == (0, {ANNE})


@pytest.fixture
def shop(story: Any) -> Any:
    """A member that sent to somebody who unsubscribed an hour later."""
    message, _ = sent = story.message("2.0.0", recipient=1)
    story.batch(*sent)
    story.wait(hours=1)
    story.batch(story.about(message, Kind.UNSUBSCRIBED))
    story.wait(hours=2)
    return story


def evaded(story: Any, did: str) -> int:
    windows = story.judge.subjects[did].windows.suppression
    return windows.evaded.count(0) if windows is not None else 0


@pytest.mark.parametrize("domain", ["shop.example", "SHOP.example"])
def test_an_account_that_shares_the_domain_is_found_out_whatever_its_spelling(shop: Any, domain: str) -> None:
    shop.batch(*(shop.event(Kind.ENROLLED, did, domain="shop.example") for did in ("did:plc:member", "did:plc:twin")))
    shop.batch(*shop.message(did="did:plc:twin", recipient=1, domain=domain))
    assert (evaded(shop, "did:plc:twin"), evaded(shop, "did:plc:member")) == (1, 0)


def test_an_account_that_shares_it_no_more_is_left_alone(shop: Any) -> None:
    shop.batch(*(shop.event(Kind.ENROLLED, did, domain="shop.example") for did in ("did:plc:member", "did:plc:twin")))
    shop.wait(hours=1)
    shop.batch(shop.event(Kind.UNENROLLED, "did:plc:twin", domain="shop.example"))
    shop.batch(*shop.message(did="did:plc:twin", recipient=1))
    assert evaded(shop, "did:plc:twin") == 0


def test_a_forged_unsubscription_names_nobody(story: Any) -> None:
    """It binds to no message that was accepted, and so nobody's mail becomes evasion."""
    story.batch(story.event(Kind.UNSUBSCRIBED, message_id="guessed", recipient=ANNE, domain="shop.example"))
    story.wait(hours=5)
    story.batch(story.event(Kind.ACCEPTED, message_id="m", recipient=ANNE, domain="other.example"))
    assert evaded(story, "did:plc:member") == 0
