"""Mail tagged as authentication: sign-ups, strangers, and the fourth code in an hour."""

from random import Random

import pytest

from labeler.reputation import auth_mail as module
from labeler.reputation.auth_mail import AuthMailWindows

HOUR = 490_000
ANNE, BERT = "a" * 32, "b" * 32


def codes(number: int, recipient: str = ANNE, hour: int = HOUR, category: str = "mfa-otp") -> AuthMailWindows:
    windows = AuthMailWindows()
    for _ in range(number):
        windows.accept(category, recipient, hour, stranger=False)
    return windows


class TestStrangers:
    @pytest.mark.parametrize("category", ["login-link", "password-reset", "mfa-otp"])
    @pytest.mark.parametrize("stranger", [True, False])
    def test_logins_of_strangers_are_counted_beside_all_logins(self, category: str, stranger: bool) -> None:
        windows = AuthMailWindows()
        windows.accept(category, ANNE, HOUR, stranger=stranger)
        assert (windows.tagged.count(HOUR), windows.strangers.count(HOUR)) == (1, int(stranger))

    def test_whoever_signs_up_is_a_stranger_rightly(self) -> None:
        windows = AuthMailWindows()
        windows.accept("verification", ANNE, HOUR, stranger=True)
        assert (windows.tagged.total, windows.strangers.total) == (0, 0)


class TestRepeats:
    @pytest.mark.parametrize(("number", "repeats", "people"), [(1, 0, 0), (3, 0, 0), (4, 1, 1), (10, 7, 1)])
    @pytest.mark.parametrize("category", ["mfa-otp", "verification"])
    def test_three_an_hour_need_no_explanation(self, number: int, repeats: int, people: int, category: str) -> None:
        windows = codes(number, category=category)
        assert (windows.repeats.count(HOUR), windows.pestered.count(HOUR)) == (repeats, people)

    def test_each_hour_and_each_person_has_three(self) -> None:
        windows = AuthMailWindows()
        for hour in (HOUR, HOUR + 1):
            for recipient in (ANNE, BERT):
                for _ in range(3):
                    windows.accept("mfa-otp", recipient, hour, stranger=False)
        assert windows.repeats.total == 0
        windows.accept("login-link", BERT, HOUR + 1, stranger=False)
        assert (windows.repeats.count(HOUR + 1), list(windows.pestered.items(0))) == (1, [BERT])

    def test_the_order_they_are_told_in_does_not_matter(self) -> None:
        random = Random(8)
        told = [(random.choice([ANNE, BERT]), HOUR + random.randrange(3)) for _ in range(40)]
        one, other = AuthMailWindows(), AuthMailWindows()
        for recipient, hour in told:
            one.accept("mfa-otp", recipient, hour, stranger=False)
        for recipient, hour in random.sample(told, len(told)):
            other.accept("mfa-otp", recipient, hour, stranger=False)
        beyond = sum(max(0, told.count(pair) - 3) for pair in set(told))
        assert one.repeats.total == other.repeats.total == beyond
        assert one.pestered.last == other.pestered.last


def test_memory_of_the_last_hour_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RECENT_MAX", 10)
    windows = AuthMailWindows()
    for n in range(1_000):
        windows.accept("mfa-otp", f"{n:032x}", HOUR, stranger=True)
        assert len(windows._recent) <= 10
    for _ in range(4):
        windows.accept("mfa-otp", ANNE, HOUR, stranger=True)
    assert windows.repeats.total == 1, "the newest are remembered"
    assert windows.tagged.total == 1_004


def test_hours_are_forgotten_in_all_counts() -> None:
    windows = codes(5)
    windows.accept("mfa-otp", BERT, HOUR, stranger=True)
    windows.expire(HOUR)
    assert (windows.tagged.total, windows.strangers.total, windows.repeats.total, windows.pestered.size) == (6, 1, 2, 1)
    windows.expire(HOUR + 1)
    assert (windows.tagged.total, windows.strangers.total, windows.repeats.total, windows.pestered.size) == (0, 0, 0, 0)
