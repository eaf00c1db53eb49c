"""The fold: records in, label changes out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from labeler.atproto import cbor
from labeler.reputation import judge as module
from labeler.reputation.decisions import ActiveLabel, Member
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, Decision, Input, PolicyActivated, Tick, decode_input, encode_input
from labeler.reputation.judge import DEFAULT_CAPS, Judge, slate_floor
from labeler.reputation.policy import Policy
from labeler.reputation.windows import HOUR_S, SubjectWindows

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

MEMBER, RELAY, OTHER = "did:plc:member", "did:web:relay.example", "did:web:other.example"
MS, HOUR, DAY = timedelta(milliseconds=1), timedelta(hours=1), timedelta(days=1)
GOOD, BAD = "2.0.0", "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"


def cts(story: "Story", val: str) -> list[str]:
    return [emission.label.cts for emission in story.emissions if emission.label.val == val]


class TestInvalidRecipients:
    def test_1_bounce_in_13_sends_twice_in_one_weekend_never_throttled(self, story: "Story") -> None:
        """The two-person shop (the case of a tenant that was suspended twice in one weekend elsewhere)."""
        saturday = story.one_by_one([GOOD] * 7 + [BAD] + [GOOD] * 5)
        story.wait(days=1)
        sunday = story.one_by_one([GOOD] * 12 + [BAD])
        assert saturday == sunday == [[]] * 13
        assert story.wait(days=30) == []
        assert story.emissions == []

    def test_the_third_bounce_of_a_list_buyer_throttles_and_not_the_second(self, story: "Story") -> None:
        changes = story.one_by_one([GOOD, BAD, GOOD, GOOD, BAD, GOOD, BAD])
        assert changes == [[]] * 6 + [[THROTTLED]]

    def test_then_suspends_and_the_throttle_ends_after_the_suspension_began(self, story: "Story") -> None:
        story.one_by_one([GOOD, BAD, GOOD, BAD, GOOD, BAD, BAD])
        assert story.one_by_one([BAD]) == [[SUSPENDED, "-mail-throttled"]]
        assert story.active() == {"mail-suspended"}
        suspension, lift = story.emissions[-2:]
        assert suspension.label.exp == "2026-03-20T12:07:00.000Z"
        assert lift.reason == "replaced by the suspension"

    def test_a_strong_case_in_one_batch_is_suspended_at_once(self, story: "Story") -> None:
        assert story.mail(good=5, bad=5) == [SUSPENDED]

    @pytest.mark.parametrize("status", ["5.7.1", "5.2.2", "4.1.1", "4.4.7", "5.7.26", "5.4.4"])
    def test_policy_blocks_and_temporary_failures_never_count(self, story: "Story", status: str) -> None:
        assert story.batch(*(event for _ in range(45) for event in story.message(status))) == []

    def test_one_dead_address_is_one_however_often_it_bounces(self, story: "Story") -> None:
        assert story.batch(*(event for _ in range(20) for event in story.message(BAD, recipient=7))) == []


class TestForgedBounces:
    @staticmethod
    def forged(story: "Story", count: int) -> list[SendEvent]:
        return [
            story.event(Kind.BOUNCED, message_id=f"guess {n}", recipient=f"{n:032x}", status=BAD) for n in range(count)
        ]

    def test_never_judge_anyone_in_either_order(self, story: "Story") -> None:
        assert story.batch(*self.forged(story, 50)) == []
        assert story.mail(good=10) == []
        assert story.batch(*self.forged(story, 50)) == []
        assert story.wait(days=20) == []

    def test_another_relay_s_bounces_of_the_same_messages_do_not_bind(self, story: "Story") -> None:
        mail = [event for _ in range(10) for event in story.message(BAD)]
        accepted, bounced = mail[::2], mail[1::2]
        assert story.batch(*accepted) == []
        assert story.batch(*bounced, relay=OTHER) == []
        assert story.batch(*bounced) == [SUSPENDED]

    def test_true_ones_bind_when_the_acceptance_comes_late(self, story: "Story") -> None:
        mail = [event for _ in range(10) for event in story.message(BAD)]
        assert story.batch(*mail[1::2]) == []
        story.wait(days=6)
        assert story.batch(*mail[::2]) == [SUSPENDED]


class TestVolumeSprayComplaints:
    def test_mail_far_above_the_hourly_cap_throttles_and_a_runaway_suspends(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=20, daily_cap=10_000))
        send = [event for _ in range(200) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:60]) == []
        assert story.batch(send[60]) == [THROTTLED]
        assert story.batch(*send[61:]) == []
        assert story.batch(*story.message(None)) == [SUSPENDED, "-mail-throttled"]

    def test_default_caps_are_the_policy_s(self, story: "Story") -> None:
        send = [event for _ in range(301) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:300]) == []
        assert story.batch(send[300]) == [THROTTLED]

    def test_an_hour_later_the_hour_is_over(self, story: "Story") -> None:
        send = [event for _ in range(300) for event in story.message(None, at_domain="one.example")]
        story.batch(*send)
        story.wait(minutes=59)
        assert story.batch(story.event(Kind.ACCEPTED)) == [THROTTLED]
        story.wait(days=2)
        story.batch(*(event for _ in range(300) for event in story.message(None, at_domain="one.example")))
        story.wait(minutes=61)
        assert story.batch(story.event(Kind.ACCEPTED)) == []

    def test_more_than_agreed_over_a_day_throttles(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED, hourly_cap=10_000, daily_cap=100))
        send = [event for _ in range(151) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send[:75]) == []
        story.wait(hours=12)
        again = [story.event(Kind.ACCEPTED, message_id=event.id, recipient=event.recipient) for event in send[75:]]
        assert story.batch(*again[:75]) == []
        assert story.batch(again[75]) == [THROTTLED]

    def test_strangers_each_at_a_domain_of_their_own_throttle(self, story: "Story") -> None:
        send = [event for n in range(50) for event in story.message(None, at_domain=f"d{n}.example")]
        assert story.batch(*send[:49]) == []
        assert story.batch(send[49]) == [THROTTLED]

    def test_known_contacts_each_at_a_domain_of_their_own_do_not(self, story: "Story") -> None:
        for day in range(3):
            story.batch(
                *(e for n in range(50) for e in story.message(GOOD, recipient=n, at_domain=f"d{n % 30}.example"))
            )
            story.wait(days=1 + day)
        send = [event for n in range(50) for event in story.message(None, recipient=n, at_domain=f"d{n}.example")]
        assert story.batch(*send) == []

    def test_spray_and_bounces_together_suspend(self, story: "Story") -> None:
        changes = story.batch(
            *(e for n in range(60) for e in story.message(BAD if n % 8 == 0 else GOOD, at_domain=f"d{n}.example"))
        )
        assert changes == [SUSPENDED]
        assert "; " in story.last().reason

    def test_complaints_throttle_and_one_more_suspends(self, story: "Story") -> None:
        mail = [event for _ in range(300) for event in story.message(GOOD, at_domain="one.example")]
        story.batch(story.event(Kind.ENROLLED, hourly_cap=10_000, daily_cap=10_000))
        assert story.batch(*mail) == ["+clean-sender"]
        complaints = [
            story.event(Kind.COMPLAINED, message_id=event.message_id, recipient=event.recipient)
            for event in mail[1::2][:3]
        ]
        assert story.batch(complaints[0]) == []
        assert story.batch(complaints[1]) == [THROTTLED, "-clean-sender"]
        assert story.batch(complaints[2]) == [SUSPENDED, "-mail-throttled"]


class TestEnrolment:
    def test_membership_is_said_and_taken_back(self, story: "Story") -> None:
        assert story.batch(story.event(Kind.ENROLLED, tier="established", daily_cap=50)) == ["+relay-member"]
        member = story.judge.subjects[MEMBER].member
        assert (member.enrolled, member.tier, story.judge.caps(member).hourly) == (True, "established", 100)
        assert story.judge.caps(member).daily == 50
        assert story.batch(story.event(Kind.ENROLLED)) == []
        assert (member.tier, member.daily_cap) == ("new", None)
        assert story.batch(story.event(Kind.UNENROLLED)) == ["-relay-member"]
        assert not member.enrolled

    def test_within_a_batch_and_across_batches_time_decides(self, story: "Story") -> None:
        joined = story.event(Kind.ENROLLED, at=story.now - HOUR)
        left = story.event(Kind.UNENROLLED)
        assert story.batch(left, joined) == ["+relay-member", "-relay-member"]
        late = story.event(Kind.ENROLLED, at=story.now - HOUR / 2, daily_cap=1)
        assert story.batch(late) == []
        assert not story.judge.subjects[MEMBER].member.enrolled

    def test_caps_agreed_in_a_batch_count_for_its_mail(self, story: "Story") -> None:
        send = [event for _ in range(400) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send, story.event(Kind.ENROLLED, hourly_cap=1_000)) == ["+relay-member"]

    def test_membership_works_without_a_policy(self, begin: Callable[..., "Story"]) -> None:
        story = begin(policy=None)
        assert story.batch(story.event(Kind.ENROLLED)) == ["+relay-member"]
        record = cbor.decode(story.last().evidence)
        assert isinstance(record, dict)
        assert "policy" not in record
        assert story.judge.policy_hash is None
        assert story.judge.caps(Member()) == DEFAULT_CAPS


class TestTheBreaker:
    @staticmethod
    def bad_members(story: "Story", count: int, first: int = 0) -> list[str]:
        """So many list-buyers in one batch."""
        return story.batch(
            *(
                e
                for n in range(first, first + count)
                for _ in range(5)
                for e in story.message(BAD, did=f"did:plc:b{n:03}")
            )
        )

    def test_in_a_small_pool_the_count_limits(self, story: "Story") -> None:
        assert self.bad_members(story, 4) == [SUSPENDED] * 2 + [THROTTLED] * 2

    def test_in_a_large_pool_the_share_limits_rounded_down(self, story: "Story") -> None:
        """5 % of 79 active members are 3.95: three may be suspended, not four."""
        story.batch(*(e for n in range(71) for e in story.message(GOOD, did=f"did:plc:g{n}")))
        changes = self.bad_members(story, 8)
        assert (changes.count(SUSPENDED), changes.count(THROTTLED)) == (3, 5)

    @pytest.mark.parametrize(("good", "allowed"), [(52, 3), (51, 2)])
    def test_a_share_that_comes_out_even_counts_whole(self, story: "Story", good: int, allowed: int) -> None:
        story.batch(*(e for n in range(good) for e in story.message(GOOD, did=f"did:plc:g{n}")))
        assert self.bad_members(story, 8).count(SUSPENDED) == allowed

    def test_it_refills_after_a_day_and_then_holds_nobody_back(self, story: "Story") -> None:
        self.bad_members(story, 3)
        story.wait(hours=23, minutes=59)
        assert story.batch(*story.message(GOOD, did="did:plc:b002")) == []
        assert story.wait(minutes=1) == [SUSPENDED, "-mail-throttled"]
        assert story.last().label.uri == "did:plc:b002"

    def test_an_operator_s_suspensions_do_not_use_it_up(self, story: "Story") -> None:
        for n in range(5):
            story.decide(apply=["mail-suspended"], did=f"did:plc:o{n}")
        assert self.bad_members(story, 2) == [SUSPENDED] * 2


class TestTime:
    @pytest.mark.row(75)
    def test_a_throttle_clears_by_itself_without_a_word(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        assert story.active() == {"mail-throttled"}
        renewals = story.wait(days=9)
        assert set(renewals) == {"~mail-throttled"}
        assert story.active() == set()
        assert story.judge.subjects[MEMBER].member.active == {}
        assert story.judge.due() is None

    @pytest.mark.row(76)
    def test_renewals_come_at_half_life_and_do_not_drift(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        story.wait(days=3)
        spans = [emission.received - story.emissions[0].received for emission in story.emissions]
        assert spans == [number * 12 * HOUR for number in range(7)]
        assert {emission.label.exp for emission in story.emissions[-1:]} == {"2026-03-10T12:00:00.000Z"}

    def test_a_throttle_is_lifted_after_its_hold_once_enough_good_mail_went_out(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        story.wait(hours=23)
        assert story.mail(good=95) == []
        assert story.wait(minutes=59) == []
        assert story.wait(minutes=1) == ["-mail-throttled"]

    def test_mail_of_the_hour_the_throttle_began_in_proves_nothing(self, story: "Story") -> None:
        """Buckets are hours: what may have been sent before the throttle is not taken as after it."""
        story.mail(good=5, bad=3)
        story.wait(minutes=1)
        assert story.mail(good=200) == []
        assert "-mail-throttled" not in story.wait(hours=36)

    def test_what_no_rule_looks_back_to_is_no_fresh_evidence_either(self, policy: Policy) -> None:
        windows, hour = SubjectWindows(), 500_000
        for number, age in enumerate([1, 24, 168, 169, 170, 400]):
            windows.reached.record(f"r{number}", hour - age)
        moment = datetime.fromtimestamp((hour - 300) * HOUR_S, tz=UTC)
        throttled = ActiveLabel(moment, moment, moment + 400 * HOUR, "complaints", False)
        assert Judge._fresh(policy, windows, throttled, hour * HOUR_S) == 3

    def test_repeats_last_24_then_72_hours_then_7_days(self, story: "Story") -> None:
        for hours in (24, 72, 168, 168):
            story.mail(good=5, bad=3)
            label = story.last().label
            assert label.exp is not None
            assert datetime.fromisoformat(label.exp) - datetime.fromisoformat(label.cts) == hours * HOUR
            story.wait(days=16)
            assert story.active() == set()
        story.wait(days=91)
        story.mail(good=5, bad=3)
        assert story.last().label.exp == (story.now + DAY).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def test_a_suspension_nobody_reviewed_lapses_to_a_throttle(self, story: "Story") -> None:
        story.mail(bad=5)
        assert story.wait(days=13, hours=23) == []
        assert story.active() == {"mail-suspended"}
        assert story.wait(hours=1) == [THROTTLED]
        assert (story.active(), story.last().rule) == ({"mail-throttled"}, "unreviewed")
        assert story.wait(days=2) == []
        assert story.active() == set()

    def test_clean_is_said_renewed_and_lapses_when_mail_stops(self, story: "Story") -> None:
        assert story.mail(good=80) == ["+clean-sender"]
        changes = []
        for _ in range(60):
            changes += story.wait(hours=4)
            story.batch(*story.message(None, did="did:plc:somebody-else"))
        assert changes == ["~clean-sender"] * 4, "every 36 hours, while seven days of evidence last"
        assert story.active() == set()

    def test_what_silence_held_back_is_made_up_when_it_ends(self, story: "Story") -> None:
        story.mail(good=80)
        assert story.wait(hours=40) == [], "no renewal in silence"
        assert story.mail(good=1) == ["~clean-sender"]
        assert story.mail(good=1) == []

    def test_in_silence_what_was_good_lapses(self, story: "Story") -> None:
        story.mail(good=80)
        assert story.wait(days=4) == []
        assert story.active() == set()

    def test_in_silence_nobody_is_newly_suspended(self, story: "Story") -> None:
        """Good mail leaves the window, bad mail stays: the rate rises while nothing at all is reported."""
        story.mail(good=25)
        story.wait(days=1)
        story.mail(good=7, bad=5)
        assert story.active() == {"mail-throttled"}
        assert SUSPENDED not in story.wait(days=6, hours=12)
        assert story.active() == {"mail-throttled"}
        story.batch(*story.message(None))
        assert story.active() == {"mail-suspended"}

    def test_a_tick_too_early_or_twice_does_nothing(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        assert story.tick() == []
        story.wait(hours=12)
        assert story.tick() == []

    def test_ticks_before_any_policy_end_what_operators_dated(self, begin: Callable[..., "Story"]) -> None:
        story = begin(policy=None)
        story.decide(apply=["mail-throttled"], hours=1)
        assert story.wait(hours=2) == []
        assert (story.active(), story.judge.due()) == (set(), None)
        assert story.mail(bad=10) == []

    def test_superseded_timers_never_fire(self, story: "Story") -> None:
        story.decide(apply=["mail-throttled"], hours=1)
        story.decide(apply=["mail-throttled"], hours=5)
        story.decide(apply=["mail-throttled"], hours=3)
        assert story.judge.due() == story.now + 3 * HOUR
        story.decide(negate=["mail-throttled"])
        assert story.judge.due() is None


class TestOperators:
    @pytest.mark.row(65, 66)
    def test_a_lift_negates_blocks_and_gives_a_clean_slate(self, story: "Story") -> None:
        story.mail(good=5, bad=10)
        assert story.decide(negate=["mail-suspended", "mail-throttled"]) == ["-mail-suspended"]
        assert story.mail(bad=10) == [], "mail of the lifted hour is forgiven"
        story.wait(hours=1)
        assert story.mail(bad=10) == [], "the rules may not say it again for seven days"
        story.wait(days=7)
        assert story.mail(bad=10) == [SUSPENDED]

    def test_bounces_of_mail_before_the_lift_do_not_count_though_they_come_after(self, story: "Story") -> None:
        old = [event for _ in range(10) for event in story.message(BAD)]
        story.batch(*old[::2])
        story.decide(negate=["mail-suspended", "mail-throttled"], hours=1)
        story.wait(hours=2)
        assert story.batch(*old[1::2]) == []
        assert story.judge.subjects[MEMBER].windows.invalid.count(0) == 10

    def test_a_decision_does_not_need_to_have_met_its_subject(self, story: "Story") -> None:
        assert story.decide(apply=["mail-throttled"], did="did:web:stranger.example") == [THROTTLED]

    def test_what_an_operator_set_is_not_touched_by_rules_until_it_ends(self, story: "Story") -> None:
        story.decide(apply=["mail-throttled"], hours=48)
        assert story.mail(bad=10) == []
        assert story.wait(hours=47) == []
        assert story.wait(hours=1) == [THROTTLED], "in silence nobody is suspended, but the findings stand"

    def test_a_suspension_an_operator_dated_ends_there(self, story: "Story") -> None:
        story.decide(apply=["mail-suspended"], hours=24)
        assert story.wait(days=30) == []
        assert story.active() == set()

    def test_a_suspension_an_operator_confirmed_was_reviewed(self, story: "Story") -> None:
        story.mail(bad=5)
        assert story.decide(apply=["mail-suspended"]) == []
        assert story.wait(days=20) == []
        assert story.active() == set()

    def test_removal_negates_everything_good_and_the_rules_stop(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED))
        story.mail(good=80)
        assert story.active() == {"relay-member", "clean-sender"}
        assert story.decide(apply=["mail-removed"]) == ["+mail-removed", "-clean-sender", "-relay-member"]
        assert story.mail(bad=50) == []
        assert story.batch(story.event(Kind.ENROLLED)) == []
        assert story.wait(days=60) == []
        assert story.active() == {"mail-removed"}

    def test_a_lighter_label_does_not_take_a_removal_back(self, story: "Story") -> None:
        story.decide(apply=["mail-removed"])
        assert story.decide(apply=["mail-throttled"]) == ["+mail-throttled"]
        assert story.decide(negate=["mail-removed"]) == ["-mail-removed"]

    def test_what_came_due_before_a_decision_happens_before_it(self, story: "Story") -> None:
        """The suspension ran out while nobody wrote a tick; a decision about another matter must not swallow it."""
        story.mail(bad=5)
        story.now += 15 * DAY
        assert story.decide(negate=["clean-sender"]) == [THROTTLED]

    def test_a_decision_without_labels_emits_nothing(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        assert story.decide() == []


class TestTheStream:
    @pytest.mark.row(34)
    def test_cts_is_strictly_increasing_per_label_even_within_one_millisecond(self, story: "Story") -> None:
        for _ in range(3):
            story.decide(apply=["mail-throttled"], hours=5)
            story.decide(negate=["mail-throttled"])
        stamps = cts(story, "mail-throttled")
        assert stamps == sorted(set(stamps)) == [f"2026-03-06T12:00:00.00{digit}Z" for digit in range(6)]

    def test_finer_moments_than_a_label_can_say_are_cut_off(self, begin: Callable[..., "Story"]) -> None:
        story = begin(start=datetime.fromisoformat("2026-03-06T12:00:00.000100Z"))
        for micro in (100, 300, 700):
            story.now = story.now.replace(microsecond=micro)
            story.decide(apply=["mail-throttled"], hours=1)
        assert cts(story, "mail-throttled") == [f"2026-03-06T12:00:00.00{digit}Z" for digit in range(3)]
        (label,) = story.judge.subjects[MEMBER].member.active.values()
        assert label.exp == datetime.fromisoformat("2026-03-06T13:00:00Z")

    def test_subjects_are_judged_in_the_order_of_their_dids(self, story: "Story") -> None:
        mail = [
            e for did in ("did:plc:c", "did:plc:a", "did:plc:b") for _ in range(3) for e in story.message(BAD, did=did)
        ]
        story.batch(*mail)
        assert [emission.label.uri for emission in story.emissions] == ["did:plc:a", "did:plc:b", "did:plc:c"]

    @pytest.mark.row(4, 9, 33, 74)
    def test_a_label_says_who_what_when_and_until(self, story: "Story") -> None:
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
        record = cbor.decode(emission.evidence)
        assert isinstance(record, dict)
        assert record["policy"] == story.judge.policy_hash

    def test_deciding_twice_changes_nothing(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        story.mail(good=100, did="did:plc:good")
        for did, subject in sorted(story.judge.subjects.items()):
            assert story.judge._judge(did, subject, story.now) == []
        assert story.batch() == []

    @pytest.mark.row(49)
    def test_replay_gives_the_same_bytes(self, story: "Story", shipped: str) -> None:
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
    def test_another_policy_decides_from_the_next_touch_on(self, story: "Story", shipped: str) -> None:
        story.mail(good=5, bad=2)
        strict = shipped.replace("min_events = 3 }     # 5 %", "min_events = 2 }     # 5 %")
        assert story.activate(strict) == []
        before = story.judge.policy_hash
        assert story.mail(good=1) == [THROTTLED]
        record = cbor.decode(story.last().evidence)
        assert isinstance(record, dict)
        assert record["policy"] == before
        assert story.activate(shipped) == []
        assert story.judge.policy_hash != before

    def test_a_label_lives_on_under_a_policy_that_would_not_have_set_it(self, story: "Story", shipped: str) -> None:
        story.mail(good=5, bad=3)
        story.activate(shipped.replace("min_events = 3 }     # 5 %", "min_events = 4 }     # 5 %"))
        assert story.wait(hours=23, minutes=59) == []
        assert story.active() == {"mail-throttled"}
        assert story.wait(minutes=1) == []
        assert story.active() == set()


class TestMemory:
    def test_members_nobody_hears_of_any_more_leave_no_recipients_behind(
        self, story: "Story", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "SWEPT_A_BATCH", 2)
        for n in range(4):
            story.mail(good=3, did=f"did:plc:gone{n}")
        for _ in range(100):
            story.wait(days=1)
            story.batch(story.event(Kind.ACCEPTED, did="did:plc:stays"))
        for n in range(4):
            windows = story.judge.subjects[f"did:plc:gone{n}"].windows
            assert not windows.acceptances.last
            assert not windows.first_delivered
            assert not windows.addressed.last

    def test_nothing_is_swept_before_there_is_a_policy(self, begin: Callable[..., "Story"]) -> None:
        story = begin(policy=None)
        story.mail(good=1)
        assert story.judge.subjects[MEMBER].windows.swept_hour == 0

    def test_the_pool_forgets_who_was_active_days_ago(self, story: "Story") -> None:
        story.mail(good=1)
        story.wait(days=3)
        story.mail(good=1, did="did:plc:other")
        assert list(story.judge._active_dids.last) == ["did:plc:other"]


def test_a_clean_slate_begins_with_the_next_whole_hour() -> None:
    assert slate_floor(Member()) == 0
    for text in ("2026-03-06T12:00:00Z", "2026-03-06T12:59:59.999Z"):
        floor = slate_floor(Member(clean_slate=datetime.fromisoformat(text)))
        assert floor == datetime.fromisoformat("2026-03-06T13:00:00Z").timestamp()
        assert floor % HOUR_S == 0
