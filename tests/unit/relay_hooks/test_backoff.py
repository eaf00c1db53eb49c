"""Waits grow, stay in bounds, and are not the same for everybody."""

from relay_hooks.backoff import Backoff


def test_waits_double_up_to_the_longest_and_start_again_after_a_success() -> None:
    backoff = Backoff(1.0, 8.0)
    for ceiling in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert ceiling / 2 <= backoff.next() <= ceiling
    backoff.reset()
    assert backoff.next() <= 1.0


def test_waits_are_drawn_so_that_relays_do_not_come_back_together() -> None:
    assert len({Backoff(1.0, 60.0).next() for _ in range(20)}) > 1


def test_a_thousand_failures_overflow_nothing() -> None:
    backoff = Backoff(1.0, 60.0)
    assert max(backoff.next() for _ in range(2_000)) <= 60.0
