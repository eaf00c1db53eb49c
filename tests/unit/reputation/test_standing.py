"""Where a member stands and why, and the rules turned round."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.counterfactuals import headroom
from labeler.reputation.events import Kind
from labeler.reputation.findings import Finding, Severity
from labeler.reputation.inputs import Question
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Policy
from labeler.reputation.public_words import CLEARED_BY, FAMILIES, OTHERS, UNTIL
from labeler.reputation.standing import Standing, standing

if TYPE_CHECKING:
    from tests.unit.reputation.conftest import Story

MEMBER = "did:plc:member"


def stands(story: "Story", did: str = MEMBER) -> Standing:
    return standing(story.judge, did, story.now)


def clears(story: "Story") -> dict[str, Any]:
    (only,) = stands(story).full()["clears"]
    assert isinstance(only, dict)
    return only


def left(story: "Story", rule: str) -> int:
    """The headroom under a rule."""
    return next(int(item["remaining"]) for item in stands(story).full()["headroom"] if item["rule"] == rule)


class TestTheState:
    def test_nobody_ever_heard_of_is_unknown(self, story: "Story") -> None:
        assert stands(story).public == {
            "did": MEMBER,
            "standing": "unknown",
            "labels": [],
            "tier": "new",
            "hourlyCap": 100,
            "dailyCap": 1000,
        }

    def test_unknown_too_before_there_is_a_policy(self, begin: Callable[..., "Story"]) -> None:
        answer = stands(begin(policy=None))
        assert answer.state == "unknown"
        assert answer.private == {
            "labels": [],
            "findings": [],
            "headroom": [],
            "clears": [],
            "counts": {},
            "domains": [],
        }

    @pytest.mark.parametrize(
        ("happens", "state"),
        [
            (lambda story: story.mail(good=1), "warming"),
            (lambda story: story.batch(story.event(Kind.ENROLLED)), "warming"),
            (lambda story: story.decide(apply=["relay-member"]), "warming"),
            (lambda story: story.decide(), "unknown"),
            (lambda story: story.mail(good=80), "good"),
            (lambda story: story.mail(good=5, bad=3), "throttled"),
            (lambda story: story.mail(bad=5), "suspended"),
            (lambda story: story.decide(apply=["mail-removed"]), "removed"),
        ],
    )
    def test_the_strictest_label_names_it(self, story: "Story", happens: Callable[["Story"], Any], state: str) -> None:
        happens(story)
        assert stands(story).state == state

    def test_a_label_that_has_run_out_counts_no_more_even_before_the_tick(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        story.now = story.now.replace(day=7, microsecond=0)
        answer = stands(story).full()
        assert (answer["standing"], answer["labels"], answer["clears"]) == ("warming", [], [])

    def test_labels_tell_their_times_to_all_and_their_reasons_to_those_concerned(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED))
        story.mail(good=5, bad=3)
        public = [
            {
                "val": "mail-throttled",
                "cts": "2026-03-06T12:00:00.000Z",
                "since": "2026-03-06T12:00:00.000Z",
                "reasonClass": FAMILIES["recipients"],
                "clearedBy": CLEARED_BY["mail-throttled"],
                "exp": "2026-03-07T12:00:00.000Z",
            },
            {
                "val": "relay-member",
                "cts": "2026-03-06T12:00:00.000Z",
                "since": "2026-03-06T12:00:00.000Z",
                "reasonClass": OTHERS["enrolled"],
                "clearedBy": UNTIL["relay-member"],
            },
        ]
        assert stands(story).public["labels"] == public
        rules = ["invalid-recipients", "enrolled"]
        assert stands(story).full()["labels"] == [a | {"rule": b} for a, b in zip(public, rules, strict=True)]

    def test_an_operator_s_label_says_operator(self, story: "Story") -> None:
        story.decide(apply=["mail-throttled"])
        assert stands(story).full()["labels"][0]["rule"] == "operator"


class TestCaps:
    @pytest.mark.parametrize(
        ("agreed", "caps"), [({}, (20, 480)), ({"hourly_cap": 5}, (5, 480)), ({"daily_cap": 50}, (20, 50))]
    )
    def test_a_throttle_caps_what_was_agreed(
        self, story: "Story", agreed: dict[str, Any], caps: tuple[int, int]
    ) -> None:
        story.batch(story.event(Kind.ENROLLED, tier="established", **agreed))
        story.decide(apply=["mail-throttled"])
        assert (stands(story).public["hourlyCap"], stands(story).public["dailyCap"]) == caps

    @pytest.mark.parametrize("val", ["mail-suspended", "mail-removed"])
    def test_the_stopped_may_send_nothing(self, story: "Story", val: str) -> None:
        story.decide(apply=[val])
        assert (stands(story).public["hourlyCap"], stands(story).public["dailyCap"]) == (0, 0)

    def test_without_a_policy_a_throttle_caps_nothing_more(self, begin: Callable[..., "Story"]) -> None:
        story = begin(policy=None)
        story.decide(apply=["mail-throttled"])
        assert stands(story).public["hourlyCap"] == 100

    def test_the_tier_is_the_enrolment_s(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED, tier="established"))
        assert stands(story).public["tier"] == "established"


class TestHeadroom:
    def test_a_newcomer_has_three_bounces(self, story: "Story") -> None:
        assert left(story, "invalid-recipients") == 3

    def test_it_is_exact(self, story: "Story") -> None:
        """As many more as it says, and no fewer, cross the rule."""
        story.mail(good=60, bad=1)
        spare = left(story, "invalid-recipients")
        assert story.mail(bad=spare - 1) == []
        assert left(story, "invalid-recipients") == 1
        assert story.mail(bad=1) == ["+mail-throttled"]
        assert left(story, "invalid-recipients") == 0

    def test_volume_is_counted_in_messages(self, story: "Story") -> None:
        story.mail(good=40)
        assert (left(story, "hourly-volume"), left(story, "daily-volume")) == (261, 1461)
        text = next(item["text"] for item in stands(story).full()["headroom"] if item["rule"] == "hourly-volume")
        assert text == "261 more messages this hour until hourly-volume throttles"

    def test_spray_is_counted_in_strangers(self, story: "Story") -> None:
        story.batch(*(e for n in range(40) for e in story.message(at_domain=f"d{n}.example")))
        assert left(story, "domain-spray") == 10

    def test_a_rule_that_was_crossed_says_so(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        (text,) = {item["text"] for item in stands(story).full()["headroom"] if item["remaining"] == 0}
        assert text == "invalid-recipients has been crossed"

    def test_plenty_is_a_number_too(self, policy: Policy) -> None:
        rule = next(item for item in policy.rules if item.id == "invalid-recipients")
        huge = Finding(rule, Measurement(0, 10**9, 0.0, 0), Severity.NONE, rule.throttle, False)
        assert headroom(huge)["remaining"] == 10_000


def deliver(story: "Story", number: int) -> None:
    """As fast as a throttle lets mail through; the last one, and no other, lifts it."""
    for delivered in range(number - 1):
        if delivered and delivered % 20 == 0:
            story.wait(hours=1)
        story.mail(good=1)
    assert "mail-throttled" in story.active()
    story.mail(good=1)
    assert "mail-throttled" not in story.active()


class TestClearance:
    def test_a_rate_says_how_many_clean_deliveries_bring_it_under(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        assert clears(story) == {
            "val": "mail-throttled",
            "at": "2026-03-14T12:00:00.000Z",
            "notBefore": "2026-03-07T12:00:00.000Z",
            "deliveries": 93,
            "rules": ["invalid-recipients"],
            "text": "93 good deliveries bring invalid-recipients under 3.00%; 93 good deliveries to further recipients "
            "lift it at 2026-03-07T12:00:00.000Z; without any mail it ends 2026-03-14T12:00:00.000Z.",
        }

    @pytest.mark.parametrize("bad", [3, 4])
    def test_and_so_many_do_and_no_fewer(self, story: "Story", bad: int) -> None:
        story.mail(good=5, bad=bad)
        story.mail(good=clears(story)["deliveries"] - 1)
        assert clears(story)["deliveries"] == 1
        story.mail(good=1)
        assert (clears(story)["deliveries"], clears(story)["rules"]) == (0, [])
        story.wait(hours=23)
        assert "mail-throttled" in story.active()
        story.wait(hours=2)
        assert "mail-throttled" not in story.active()

    def test_good_mail_that_leaves_the_window_meanwhile_is_counted_out(self, story: "Story") -> None:
        """433 would do at the end of the hold; they take 22 hours, and after two the 150 of before are gone."""
        story.mail(good=150)
        story.wait(days=5, hours=22)
        assert "+mail-throttled" in story.mail(bad=18)
        assert clears(story)["deliveries"] == 583
        story.wait(hours=24)
        deliver(story, 583)

    def test_who_takes_longer_is_told_by_when(self, story: "Story") -> None:
        story.mail(good=150)
        story.wait(days=1)
        assert "+mail-throttled" in story.mail(bad=18)
        said = clears(story)
        assert (said["deliveries"], said["deliverBy"]) == (433, "2026-03-13T12:00:00.000Z")
        assert "lift it at 2026-03-08T12:00:00.000Z if they are made by 2026-03-13T12:00:00.000Z" in said["text"]
        story.wait(days=5)
        deliver(story, 433)

    def test_in_silence_it_is_gone_when_it_said(self, story: "Story") -> None:
        story.mail(good=5, bad=3)
        end = clears(story)["at"]
        story.wait(days=7, hours=23)
        assert "mail-throttled" in story.active()
        story.wait(hours=2)
        assert (story.active(), end) == (set(), "2026-03-14T12:00:00.000Z")

    def test_though_the_quotient_may_be_rounded(self, story: "Story", shipped: str) -> None:
        """7 / 0.035 is a little less than 200 in floating point, and 7 / 200 does not lie under 0.035."""
        assert 7 / 0.035 < 200
        story.activate(shipped.replace("exit_below = 0.03\n", "exit_below = 0.035\n"))
        assert story.mail(good=43, bad=7) == ["+mail-throttled"]
        assert clears(story)["deliveries"] == 151
        story.mail(good=150)
        assert clears(story)["deliveries"] == 1
        story.mail(good=1)
        assert clears(story)["deliveries"] == 0

    def test_volume_clears_when_less_is_sent(self, story: "Story") -> None:
        story.mail(good=301)
        said = clears(story)["text"]
        assert said.startswith("hourly-volume ends under 1 times the agreed 100 messages (1h); ")

    def test_spray_clears_when_mail_looks_ordinary(self, story: "Story") -> None:
        story.batch(*(e for n in range(50) for e in story.message(at_domain=f"d{n}.example")))
        assert clears(story)["rules"] == ["domain-spray-hour", "domain-spray"]
        assert "without any mail it ends 2026-03-08T00:00:00.000Z" in clears(story)["text"]

    @pytest.mark.parametrize(
        ("val", "words"),
        [
            ("mail-removed", "Only an operator"),
            ("mail-suspended", "An operator reviews it"),
            ("mail-throttled", "An operator set it"),
        ],
    )
    def test_what_people_decided_people_take_back(self, story: "Story", val: str, words: str) -> None:
        story.decide(apply=[val])
        assert clears(story)["text"].startswith(words)
        assert "at" not in clears(story)


def test_the_counts_show_what_was_taken_in_and_what_bound(story: "Story") -> None:
    story.mail(good=3, bad=1)
    story.batch(story.event(Kind.BOUNCED, message_id="guess", recipient="f" * 32, status="5.1.1"))
    assert stands(story).full()["counts"] == {
        "accepted": 4,
        "delivered": 3,
        "bounced": 2,
        "deferred": 0,
        "complained": 0,
        "recipients": 4,
        "recipientDomains": 4,
        "invalidRecipients": 1,
        "unbound": 1,
    }


def test_numbers_are_for_the_member_and_operators_only(story: "Story") -> None:
    story.mail(good=5, bad=3)
    assert set(stands(story).public) == {"did", "standing", "labels", "tier", "hourlyCap", "dailyCap"}
    policy = story.judge.policy
    assert policy is not None
    assert [item["rule"] for item in stands(story).full()["findings"]] == [rule.id for rule in policy.rules]


class TestWhatElseConcernsIt:
    def test_a_newcomer_reads_what_the_next_stage_asks(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.mail(good=3)
        warmup = stands(story).private["warmup"]
        assert (warmup["stage"], warmup["next"], warmup["missing"]) == ("first-steps", "early", 17)
        assert (stands(story).public["hourlyCap"], stands(story).public["dailyCap"]) == (5, 20)

    def test_a_warm_up_that_is_done_says_so(self, story: "Story") -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example", hourly_cap=9_000, daily_cap=9_000))
        story.wait(days=21)
        story.mail(good=1_000)
        assert stands(story).private["warmup"]["text"] == "the warm-up is done: the agreed caps hold"

    def test_open_reports_are_told_with_urgency_and_deadline(self, story: "Story") -> None:
        story.batch(story.event(Kind.ABUSE_REPORTED, category="phishing"))
        assert stands(story).private["reports"] == [
            {"at": "2026-03-06T12:00:00.000Z", "urgency": "immediate", "category": "phishing"}
        ]
        story.judge.step(Question(story.now, "did:plc:operator", MEMBER))
        assert stands(story).private["reports"][0]["answerBy"] == "2026-03-08T12:00:00.000Z"

    def test_a_question_without_a_report_has_no_category(self, story: "Story") -> None:
        story.judge.step(Question(story.now, "did:plc:operator", MEMBER))
        assert set(stands(story).private["reports"][0]) == {"at", "urgency", "answerBy"}

    def test_what_only_shadow_decided_is_told_apart(self, begin: Callable[..., "Story"], shipped: str) -> None:
        story = begin(shipped.replace('mode = "enforce"', 'mode = "shadow"'))
        story.mail(good=5, bad=3)
        assert (stands(story).private["shadow"], stands(story).state) == (["mail-throttled"], "warming")


def test_asking_never_makes_a_subject(story: "Story") -> None:
    stands(story)
    assert story.judge.subjects == {}


def test_the_domains_say_which_one_to_look_at(story: "Story") -> None:
    for number, (domain, status) in enumerate([("a.example", "2.0.0"), ("b.example", "5.1.1"), ("b.example", "2.0.0")]):
        bound: dict[str, Any] = {"domain": domain, "message_id": f"m{number}", "recipient": f"{number:032x}"}
        kind = Kind.BOUNCED if status.startswith("5") else Kind.DELIVERED
        story.batch(story.event(Kind.ACCEPTED, **bound), story.event(kind, status=status, **bound))
    assert stands(story).full()["domains"] == [
        {"domain": "b.example", "accepted": 2, "invalidRecipients": 1},
        {"domain": "a.example", "accepted": 1, "invalidRecipients": 0},
    ]
