"""What is foretold, in the corners: shadow, suspensions to come, answers owed, every kind of bar."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.counterfactuals import headroom
from labeler.reputation.events import Kind
from labeler.reputation.findings import Finding, Met, Severity
from labeler.reputation.inputs import Question
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Policy
from labeler.reputation.standing import standing

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

MEMBER = "did:plc:member"


def clears(story: "Story") -> dict[str, Any]:
    (only,) = standing(story.judge, MEMBER, story.now).full()["clears"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize(
    ("rule", "measured", "remaining"),
    [
        ("velocity", Measurement(5, 2, 0.0, 5, (1.0, 1.0)), 15),
        ("policy-blocks", Measurement(1, 20, 0.05, 1, (0, 1_000), "big"), 4),
        ("policy-blocks", Measurement(1, 20, 0.0, 1), 10_000),
        ("dead-addresses", Measurement(4, 1, 4.0, 4), 6),
        ("domain-spray", Measurement(40, 45, 40 / 45, 45), 5),
        ("invalid-recipients", Measurement(0, 0, 0.0, 0), 3),
    ],
)
def test_headroom_of_every_kind_of_bar(policy: Policy, rule: str, measured: Measurement, remaining: int) -> None:
    found = next(item for item in policy.rules if item.id == rule)
    record = headroom(Finding(found, measured, Severity.NONE, found.throttle, holds=False))
    assert record["remaining"] == remaining


def test_what_only_a_condition_holds_back_says_so(policy: Policy) -> None:
    rule = next(item for item in policy.rules if item.id == "domain-spray")
    missed = (Met("min_excess", 3.0, 1.0, enough=False),)
    finding = Finding(rule, Measurement(60, 60, 1.0, 60), Severity.NONE, rule.throttle, holds=True, conditions=missed)
    assert headroom(finding)["text"] == "only its conditions keep domain-spray from firing"


def test_under_a_policy_in_shadow_what_was_set_ends_as_dated(begin: Callable[..., "Story"], shipped: str) -> None:
    story = begin()
    story.mail(good=5, bad=3)
    story.activate(shipped.replace('mode = "enforce"', 'mode = "shadow"'))
    assert clears(story)["text"] == "The policy is in shadow: what was set before ends as dated."


def test_what_breaker_holds_back_may_follow_in_silence(begin: Callable[..., "Story"], shipped: str) -> None:
    story = begin(shipped.replace("breaker_count = 2", "breaker_count = 1"))
    story.mail(good=5, bad=9, did="did:plc:other")
    story.mail(good=5, bad=9)
    assert story.active() == {"mail-throttled"}
    assert clears(story)["text"].endswith("without any mail a suspension may follow.")
    assert "mail-suspended" not in story.active()


def test_an_answer_owed_is_asked_for(begin: Callable[..., "Story"], shipped: str) -> None:
    story = begin(shipped.replace("auto_ask = false", "auto_ask = true"))
    story.batch(story.event(Kind.ABUSE_REPORTED))
    story.wait(hours=47)
    story.batch(story.event(Kind.ACCEPTED))
    story.wait(hours=2)
    assert story.active() == {"mail-throttled"}
    assert clears(story)["text"].startswith("unanswered-reports ends when the report is answered")


def test_a_deadline_to_come_is_looked_at(story: "Story") -> None:
    story.mail(good=5, bad=3)
    story.judge.step(Question(story.now, "did:plc:operator", MEMBER))
    assert clears(story)["text"].endswith("without any mail a suspension may follow.")


def test_deliveries_of_the_hour_the_throttle_began_in_prove_nothing(begin: Callable[..., "Story"]) -> None:
    story = begin()
    story.now += timedelta(minutes=20)
    story.mail(good=5, bad=3)
    assert ", sent from 2026-03-06T13:00:00.000Z on, lift it at 2026-03-07T12:20:00.000Z" in clears(story)["text"]


def test_what_fades_by_the_hold_says_when(story: "Story") -> None:
    story.batch(*(event for n in range(60) for event in story.message(at_domain=f"d{n}.example")))
    assert "domain-spray-hour ends by " in clears(story)["text"]


def test_before_the_first_delivery_it_reckons_with_those_reached_alone(story: "Story") -> None:
    """Until then a rate is out of all addressed; with the first delivery it would be 3 of 4, and the promise broken."""
    mail = [event for _ in range(14) for event in story.message(None)]
    story.batch(*mail)
    assert story.batch(*(story.about(event, Kind.BOUNCED, status="5.1.1") for event in mail[:3])) == ["+mail-throttled"]
    story.wait(hours=2)
    story.batch(*(event for _ in range(100) for event in story.message(None)))
    assert (clears(story)["rules"], clears(story)["deliveries"]) == ([], 98)
    story.mail(good=98)
    story.wait(hours=22)
    assert story.active() == set()
