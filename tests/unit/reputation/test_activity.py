"""What people are shown of a member's weeks and of the providers: the numbers the rules count, summed otherwise."""

import pytest

from labeler.reputation import counters
from labeler.reputation.activity import ProviderHealth, Stretch, activity, busiest_providers
from labeler.reputation.pool import Pool
from labeler.reputation.windows import SubjectWindows
from tests.unit.reputation.telemetry import HOUR, circumstances, event

DAY = HOUR - HOUR % 24


def told(*events: tuple[str, int, float]) -> SubjectWindows:
    windows = SubjectWindows()
    for kind, number, hours in events:
        fields = {"status": "5.1.1"} if kind == "bounced" else {}
        fields = {"status": "5.7.1", "provider": "gmx.example"} if kind == "blocked" else fields
        made = event(
            {"blocked": "bounced"}.get(kind, kind), number, hours, recipient_domain=f"d{number}.example", **fields
        )
        windows.record(made, int(made.at.timestamp()), circumstances())
    return windows


def test_nothing_was_done_by_nobody() -> None:
    found = activity(SubjectWindows(), HOUR, 30, 24)
    assert [one.hour for one in found] == [DAY - 24 * back for back in range(29, -1, -1)]
    assert all(one[1:] == (0, 0, 0, 0, 0) for one in found)


def test_everything_is_counted_in_the_stretch_it_was_sent_in() -> None:
    windows = told(
        *(("accepted", 1, -26), ("accepted", 2, -2), ("accepted", 3, -2), ("accepted", 4, -1), ("accepted", 5, 0)),
        *(("bounced", 1, 0), ("bounced", 2, 0), ("complained", 3, 0), ("blocked", 4, 0)),
    )
    assert activity(windows, HOUR, 3, 1) == [
        Stretch(HOUR - 2, 2, 1, 0, 1, 2),
        Stretch(HOUR - 1, 1, 0, 1, 0, 1),
        Stretch(HOUR, 1, 0, 0, 0, 1),
    ]
    assert activity(windows, HOUR, 2, 24) == [Stretch(DAY - 24, 1, 1, 0, 0, 1), Stretch(DAY, 4, 1, 1, 1, 4)]


def test_what_is_too_much_to_be_told_apart_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "EXACT_MAX", 2)
    events = [("accepted", number, -1.0) for number in range(4)] + [("bounced", number, 0.0) for number in range(4)]
    (only,) = activity(told(*events), HOUR, 1, 24)
    assert (only.sent, only.missing, only.complaints) == (4, None, 0)


def pool() -> Pool:
    made = Pool()
    for number in range(10):
        made.answer("big.example", f"did:plc:m{number % 4}", HOUR - 1)
    made.block("big.example", HOUR - 1)
    made.answer("small.example", "did:plc:m1", HOUR)
    made.answer("old.example", "did:plc:m1", HOUR - 24)
    made.answer("down.example", "did:plc:m1", HOUR - 30)
    for hour in (HOUR - 2, HOUR - 1, HOUR):
        made.fail("small.example", f"did:plc:m{HOUR - hour}", hour)
    return made


def test_the_busiest_providers_come_first_and_those_to_blame_before_them() -> None:
    stretches = {"down.example": [(HOUR - 40, HOUR - 30), (HOUR - 3, HOUR - 1)], "big.example": [(HOUR - 9, HOUR - 2)]}
    assert busiest_providers(pool(), stretches, HOUR, 9) == [
        ProviderHealth("down.example", 0, 0, 0, 0, True),
        ProviderHealth("big.example", 4, 10, 1, 0, False),
        ProviderHealth("small.example", 1, 1, 0, 2, False),
    ]
    assert [one.name for one in busiest_providers(pool(), {}, HOUR, 1)] == ["big.example"]
    assert busiest_providers(Pool(), {"gone.example": [(HOUR, HOUR)]}, HOUR, 9) == []
