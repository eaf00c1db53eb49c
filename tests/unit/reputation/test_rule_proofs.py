"""What every rule must promise: each claim holds for the policy we ship, and fails where it is broken."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import norm

from labeler.reputation.catalogue import CATALOGUE, INTERVALS, Scale
from labeler.reputation.policy import Bar, Caps, Mode, Policy, Rule, Span, parse_policy
from labeler.reputation.proofs import Proof, prove
from labeler.reputation.rule_proofs import EXIT, FAMILY, ORDER, REACH, SHADOW, SINGLE, SOURCE

CAPS = (1, 2, 10, 10**9)


def rule(policy: Policy, rule_id: str) -> Rule:
    """A rule by its id."""
    return next(rule for rule in policy.rules if rule.id == rule_id)


def with_rule(policy: Policy, rule_id: str, **changes: Any) -> Policy:
    """The policy with one rule changed; `throttle` and `suspend` given as dicts change their bars."""
    rules = []
    for known in policy.rules:
        if known.id == rule_id:
            for name in ("throttle", "suspend"):
                if isinstance(changes.get(name), dict):
                    changes[name] = replace(getattr(known, name), **changes[name])
            rules.append(replace(known, **changes))
        else:
            rules.append(known)
    return replace(policy, rules=rules)


def failed(policy: Policy, claim: str) -> list[Proof]:
    """What of a claim does not hold."""
    return [proof for proof in prove(policy) if proof.claim == claim and not proof.holds]


def place(policy: Policy, rule_id: str, key: str) -> str:
    """Where a key of a rule stands."""
    return f"rules[{[rule.id for rule in policy.rules].index(rule_id)}].{key}"


def whys(policy: Policy, claim: str) -> str:
    """Every reason given for a claim."""
    return "\n".join(proof.why for proof in prove(policy) if proof.claim == claim)


def suspended_by_one_event(policy: Policy, caps: Caps) -> bool:
    """A model of our own: one event, the first ever, that counts in every metric but the questions of operators."""
    fired, strong = set(), False
    for one in policy.rules:
        if one.metric == "unanswered-asks":
            continue
        crossed = [_crossed_by_one(one, bar, caps) for bar in one.bars]
        if crossed[0]:
            fired.add(one.family)
        strong = strong or (len(crossed) == 2 and crossed[1])
    return strong or len(fired) >= policy.ladder.suspend_on_findings


def _crossed_by_one(one: Rule, bar: Bar, caps: Caps) -> bool:
    """Whether one event of one crosses a bar, every further condition but that of distinct addresses met."""
    if bar.min_events > 1 or (bar.min_distinct is not None and bar.min_distinct > 1):
        return False
    scale = CATALOGUE[one.metric].scale
    if scale in INTERVALS:
        z = norm.ppf(0.5 + (bar.confidence or 0.0) / 2)
        return bool(1 / (1 + z * z) > bar.above)
    if scale is Scale.MULTIPLE:
        return 1 / (caps.daily if one.metric == "daily-volume" else caps.hourly) > bar.above
    return scale is Scale.SURPRISE or bar.above < 1


class TestNoSingleEvent:
    def test_the_fewest_events_are_told_for_every_rule(self, policy: Policy) -> None:
        told = whys(policy, SINGLE)
        assert "invalid-recipients throttles from 3 on and suspends from 5 on" in told
        assert "hourly-volume throttles from 50 on and suspends from 200 on (messages) at a cap of 1" in told
        assert "unanswered-question throttles from 1 on and suspends from 1 on" in told
        assert "a person stands behind each" in told
        assert "2 findings suspend from 2 events on (abuse from 1, " in told

    @pytest.mark.parametrize(
        ("rule_id", "key", "bar", "why"),
        [
            (
                "hourly-volume",
                "suspend",
                {"min_events": 1, "above": 0.5},
                "suspends after a single event at a cap of 1",
            ),
            (
                "daily-volume",
                "throttle",
                {"min_events": 1, "above": 0.9},
                "throttles after a single event at a cap of 1",
            ),
            ("complaints", "suspend", {"min_events": 1, "confidence": 0.9}, "suspends after a single event"),
            ("dead-addresses", "throttle", {"min_events": 1, "above": 0, "min_distinct": None}, "set min_events to 2"),
            ("velocity", "throttle", {"min_events": 1}, "throttles after a single event"),
            ("domain-spray", "throttle", {"min_events": 1}, "throttles after a single event"),
            ("mail-for-others", "suspend", {"min_events": 1, "above": 0.5}, "suspends after a single event"),
        ],
    )
    def test_a_bar_that_one_event_crosses_fails(
        self, policy: Policy, rule_id: str, key: str, bar: dict[str, Any], why: str
    ) -> None:
        broken = with_rule(policy, rule_id, **{key: bar})
        (proof,) = [proof for proof in failed(broken, SINGLE) if proof.place.startswith("rules")]
        assert proof.place == place(policy, rule_id, f"{key}.min_events")
        assert why in proof.why

    @pytest.mark.parametrize(
        ("rule_id", "bar"),
        [
            ("hourly-volume", {"min_events": 1, "above": 1}),
            ("complaints", {"min_events": 1, "above": 0.1}),
            ("dead-addresses", {"min_events": 1, "above": 0, "min_distinct": 2}),
        ],
    )
    def test_what_takes_two_anyway_needs_no_min_events(self, policy: Policy, rule_id: str, bar: dict[str, Any]) -> None:
        assert failed(with_rule(policy, rule_id, throttle=bar), SINGLE) == []

    def test_a_bar_out_of_reach_is_crossed_by_no_event(self, policy: Policy) -> None:
        never = with_rule(policy, "complaints", suspend={"above": 1.5})
        assert failed(never, SINGLE) == []
        assert "complaints throttles from 3 on and never suspends" in whys(never, SINGLE)

    @pytest.mark.parametrize("above", [1e-300, 2.0**52, 1e308])
    def test_no_number_is_too_small_or_too_large_to_be_proved_about(self, policy: Policy, above: float) -> None:
        for rule_id in ("hourly-volume", "mail-for-others", "velocity"):
            changed = with_rule(policy, rule_id, throttle={"above": above, "min_events": 2})
            assert failed(changed, SINGLE) == []

    @pytest.mark.parametrize("cap", CAPS)
    def test_the_model_agrees_about_the_policy_we_ship(self, policy: Policy, cap: int) -> None:
        assert not suspended_by_one_event(policy, Caps(hourly=cap, daily=cap))

    def test_the_model_can_be_suspended_in(self, policy: Policy) -> None:
        strong = with_rule(policy, "hourly-volume", suspend={"min_events": 1, "above": 0.5})
        assert suspended_by_one_event(strong, Caps(hourly=1, daily=1))
        assert not suspended_by_one_event(strong, Caps(hourly=2, daily=2))
        together = with_rule(policy, "velocity", throttle={"min_events": 1})
        assert suspended_by_one_event(together, Caps(hourly=10, daily=10)), "with an unanswered report"

    @settings(max_examples=400, deadline=None)
    @given(st.data())
    def test_no_perturbation_of_it_that_is_proved_lets_one_event_suspend(
        self, policy: Policy, data: st.DataObject
    ) -> None:
        perturbed = data.draw(perturbations(policy))
        if failed(perturbed, SINGLE) == []:
            for cap in CAPS:
                assert not suspended_by_one_event(perturbed, Caps(hourly=cap, daily=cap))

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_what_is_refused_for_it_could_be_suspended_or_throttled_by_one_event(
        self, policy: Policy, data: st.DataObject
    ) -> None:
        """The proof is no wider than it must be: what fails fails at some cap, in the model."""
        perturbed = data.draw(perturbations(policy))
        for proof in failed(perturbed, SINGLE):
            if proof.place.startswith("rules["):
                index, key = int(proof.place[6:].split("]")[0]), proof.place.split(".")[1]
                one = perturbed.rules[index]
                assert _crossed_by_one(one, getattr(one, key), Caps(hourly=1, daily=1))


@st.composite
def perturbations(draw: st.DrawFn, policy: Policy) -> Policy:
    """The policy with some bars, families and the ladder changed at random."""
    rules = list(policy.rules)
    for index in draw(st.sets(st.integers(0, len(rules) - 1), min_size=1, max_size=4)):
        one = rules[index]
        bars = {}
        for name, bar in zip(("throttle", "suspend"), one.bars, strict=False):
            interval = CATALOGUE[one.metric].scale in INTERVALS
            bars[name] = replace(
                bar,
                above=draw(st.one_of(st.just(bar.above), st.floats(0, 2))),
                min_events=draw(st.integers(1, 4)),
                min_distinct=draw(st.sampled_from([bar.min_distinct, None])),
                confidence=draw(st.sampled_from([bar.confidence, 0.5, 0.9])) if interval else None,
            )
        family = draw(st.sampled_from([one.family, "abuse", "other"]))
        rules[index] = replace(one, family=family, **bars)
    ladder = replace(policy.ladder, suspend_on_findings=draw(st.integers(2, 3)))
    return replace(policy, rules=rules, ladder=ladder)


class TestExitLiesUnderEntry:
    @pytest.mark.parametrize(
        ("rule_id", "below", "fine"),
        [
            ("invalid-recipients", 0.0499, True),
            ("invalid-recipients", 0.05, False),
            ("policy-blocks", 0.03, False),
            ("hourly-volume", 2.9, True),
            ("hourly-volume", 3.0, False),
            ("velocity", 5.0, False),
            ("domain-spray", 0.86, False),
            ("mail-for-others", 3, True),  # ends at two, begins at three
            ("mail-for-others", 3.5, False),
            ("suppression-evasion", 2, True),
            ("suppression-evasion", 2.001, False),
        ],
    )
    def test_a_gap_or_a_step_must_lie_between(self, policy: Policy, rule_id: str, below: float, fine: bool) -> None:
        proofs = failed(with_rule(policy, rule_id, exit_below=below), EXIT)
        assert [proof.place for proof in proofs] == ([] if fine else [place(policy, rule_id, "exit_below")])
        assert all("set exit_below" in proof.why for proof in proofs)

    def test_where_an_interval_decides_it_is_said_why_the_estimate_is_enough(self, policy: Policy) -> None:
        told = whys(policy, EXIT)
        assert "invalid-recipients begins above 0.05 and can end under 0.03, and no lower end" in told
        assert "dead-addresses begins at 10 and can end at 4" in told
        assert "hourly-volume begins above 3 and can end under 1\n" in told


class TestThrottleBeforeSuspend:
    @pytest.mark.parametrize(
        ("rule_id", "bar", "key", "fix"),
        [
            ("invalid-recipients", {"above": 0.04}, "above", "set suspend.above to at least 0.05"),
            ("invalid-recipients", {"min_events": 2}, "min_events", "set suspend.min_events to at least 3"),
            ("complaints", {"confidence": 0.5}, "confidence", "set suspend.confidence to at least 0.999"),
            ("spam-traps", {"min_distinct": None}, "min_distinct", "set suspend.min_distinct to at least 2"),
            ("mail-for-others", {"above": 1, "min_events": 2}, "above", "2 are enough for the one and 3 for the other"),
            ("hourly-volume", {"above": 2.5}, "above", "set suspend.above to at least 3"),
        ],
    )
    def test_a_suspend_bar_that_lies_under_the_other_anywhere_fails(
        self, policy: Policy, rule_id: str, bar: dict[str, Any], key: str, fix: str
    ) -> None:
        (proof,) = failed(with_rule(policy, rule_id, suspend=bar), ORDER)
        assert proof.place == place(policy, rule_id, f"suspend.{key}")
        assert fix in proof.why

    def test_elsewhere_must_be_the_same(self, policy: Policy) -> None:
        (proof,) = failed(with_rule(policy, "complaints", throttle={"elsewhere": 2}), ORDER)
        assert proof.why.endswith("set suspend.elsewhere to 2")

    def test_a_baseline_is_written_as_the_file_writes_it(self, policy: Policy) -> None:
        (proof,) = failed(with_rule(policy, "complaints", throttle={"min_baseline": Span("7d")}), ORDER)
        assert proof.why.endswith("set suspend.min_baseline to at least 7d")

    def test_a_throttle_out_of_reach_is_what_must_change(self, policy: Policy) -> None:
        (proof,) = failed(with_rule(policy, "complaints", throttle={"above": 1.0}), ORDER)
        assert proof.why.endswith("(nothing ever crosses the other); set throttle.above lower")

    def test_a_less_sure_and_higher_bar_can_be_proved(self, policy: Policy) -> None:
        """10 % at 95 % confidence lies inside 5 % at 99 % for every number of recipients from five failures on."""
        assert failed(with_rule(policy, "invalid-recipients", suspend={"confidence": 0.95}), ORDER) == []
        assert failed(with_rule(policy, "invalid-recipients", suspend={"confidence": 0.5}), ORDER) != []


class TestEveryBarCanBeReached:
    @pytest.mark.parametrize(
        ("rule_id", "key", "bar", "name"),
        [
            ("domain-spray", "throttle", {"above": 1.0}, "above"),
            ("invalid-recipients", "suspend", {"above": 1.0}, "above"),
            ("velocity", "throttle", {"min_baseline": Span("90d")}, "min_baseline"),
        ],
    )
    def test_a_bar_that_nothing_crosses_fails(
        self, policy: Policy, rule_id: str, key: str, bar: dict[str, Any], name: str
    ) -> None:
        (proof,) = failed(with_rule(policy, rule_id, **{key: bar}), REACH)
        assert proof.place == place(policy, rule_id, f"{key}.{name}")
        assert "set it lower" in proof.why

    def test_an_answer_must_be_able_to_be_late_within_the_window(self, policy: Policy) -> None:
        (proof,) = failed(with_rule(policy, "unanswered-question", window=Span("2d")), REACH)
        assert proof.place == place(policy, "unanswered-question", "window")
        assert proof.why.endswith("set window above 48h")
        assert failed(with_rule(policy, "unanswered-question", window=Span("49h")), REACH) == []


class TestNoRuleShadowsAnother:
    def added(self, policy: Policy, rule_id: str, **changes: Any) -> Policy:
        """The policy with a changed copy of a rule at its end."""
        copy = replace(rule(policy, rule_id), id="copy")
        return with_rule(replace(policy, rules=[*policy.rules, copy]), "copy", **changes)

    @pytest.mark.parametrize(
        ("rule_id", "changes", "needless"),
        [
            ("complaints", {}, "copy"),
            ("complaints", {"window": Span("168h")}, "copy"),  # seven days, written otherwise
            ("complaints", {"window": Span("6d")}, None),
            ("complaints", {"throttle": {"min_events": 4}, "suspend": {"min_events": 5}}, "copy"),
            ("complaints", {"throttle": {"min_events": 4}, "suspend": {"min_events": 3}}, None),
            ("complaints", {"throttle": {"min_events": 2}}, "complaints"),
            ("complaints", {"exit_below": 0.0005}, "complaints"),  # fires with it and lasts longer
            ("complaints", {"exit_below": 0.0007}, "copy"),
            ("complaints", {"exit_below": 0.0005, "throttle": {"above": 0.002}}, None),  # fires later, lasts longer
            ("auth-mail-strangers", {"throttle": {"above": 0.85, "min_events": 2}}, None),  # fires later, lasts longer
            ("auth-mail-strangers", {"throttle": {"above": 0.85}}, "copy"),
            ("complaints", {"mode": Mode.SHADOW}, None),  # there to be compared
            ("complaints", {"suspend": None}, "copy"),
            ("velocity", {"throttle": {"min_first_contact": 0.6}}, "copy"),
            ("mail-for-others", {"window": Span("1d")}, "copy"),  # a shorter window never counts more
            ("mail-for-others", {"window": Span("8d")}, "mail-for-others"),
            ("dead-addresses", {"window": Span("6h"), "throttle": {"min_distinct": 4}}, "copy"),
            ("shared-credentials", {"throttle": {"above": 40}}, "copy"),
        ],
    )
    def test_a_rule_that_never_decides_anything_new_fails(
        self, policy: Policy, rule_id: str, changes: dict[str, Any], needless: str | None
    ) -> None:
        both = self.added(policy, rule_id, **changes)
        proofs = failed(both, SHADOW)
        assert [proof.place for proof in proofs] == ([] if needless is None else [place(both, needless, "id")])
        assert all(proof.why.startswith(f"{needless} never decides anything that") for proof in proofs)

    def test_a_rule_with_a_suspend_bar_is_not_shadowed_by_one_without(self, policy: Policy) -> None:
        bare = with_rule(policy, "complaints", suspend=None)
        copy = replace(rule(policy, "complaints"), id="copy")
        (proof,) = failed(replace(bare, rules=[*bare.rules, copy]), SHADOW)
        assert proof.why.startswith("complaints never decides anything that copy does not")

    def test_new_networks_of_an_hour_say_nothing_about_those_of_a_day(self, policy: Policy) -> None:
        """What is usual is measured by the window, so a nested window proves nothing for a condition on it."""
        assert failed(self.added(policy, "shared-credentials", window=Span("1d")), SHADOW) == []
        longer = self.added(policy, "shared-credentials", window=Span("1d"), throttle={"min_excess": None})
        (proof,) = failed(longer, SHADOW)
        assert proof.place == place(policy, "shared-credentials", "id")

    def test_a_rule_in_shadow_hides_no_rule_in_force(self, policy: Policy) -> None:
        trial = self.added(policy, "complaints", mode=Mode.SHADOW)
        both = with_rule(trial, "complaints", mode=Mode.SHADOW)
        assert failed(trial, SHADOW) == []
        assert len(failed(both, SHADOW)) == 1


def test_one_metric_counts_in_one_family_only(policy: Policy) -> None:
    """Or one list of missing recipients would be two findings, and two findings suspend."""
    assert "17 metrics in 10 families, none in two" in whys(policy, FAMILY)
    (proof,) = failed(with_rule(policy, "complaints-month", family="complaints-too"), FAMILY)
    assert proof.place == place(policy, "complaints-month", "family")
    assert "put complaints-month into the family 'complaints'" in proof.why


@pytest.mark.parametrize("source", ["", "  "])
def test_every_threshold_has_a_source(policy: Policy, source: str) -> None:
    (proof,) = failed(with_rule(policy, "velocity", source=source), SOURCE)
    assert proof.place == place(policy, "velocity", "source")
    assert "add source" in proof.why


def test_a_policy_may_have_one_rule(shipped: str) -> None:
    head, first, *_ = shipped.split("[[rules]]")
    assert all(proof.holds for proof in prove(parse_policy(f"{head}[[rules]]{first}")))
