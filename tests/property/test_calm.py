"""A calm member is passed over; nothing that is published may tell."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labeler
from labeler.reputation.inputs import Input, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.policy import parse_policy
from tests.scenes import LOWERED, SCENES, START, Relay, Scene, changed

SHIPPED = (Path(labeler.__file__).parent / "policy.toml").read_text(encoding="utf-8")
FAR = {  # without the rules that look at every busy hour anyway, or at what each recipient's first domain was
    "min_events = 6 }": "min_events = 900 }",
    "min_events = 20 }": "min_events = 900 }",
    "above = 0.5, min_events = 5 }": "above = 0.5, min_events = 900 }",
    "above = 2.5, min_events = 5, min_baseline": "above = 2.5, min_events = 900, min_baseline",
    ", min_entropy = 0.92": "",
}
SRC = "did:web:labeler.example"
NEAR = changed(SHIPPED, LOWERED)
QUIET = changed(NEAR, FAR)


def told(policy: str, log: list[Input]) -> list[list[tuple[bytes, bytes, bool]]]:
    """What a judge says to each record, timers included, as bytes."""
    judge, said = Judge(SRC), []
    judge.step(PolicyActivated(START, policy))
    for record in log:
        emissions = []
        while (due := judge.due()) is not None and due < record.received:
            emissions += judge.step(Tick(due))
        emissions += judge.step(record)
        said.append([(item.label.unsigned_bytes(), item.evidence, item.shadow) for item in emissions])
    return said


def the_same(policy: str, scenes: list[Scene]) -> int:
    """How many labels there were, with the shortcut as without it."""
    log = list(Relay().play(scenes))
    passed_over = told(policy, log)
    with pytest.MonkeyPatch.context() as always_looking:
        always_looking.setattr("labeler.reputation.verdicts.calm", lambda *_: False)
        assert passed_over == told(policy, log)
    return sum(len(step) for step in passed_over)


def test_the_changed_policies_can_be_judged_by() -> None:
    assert [len(parse_policy(text).rules) for text in (NEAR, QUIET)] == [len(parse_policy(SHIPPED).rules)] * 2


HISTORIES = st.lists(SCENES, min_size=3, max_size=14)


@settings(max_examples=200)
@given(HISTORIES)
def test_where_every_bar_is_near_calm_changes_no_byte(scenes: list[Scene]) -> None:
    the_same(NEAR, scenes)


def told_in(*scenes: tuple[float, str, int, int]) -> list[Scene]:
    return [Scene(int(after_s), what, times, number) for after_s, what, times, number in scenes]


CAPS = (0, "enrol", 1, 9)  # ten an hour, 32 a day
PASSED_OVER = {  # each would be missed, were one reason to look forgotten
    "a day's worth": told_in((0, "silent", 13, 0), (1, "silent", 5, 0)),
    "a spray": told_in(CAPS, (0, "new", 1, 0), (1, "spread", 8, 0)),
    "a spray after a lift": told_in(
        CAPS, (0, "new", 6, 0), (1, "lift", 1, 0), (3600, "new", 1, 0), (1, "spread", 6, 0)
    ),
    "domains to known recipients": told_in(CAPS, (0, "known", 10, 0), (1, "again", 10, 0)),
    "names seen long ago": told_in((0, "foreign", 5, 0), (8e5, "new", 1, 0), (20, "foreign", 5, 0)),
    "networks seen long ago": told_in(
        *[(9e3, "roaming", 1, number) for number in range(3)], (9e4, "roaming", 2, 3), (1, "roaming", 3, 0)
    ),
    "the dead": told_in(
        CAPS, (0, "known", 13, 0), (9e3, "bounce", 2, 0), (9e3, "new", 1, 0), (1, "knock", 2, 11), (1, "knock", 2, 11)
    ),
    "the first delivery": told_in(
        CAPS,
        (0, "silent", 13, 0),
        (1, "silent", 13, 0),
        (2e4, "bounce", 2, 0),
        (1, "bounce", 1, 3),
        (1, "deliver", 1, 9),
    ),
    "the end of a grant": told_in(
        (0, "exempt", 1, 9), (300, "silent", 3, 0), (1, "bounce", 3, 0), (3150, "new", 1, 0), (200, "new", 1, 0)
    ),
    "goodness": told_in(CAPS, (0, "new", 13, 0), (1, "new", 3, 0)),
    "a renewal": told_in(CAPS, (0, "new", 13, 0), (1, "new", 4, 0), (129_250, "new", 1, 0), (600, "new", 1, 0)),
    "good mail gone": told_in(
        CAPS, (0, "new", 13, 0), (1, "new", 13, 0), (6e5, "new", 4, 0), (1, "bounce", 3, 0), (9e3, "new", 1, 0)
    ),
}


@pytest.mark.parametrize("scenes", PASSED_OVER.values(), ids=PASSED_OVER)
def test_nobody_is_passed_over_too_long(scenes: list[Scene]) -> None:
    labels = the_same(QUIET, scenes)
    assert labels > (CAPS in scenes), "something is said, besides the membership"


@settings(max_examples=200)
@given(HISTORIES)
def test_nor_where_hardly_anybody_is_busy(scenes: list[Scene]) -> None:
    the_same(QUIET, scenes)


@settings(max_examples=100)
@given(HISTORIES)
def test_nor_where_a_rule_is_in_shadow(scenes: list[Scene]) -> None:
    shadow = {f'id = "{rule}"': f'id = "{rule}"\nmode = "shadow"' for rule in ("daily-volume", "invalid-recipients")}
    the_same(changed(QUIET, shadow), scenes)


@settings(max_examples=60)
@given(HISTORIES)
def test_nor_under_the_policy_we_ship(scenes: list[Scene]) -> None:
    the_same(SHIPPED, [scene._replace(times=scene.times * 6) for scene in scenes])
