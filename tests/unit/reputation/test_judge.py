"""The fold: records in, label changes out."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from labeler.reputation.decisions import Member
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, Decision, Input, PolicyActivated, Tick, decode_input, encode_input
from labeler.reputation.judge import DEFAULT_CAPS, Judge
from tests.unit.reputation.conftest import Story, evidence

MEMBER, RELAY, OTHER = "did:plc:member", "did:web:relay.example", "did:web:other.example"
HOUR = timedelta(hours=1)
GOOD, BAD = "2.0.0", "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"
BAR = "throttle = { above = 0.05, confidence = 0.995, min_events = 3 }"


def cts(story: Story, val: str) -> list[str]:
    return [emission.label.cts for emission in story.emissions if emission.label.val == val]


class TestInvalidRecipients:
    def test_1_bounce_in_13_sends_twice_in_one_weekend_never_throttled(self, story: Story) -> None:
        """The two-person shop (the case of a tenant that was suspended twice in one weekend elsewhere)."""
        saturday = story.one_by_one([GOOD] * 7 + [BAD] + [GOOD] * 5)
        story.wait(days=1)
        sunday = story.one_by_one([GOOD] * 12 + [BAD])
        assert saturday == sunday == [[]] * 13
        assert story.wait(days=30) == []
        assert story.emissions == []

    def test_the_third_bounce_of_a_list_buyer_throttles_and_not_the_second(self, story: Story) -> None:
        changes = story.one_by_one([GOOD, BAD, GOOD, GOOD, BAD, GOOD, BAD])
        assert changes == [[]] * 6 + [[THROTTLED]]

    def test_then_suspends_and_the_throttle_ends_after_the_suspension_began(self, story: Story) -> None:
        story.one_by_one([GOOD, BAD, GOOD, BAD, GOOD, BAD, BAD])
        assert story.one_by_one([BAD]) == [[SUSPENDED, "-mail-throttled"]]
        assert story.active() == {"mail-suspended"}
        suspension, lift = story.emissions[-2:]
        assert suspension.label.exp == "2026-03-20T12:07:00.000Z"
        assert lift.reason == "replaced by the suspension"

    def test_a_strong_case_in_one_batch_is_suspended_at_once(self, story: Story) -> None:
        assert story.mail(good=5, bad=5) == [SUSPENDED]

    @pytest.mark.parametrize("status", ["5.7.1", "5.2.2", "4.1.1", "4.4.7", "5.7.26", "5.4.4"])
    def test_policy_blocks_and_temporary_failures_never_count(self, story: Story, status: str) -> None:
        assert story.batch(*(event for _ in range(45) for event in story.message(status))) == []

    def test_one_dead_address_is_one_however_often_it_bounces(self, story: Story) -> None:
        assert story.batch(*(event for _ in range(20) for event in story.message(BAD, recipient=7))) == []


class TestForgedBounces:
    @staticmethod
    def forged(story: Story, count: int) -> list[SendEvent]:
        return [
            story.event(Kind.BOUNCED, message_id=f"guess {n}", recipient=f"{n:032x}", status=BAD) for n in range(count)
        ]

    def test_never_judge_anyone_in_either_order(self, story: Story) -> None:
        assert story.batch(*self.forged(story, 50)) == []
        assert story.mail(good=10) == []
        assert story.batch(*self.forged(story, 50)) == []
        assert story.wait(days=20) == []

    def test_another_relay_s_bounces_of_the_same_messages_do_not_bind(self, story: Story) -> None:
        mail = [event for _ in range(10) for event in story.message(BAD)]
        accepted, bounced = mail[::2], mail[1::2]
        assert story.batch(*accepted) == []
        assert story.batch(*bounced, relay=OTHER) == []
        assert story.batch(*bounced) == [SUSPENDED]

    def test_true_ones_bind_when_the_acceptance_comes_late(self, story: Story) -> None:
        mail = [event for _ in range(10) for event in story.message(BAD)]
        assert story.batch(*mail[1::2]) == []
        story.wait(days=6)
        assert story.batch(*mail[::2]) == [SUSPENDED]


class TestVolumeSprayComplaints:
    def test_mail_far_above_the_hourly_cap_throttles_and_a_runaway_suspends(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=20, daily_cap=10_000))
        send = [event for _ in range(200) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:60]) == []
        assert story.batch(send[60]) == [THROTTLED]
        assert story.batch(*send[61:]) == []
        assert story.batch(*story.message(None)) == [SUSPENDED, "-mail-throttled"]

    def test_default_caps_are_the_policy_s(self, story: Story) -> None:
        send = [event for _ in range(301) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:300]) == []
        assert story.batch(send[300]) == [THROTTLED]

    def test_an_hour_later_the_hour_is_over(self, story: Story) -> None:
        send = [event for _ in range(300) for event in story.message(None, at_domain="one.example")]
        story.batch(*send)
        story.wait(minutes=59)
        assert story.batch(story.event(Kind.ACCEPTED)) == [THROTTLED]
        story.wait(days=2)
        story.batch(*(event for _ in range(300) for event in story.message(None, at_domain="one.example")))
        story.wait(minutes=61)
        assert story.batch(story.event(Kind.ACCEPTED)) == []

    def test_more_than_agreed_over_a_day_throttles(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=10_000, daily_cap=100))
        send = [event for _ in range(151) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:75]) == []
        story.wait(hours=12)
        again = [story.event(Kind.ACCEPTED, message_id=event.id, recipient=event.recipient) for event in send[75:]]
        assert story.batch(*again[:75]) == []
        assert story.batch(again[75]) == [THROTTLED]

    def test_strangers_each_at_a_domain_of_their_own_throttle(self, story: Story) -> None:
        send = [event for n in range(50) for event in story.message(None, at_domain=f"d{n}.example")]
        assert story.batch(*send[:49]) == []
        assert story.batch(send[49]) == [THROTTLED]

    def test_known_contacts_each_at_a_domain_of_their_own_do_not(self, story: Story) -> None:
        for day in range(3):
            story.batch(
                *(e for n in range(50) for e in story.message(GOOD, recipient=n, at_domain=f"d{n % 30}.example"))
            )
            story.wait(days=1 + day)
        send = [event for n in range(50) for event in story.message(None, recipient=n, at_domain=f"d{n}.example")]
        assert story.batch(*send) == []

    def test_spray_and_bounces_together_suspend(self, story: Story) -> None:
        changes = story.batch(
            *(e for n in range(60) for e in story.message(BAD if n % 8 == 0 else GOOD, at_domain=f"d{n}.example"))
        )
        assert changes == [SUSPENDED]
        assert "; " in story.last().reason

    def test_complaints_throttle_and_more_suspend(self, story: Story) -> None:
        mail = [event for _ in range(250) for event in story.message(GOOD)]
        story.batch(story.event(Kind.ENROLLED, hourly_cap=10_000, daily_cap=10_000))
        assert story.batch(*mail) == ["+clean-sender"]
        changes = [story.batch(story.about(event, Kind.COMPLAINED)) for event in mail[1::2][:4]]
        assert changes == [[], [THROTTLED, "-clean-sender"], [], [SUSPENDED, "-mail-throttled"]]


class TestEnrolment:
    def test_membership_is_said_and_taken_back(self, story: Story) -> None:
        assert story.batch(story.event(Kind.ENROLLED, tier="established", daily_cap=50)) == ["+relay-member"]
        member = story.judge.subjects[MEMBER].member
        assert (member.enrolled, member.tier, story.judge.caps(member, story.now).hourly) == (True, "established", 100)
        assert story.judge.caps(member, story.now).daily == 50
        assert story.batch(story.event(Kind.ENROLLED)) == []
        assert (member.tier, member.daily_cap) == ("new", None)
        assert story.batch(story.event(Kind.UNENROLLED)) == ["-relay-member"]
        assert not member.enrolled

    def test_within_a_batch_and_across_batches_time_decides(self, story: Story) -> None:
        joined = story.event(Kind.ENROLLED, at=story.now - HOUR)
        left = story.event(Kind.UNENROLLED)
        assert story.batch(left, joined) == ["+relay-member", "-relay-member"]
        late = story.event(Kind.ENROLLED, at=story.now - HOUR / 2, daily_cap=1)
        assert story.batch(late) == []
        assert not story.judge.subjects[MEMBER].member.enrolled

    def test_what_is_older_than_all_that_is_known_changes_nothing(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=7))
        for kind in (Kind.ENROLLED, Kind.UNENROLLED):
            assert story.batch(story.event(kind, at=story.now - HOUR, hourly_cap=1)) == []
        member = story.judge.subjects[MEMBER].member
        assert (member.enrolled, member.hourly_cap) == (True, 7)

    def test_caps_agreed_in_a_batch_count_for_its_mail(self, story: Story) -> None:
        send = [event for _ in range(400) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send, story.event(Kind.ENROLLED, hourly_cap=1_000)) == ["+relay-member"]

    def test_membership_works_without_a_policy(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        assert story.batch(story.event(Kind.ENROLLED)) == ["+relay-member"]
        assert "policy" not in evidence(story.last())
        assert story.judge.policy_hash is None
        assert story.judge.caps(Member(), story.now) == DEFAULT_CAPS


class TestTheStream:
    @pytest.mark.row(34)
    def test_cts_is_strictly_increasing_per_label_even_within_one_millisecond(self, story: Story) -> None:
        for _ in range(3):
            story.decide(apply=["mail-throttled"], hours=5)
            story.decide(negate=["mail-throttled"])
        stamps = cts(story, "mail-throttled")
        assert stamps == sorted(set(stamps)) == [f"2026-03-06T12:00:00.00{digit}Z" for digit in range(6)]

    def test_finer_moments_than_a_label_can_say_are_cut_off(self, begin: Callable[..., Story]) -> None:
        story = begin(start=datetime.fromisoformat("2026-03-06T12:00:00.000100Z"))
        for micro in (100, 300, 700):
            story.now = story.now.replace(microsecond=micro)
            story.decide(apply=["mail-throttled"], hours=1)
        assert cts(story, "mail-throttled") == [f"2026-03-06T12:00:00.00{digit}Z" for digit in range(3)]
        (label,) = story.judge.subjects[MEMBER].member.active.values()
        assert label.exp == datetime.fromisoformat("2026-03-06T13:00:00Z")

    def test_subjects_are_judged_in_the_order_of_their_dids(self, story: Story) -> None:
        mail = [
            e for did in ("did:plc:c", "did:plc:a", "did:plc:b") for _ in range(3) for e in story.message(BAD, did=did)
        ]
        story.batch(*mail)
        assert [emission.label.uri for emission in story.emissions] == ["did:plc:a", "did:plc:b", "did:plc:c"]

    @pytest.mark.row(4, 9, 33, 74)
    def test_a_label_says_who_what_when_and_until(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        emission = story.last()
        assert emission.label.unsigned() == {
            "ver": 1,
            "src": "did:web:labeler.example.com",
            "uri": MEMBER,
            "val": "mail-throttled",
            "cts": "2026-03-06T12:00:00.000Z",
            "exp": "2026-03-07T12:00:00.000Z",
        }
        assert (emission.actor, emission.rule) == ("invalid-recipients", "invalid-recipients")
        assert emission.received == story.now
        assert evidence(emission)["policy"] == story.judge.policy_hash

    def test_deciding_twice_changes_nothing(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        story.mail(good=100, did="did:plc:good")
        for did, subject in sorted(story.judge.subjects.items()):
            assert story.judge._judge(did, subject, story.now) == []
        assert story.batch() == []

    @pytest.mark.row(49)
    def test_replay_gives_the_same_bytes(self, story: Story, shipped: str) -> None:
        now = story.now
        mail = tuple(event for _ in range(4) for event in story.message(BAD))
        log: list[Input] = [
            PolicyActivated(now, shipped),
            Batch(now, RELAY, mail),
            Tick(now + 12 * HOUR),
            Decision(now + 13 * HOUR, "did:plc:op", MEMBER, negate=("mail-throttled",)),
        ]
        live, again = Judge("did:web:labeler.example.com"), Judge("did:web:labeler.example.com")
        emitted = [live.step(record) for record in log]
        assert [again.step(decode_input(encode_input(record))) for record in log] == emitted
        assert [len(emissions) for emissions in emitted] == [0, 1, 1, 1]


class TestPolicyChanges:
    def test_another_policy_decides_from_the_next_touch_on(self, story: Story, shipped: str) -> None:
        story.mail(good=4, bad=2)
        strict = shipped.replace(BAR, BAR.replace("= 3", "= 2"))
        assert story.activate(strict) == []
        before = story.judge.policy_hash
        assert story.mail(good=1) == [THROTTLED]
        assert evidence(story.last())["policy"] == before
        assert story.activate(shipped) == []
        assert story.judge.policy_hash != before

    def test_a_label_lives_on_under_a_policy_that_would_not_have_set_it(self, story: Story, shipped: str) -> None:
        story.mail(good=5, bad=3)
        story.activate(shipped.replace(BAR, BAR.replace("= 3", "= 9")))
        assert story.wait(hours=23, minutes=59) == []
        assert story.active() == {"mail-throttled"}
        assert story.wait(minutes=1) == []
        assert story.active() == set()


def test_the_breaker_can_be_looked_at(story: Story) -> None:
    story.mail(bad=10)
    assert "mail-suspended" in story.active()
    assert story.judge.breaker.closed is story.judge.may_suspend
