"""What a sound policy promises as a whole, and how a file that does not is refused."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from labeler.errors import Misconfigured
from labeler.reputation import proofs
from labeler.reputation.definitions import CLEAN_SENDER, DEFINITIONS, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.policy import Caps, Policy, Span, Stage, Urgency, parse_policy
from labeler.reputation.proofs import Proof, check_policy, prove, refusal
from labeler.reputation.rule_proofs import SINGLE


def failed(policy: Policy) -> list[Proof]:
    """What does not hold."""
    return [proof for proof in prove(policy) if not proof.holds]


def only(policy: Policy, claim: str) -> Proof:
    """The one proof that fails, which is of this claim."""
    (proof,) = failed(policy)
    assert proof.claim == claim
    return proof


def inside(policy: Policy, table: str, **changes: Any) -> Policy:
    """The policy with keys of one table changed."""
    return replace(policy, **{table: replace(getattr(policy, table), **changes)})


def labels(policy: Policy, val: str, **changes: Any) -> Policy:
    """The policy with keys of one label's terms changed."""
    return replace(policy, labels=policy.labels | {val: replace(policy.labels[val], **changes)})


class TestAsAWhole:
    def test_the_policy_we_ship_promises_everything(self, policy: Policy, shipped: str) -> None:
        assert failed(policy) == []
        assert check_policy(shipped).hash == policy.hash
        assert refusal(shipped, prove(policy)) == ""

    def test_every_proof_says_what_where_and_why(self, policy: Policy) -> None:
        for proof in prove(policy):
            assert proof.claim
            assert proof.place
            assert proof.why
            assert not proof.why.endswith(".")

    def test_every_claim_of_the_linter_is_made(self, policy: Policy) -> None:
        assert len({proof.claim for proof in prove(policy)}) == 18

    def test_a_file_is_refused_with_everything_that_fails_by_line_key_and_fix(self, shipped: str) -> None:
        text = shipped.replace("exit_below = 0.03", "exit_below = 0.06").replace('terms = ["24h",', 'terms = ["96h",')
        text = text.replace("phishing =", "Phishing =", 1)
        with pytest.raises(Misconfigured) as caught:
            check_policy(text)
        lines = text.splitlines()
        problems = re.findall(r"line (\d+): (\S+?): ([^;]*); ?([^;]*)", str(caught.value))
        assert {lines[int(line) - 1].split(" =")[0] for line, *_ in problems} == {"exit_below", "terms", "Phishing"}
        assert "rules[0].exit_below: invalid-recipients begins above 0.05 and could end under 0.06" in str(caught.value)
        assert "set exit_below under 0.05" in str(caught.value)

    def test_what_cannot_be_read_is_not_proved_about(self) -> None:
        with pytest.raises(Misconfigured, match="not TOML"):
            check_policy("name = ")


class TestFindingsTogether:
    def test_two_families_that_need_one_event_each_fail(self, policy: Policy) -> None:
        """One report could be both: a question asked by itself that an operator took up, say."""
        rules = [
            replace(rule, family="questions") if rule.id == "unanswered-question" else rule for rule in policy.rules
        ]
        proof = next(proof for proof in failed(replace(policy, rules=rules)) if proof.claim == SINGLE)
        assert proof.place == "ladder.suspend_on_findings"
        assert "2 findings could suspend after a single event" in proof.why
        assert proof.why.endswith("set it to 3")
        three = inside(replace(policy, rules=rules), "ladder", suspend_on_findings=3)
        assert all(proof.claim != SINGLE for proof in failed(three))

    def test_more_findings_than_families_never_come_together(self, policy: Policy) -> None:
        many = inside(policy, "ladder", suspend_on_findings=99)
        assert failed(many) == []
        assert "99 findings never come together: there are 10 families" in [proof.why for proof in prove(many)]


class TestExpiry:
    @pytest.mark.parametrize("val", [MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER])
    def test_a_label_without_terms_would_never_end(self, policy: Policy, val: str) -> None:
        without = replace(policy, labels={name: terms for name, terms in policy.labels.items() if name != val})
        proof = next(proof for proof in failed(without) if proof.claim == proofs.EXPIRY)
        assert proof.place == f"labels.{val}.terms"
        assert "give it a term" in proof.why
        assert only(labels(policy, MAIL_SUSPENDED, terms=[]), proofs.EXPIRY).place == "labels.mail-suspended.terms"

    def test_a_repeat_must_not_be_shorter(self, policy: Policy) -> None:
        falling = labels(policy, MAIL_THROTTLED, terms=[Span("24h"), Span("72h"), Span("2d")])
        assert "24h, then 72h, then 2d: a repeat must not be shorter" in only(falling, proofs.EXPIRY).why
        assert failed(labels(policy, MAIL_THROTTLED, terms=[Span("24h"), Span("1d")])) == []


class TestLabelValues:
    @pytest.mark.parametrize("val", ["!takedown", "mail-removed", "Mail-Slow", "mail throttled"])
    def test_only_what_rules_may_say_has_terms(self, policy: Policy, val: str) -> None:
        odd = replace(policy, labels=policy.labels | {val: policy.labels[MAIL_SUSPENDED]})
        proof = only(odd, proofs.VALUES)
        assert proof.place == f"labels.{val}"
        assert "remove the table" in proof.why

    def test_what_the_rules_can_say_is_told(self, policy: Policy) -> None:
        (proof,) = [proof for proof in prove(policy) if proof.claim == proofs.VALUES]
        assert all(item.val in proof.why for item in DEFINITIONS if item.by_rules)
        assert "mail-removed" not in proof.why


class TestWarmup:
    def stages(self, policy: Policy, index: int, **changes: Any) -> Policy:
        """The policy with one stage changed."""
        warmup = list(policy.warmup)
        warmup[index] = replace(warmup[index], **changes)
        return replace(policy, warmup=warmup)

    @pytest.mark.parametrize("changes", [{"min_age": Span("1h")}, {"min_delivered": 1}])
    def test_the_first_stage_asks_for_nothing(self, policy: Policy, changes: dict[str, Any]) -> None:
        proof = only(self.stages(policy, 0, **changes), proofs.WARMUP)
        assert proof.place == "warmup[0]"
        assert "remove min_age and min_delivered" in proof.why

    @pytest.mark.parametrize("changes", [{"hourly": 4}, {"daily": 19}])
    def test_caps_never_fall(self, policy: Policy, changes: dict[str, Any]) -> None:
        proof = only(self.stages(policy, 1, **changes), proofs.WARMUP)
        assert proof.place == "warmup[1].hourly"
        assert "early has lower caps than first-steps" in proof.why

    @pytest.mark.parametrize(
        "changes", [{"min_age": None}, {"min_delivered": 19}, {"min_age": Span("3d"), "min_delivered": 20}]
    )
    def test_each_stage_asks_for_more(self, policy: Policy, changes: dict[str, Any]) -> None:
        proof = only(self.stages(policy, 2, **changes), proofs.WARMUP)
        assert proof.place == "warmup[2].min_age"
        assert "growing must ask for more than early" in proof.why

    def test_one_stage_is_a_warm_up(self, policy: Policy) -> None:
        assert failed(replace(policy, warmup=[Stage(name="all", hourly=5, daily=20)])) == []


class TestCaps:
    def test_an_hour_is_no_more_than_a_day(self, policy: Policy) -> None:
        proof = only(replace(policy, caps=Caps(hourly=100, daily=99)), proofs.CAPS)
        assert proof.place == "caps.hourly"
        assert "set hourly to 99 or less" in proof.why
        stages = [replace(policy.warmup[0], hourly=21), *policy.warmup[1:]]
        assert [proof.place for proof in failed(replace(policy, warmup=stages)) if proof.claim == proofs.CAPS] == [
            "warmup[0].hourly"
        ]

    def test_a_throttle_lets_less_through(self, policy: Policy) -> None:
        proof = only(labels(policy, MAIL_THROTTLED, hourly_cap=100), proofs.CAPS)
        assert proof.place == "labels.mail-throttled.hourly_cap"
        assert failed(labels(policy, MAIL_THROTTLED, hourly_cap=99)) == []


class TestOutcomes:
    def test_a_code_stands_in_one_list(self, policy: Policy) -> None:
        both = inside(policy, "outcomes", policy_block=policy.outcomes.policy_block | {"5.1.1"})
        proof = only(both, proofs.OUTCOMES)
        assert proof.place == "outcomes.policy_block"
        assert proof.why == "5.1.1 stands in invalid_recipient and in policy_block; keep one"

    def test_a_star_beside_an_exact_code_leaves_no_question(self, policy: Policy) -> None:
        assert "5.7.13" in policy.outcomes.invalid_recipient
        assert "5.7.*" in policy.outcomes.policy_block
        twice = inside(policy, "outcomes", configuration=policy.outcomes.configuration | {"5.7.*"})
        assert only(twice, proofs.OUTCOMES).place == "outcomes.configuration"


class TestGoodness:
    def test_a_witness_is_cleaner_than_whoever_leaves_a_throttle(self, policy: Policy) -> None:
        proof = only(inside(policy, "incident", clean_below=0.031), proofs.INCIDENT)
        assert proof.place == "incident.clean_below"
        assert proof.why.endswith("set it to 0.03 or less")

    def test_nobody_is_surely_under_and_surely_above(self, policy: Policy) -> None:
        proof = only(inside(policy, "clean", below=0.051), proofs.CLEAN)
        assert proof.place == "clean.below"
        assert proof.why.endswith("set it to 0.05 or less")

    def test_without_a_rule_on_missing_recipients_there_is_nothing_to_contradict(self, policy: Policy) -> None:
        rules = [rule for rule in policy.rules if rule.metric != "invalid-recipient-rate"]
        assert failed(inside(replace(policy, rules=rules), "clean", below=0.9)) == []


class TestGuards:
    def test_silence_is_noticed_before_goodness_is_renewed(self, policy: Policy) -> None:
        proof = only(inside(policy, "guards", silence=Span("37h")), proofs.SILENCE)
        assert proof.why.endswith("it is renewed after 36 h; set it to 129600s or less")
        assert failed(inside(policy, "guards", silence=Span("36h"))) == []
        never = labels(policy, CLEAN_SENDER, renew_at=None)
        assert failed(inside(never, "guards", silence=Span("72h"))) == []

    def test_the_breaker_keeps_most_of_the_pool(self, policy: Policy) -> None:
        proof = only(inside(policy, "guards", breaker_share=0.5), proofs.BREAKER)
        assert proof.place == "guards.breaker_share"
        assert proof.why.endswith("set it under 0.5")

    def test_who_unsubscribed_is_remembered_beyond_the_grace(self, policy: Policy) -> None:
        proof = only(inside(policy, "suppression", grace=Span("365d")), proofs.EVASION)
        assert proof.why.endswith("set memory above grace")


def test_categories_are_written_as_they_are_looked_up(policy: Policy) -> None:
    odd = inside(policy, "abuse", urgency=policy.abuse.urgency | {"CSAM": Urgency.IMMEDIATE})
    proof = only(odd, proofs.URGENCY)
    assert proof.place == "abuse.urgency.CSAM"
    assert proof.why == "'CSAM' would never be found; write 'csam'"


def test_a_label_missing_altogether_breaks_no_other_proof(policy: Policy) -> None:
    """A policy built by hand may lack what a file cannot."""
    bare = replace(policy, labels={})
    claims = {proof.claim for proof in failed(bare)}
    assert claims == {proofs.EXPIRY, proofs.SILENCE}


def test_the_line_of_a_proof_is_that_of_its_key(shipped: str) -> None:
    text = shipped.replace('source = "as for the hour"\n', "")
    with pytest.raises(Misconfigured) as caught:
        check_policy(text)
    found = re.match(r"policy: line (\d+): rules\[\d+\]\.source", str(caught.value))
    assert found is not None
    assert text.splitlines()[int(found[1]) - 1] == "[[rules]]", "the nearest table, for the key is missing"
    assert parse_policy(text).rules
