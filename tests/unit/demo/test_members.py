"""The traffic plan, folded offline under the shipped policy: the numbers alone lead to the story."""

import importlib.resources
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from labeler.demo.history import enrolment, last_week
from labeler.demo.members import Member, choir, corner_shop, everyone, list_buyer, newsletter
from labeler.demo.relay import RETRY_S
from labeler.demo.sink import reply_for
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, PolicyActivated
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from relay_hooks.outcomes import new_event_id, outcome_event, read_reply
from relay_hooks.recipients import RecipientHasher

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HASHER = RecipientHasher(b"k" * 16, "test")


class Town:
    """A judge under the shipped policy, fed as the relay would feed it, a second between two batches."""

    def __init__(self) -> None:
        self.judge = Judge("did:web:labeler.example")
        self.now = NOW
        self.labels: list[tuple[str, str]] = []
        policy = importlib.resources.files("labeler").joinpath("policy.toml").read_text(encoding="utf-8")
        self.judge.step(PolicyActivated(self.now, policy))

    def tell(self, events: Iterable[SendEvent]) -> None:
        """Hand in one batch."""
        self.now += timedelta(seconds=1)
        emissions = self.judge.step(Batch(self.now, "did:web:relay.example", tuple(events)))
        self.labels += [
            (emission.label.uri, ("-" if emission.label.neg else "") + emission.label.val) for emission in emissions
        ]

    def join(self, member: Member) -> None:
        """Enrol a member and tell of its last week."""
        self.tell([enrolment(member, self.now), *last_week(member, HASHER, self.now)])

    def send(self, member: Member, address: str) -> SendEvent:
        """Tell of one message accepted and tried once; return the acceptance."""
        accepted = SendEvent(
            id=new_event_id(),
            kind=Kind.ACCEPTED,
            did=member.did,
            at=self.now,
            domain=member.domain,
            message_id=new_event_id(),
            recipient=HASHER.recipient(address),
            recipient_domain=HASHER.domain(address),
        )
        self.tell([accepted, outcome(accepted, address, attempt=1)])
        return accepted

    def standing(self, member: Member) -> str:
        """Say where a member stands."""
        return standing(self.judge, member.did, self.now).state

    def of(self, member: Member) -> list[str]:
        """List the labels issued about a member."""
        return [val for uri, val in self.labels if uri == member.did]


def outcome(accepted: SendEvent, address: str, attempt: int) -> SendEvent:
    """Make the outcome of one attempt."""
    code, _, text = reply_for(address, attempt).partition(" ")
    return outcome_event(accepted, read_reply(int(code), text), accepted.at)


def words(addresses: Sequence[str], word: str) -> list[int]:
    """Count from 1: which addresses have this word."""
    return [number for number, one in enumerate(addresses, 1) if word in one.partition("@")[0].split(".")]


@pytest.mark.parametrize("member", [corner_shop(), newsletter()], ids=lambda member: member.name)
def test_honest_members_stay_clean(member: Member) -> None:
    """Their week earns clean-sender, and today's bounces change nothing."""
    town = Town()
    town.join(member)
    assert town.of(member) == ["relay-member", "clean-sender"]
    for address in member.today:
        accepted = town.send(member, address)
        town.tell([outcome(accepted, address, attempt=2)])
    assert town.of(member) == ["relay-member", "clean-sender"]
    assert town.standing(member) == "good"


def test_the_list_buyer_is_throttled_with_twelve_tried_and_suspended_by_late_bounces() -> None:
    """Until the throttle's hour is used up no bounce suspends; those of the second attempts do."""
    town, member = Town(), list_buyer()
    town.join(member)
    tried = [town.send(member, address) for address in member.today[:12]]
    assert town.of(member) == ["relay-member", "mail-throttled"]
    tried += [town.send(member, address) for address in member.today[12:]]
    assert town.standing(member) == "throttled"
    for number in words(member.today, "grey"):
        town.tell([outcome(tried[number - 1], member.today[number - 1], attempt=2)])
    assert town.of(member) == ["relay-member", "mail-throttled", "mail-suspended", "-mail-throttled"]


def test_no_eleven_of_the_list_are_enough() -> None:
    """Two bounces prove nothing yet."""
    town, member = Town(), list_buyer()
    town.join(member)
    for address in member.today[:11]:
        town.send(member, address)
    assert town.of(member) == ["relay-member"]


def test_second_attempts_of_the_list_begin_after_the_throttle_can_be_felt() -> None:
    """The first greylisted bounce comes back after the 33rd message, which finds the hour used up."""
    member = list_buyer()
    first = words(member.today, "grey")[0]
    assert 2 * (33 - first) * member.pause_s < RETRY_S


@pytest.mark.parametrize(("member", "share"), [(list_buyer(), 0.25), (newsletter(), 0.005), (corner_shop(), 1 / 13)])
def test_shares_of_unknown_recipients(member: Member, share: float) -> None:
    """A quarter of the bought list, half a percent of the newsletter, one of the shop's thirteen."""
    assert len(words(member.today, "gone")) / len(member.today) == share


def test_the_choir_is_clean_until_its_password_is_stolen() -> None:
    """Fifty strangers throttle; sixty-one messages suspend, and seventy would pass under the throttle."""
    town, member = Town(), choir()
    town.join(member)
    assert town.of(member) == ["relay-member", "clean-sender"]
    for address in member.today[:49]:
        town.send(member, address)
    assert town.of(member) == ["relay-member", "clean-sender"]
    town.send(member, member.today[49])
    assert town.of(member)[2:] == ["mail-throttled", "-clean-sender"]
    for address in member.today[50:61]:
        town.send(member, address)
    assert town.of(member)[4:] == ["mail-suspended", "-mail-throttled"]


def test_honest_members_stay_within_what_was_agreed() -> None:
    """Nobody honest sends more today than an hour allows."""
    assert all(len(member.today) < member.hourly_cap for member in everyone() if member.honest)


def test_every_recipient_is_written_to_once_a_day_and_ends_in_example() -> None:
    """No address leads anywhere (RFC 2606)."""
    for member in everyone():
        for addresses in (member.today, [past.address for past in member.past]):
            assert len(set(addresses)) == len(addresses)
            assert all(address.endswith(".example") for address in addresses)
