"""A throttled member does what its standing says, and the run knows whether that was true."""

from datetime import datetime

import pytest

from labeler.reputation.judge import Judge
from labeler.reputation.standing import Standing, standing
from labeler.simulation import counterfactual
from labeler.simulation.events_path import EventsPath
from labeler.simulation.mail import Fate, Reaction
from tests.unit.simulation.conftest import HOUR, Play, script

BAD = [Fate.INVALID] * 3 + [Fate.DELIVERED] * 97
AT = [place * HOUR // 4 for place in range(100)]


@pytest.mark.parametrize("reaction", [Reaction.DELIVER, Reaction.KEEP_SILENT])
def test_a_throttle_goes_when_it_was_said_to(play: Play, reaction: Reaction) -> None:
    told = play([script(AT, BAD, at_a_throttle=reaction)], EventsPath())
    assert told.changes[0] == "+mail-throttled"
    assert told.outcomes[0].cleared is True
    assert told.outcomes[0].transitions == 2


def test_who_goes_on_was_not_tried(play: Play) -> None:
    assert play([script(AT, BAD)], EventsPath()).outcomes[0].cleared is None


@pytest.mark.parametrize(
    ("reaction", "wrong"),
    [
        (Reaction.DELIVER, {"deliveries": 5}),
        (Reaction.DELIVER, {"notBefore": "2026-03-20T00:00:00.000Z"}),
        (Reaction.KEEP_SILENT, {"at": "2026-03-02T12:00:00.000Z"}),
        (Reaction.KEEP_SILENT, {"at": "2026-04-02T12:00:00.000Z"}),
    ],
)
def test_a_wrong_foretelling_is_noticed(
    play: Play, monkeypatch: pytest.MonkeyPatch, reaction: Reaction, wrong: dict[str, object]
) -> None:
    def lie(judge: Judge, did: str, now: datetime) -> Standing:
        told = standing(judge, did, now)
        told.private["clears"] = [{**record, **wrong} for record in told.private["clears"]]
        return told

    monkeypatch.setattr(counterfactual, "standing", lie)
    assert play([script(AT, BAD, at_a_throttle=reaction)], EventsPath()).outcomes[0].cleared is False


def test_where_deliveries_are_not_promised_to_help_nothing_is_broken(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quiet(judge: Judge, did: str, now: datetime) -> Standing:
        told = standing(judge, did, now)
        for record in told.private["clears"]:
            record.pop("deliveries", None)
        return told

    monkeypatch.setattr(counterfactual, "standing", quiet)
    told = play([script(AT, BAD, at_a_throttle=Reaction.DELIVER)], EventsPath())
    assert told.outcomes[0].cleared is None
