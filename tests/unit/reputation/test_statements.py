"""A policy as statements, one about each thing it decides."""

import pytest
from msgspec.structs import replace

from labeler.reputation.policy import Mode, Policy, Span
from labeler.reputation.statements import Statement, state_policy, state_rule, status_codes, tell_rule


def told(policy: Policy) -> dict[str, str]:
    """The sentences by place, rules aside."""
    return {statement.place: statement.sentence for statement in state_policy(policy, status_codes(policy.outcomes))}


def told_of(policy: Policy, rule_id: str) -> dict[str, str]:
    """The sentences about one rule, by what stands behind its id."""
    rule = next(rule for rule in policy.rules if rule.id == rule_id)
    return {statement.place.removeprefix(f"rules.{rule_id}."): statement.sentence for statement in state_rule(rule)}


def test_a_statement_is_a_sentence_in_parts() -> None:
    statement = Statement("a.b", "it lasts", ("one day", " and a night"))
    assert statement.value == "one day and a night"
    assert statement.sentence == "it lasts one day and a night"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("mode", "the policy is in force"),
        ("caps", "who agreed on no caps may send 100 messages an hour and 1 000 a day"),
        ("outcomes.5.1.1", "a bounce with 5.1.1 says that a recipient does not exist"),
        ("outcomes.5.7.*", "a bounce with 5.7.* is a refusal for policy"),
        ("outcomes.5.7.26", "a bounce with 5.7.26 is something to mend and judges nobody"),
        ("warmup.0.asks", "stage 1 of the warm-up begins at once"),
        (
            "warmup.1.asks",
            "stage 2 of the warm-up begins 3 days after the enrolment with 20 recipients reached in 30 days",
        ),
        ("warmup.1.caps", "stage 2 of the warm-up allows 10 messages an hour and 50 a day"),
        ("labels.mail-throttled.terms", "mail-throttled lasts 1 day, then 3 days, then 7 days"),
        ("labels.mail-throttled.renew_at", "mail-throttled is renewed after 50 % of its term while the cause holds"),
        ("labels.mail-suspended.terms", "mail-suspended lasts 14 days"),
        (
            "clean",
            "clean-sender is said once at least 50 recipients of 7 days exist and we can be 95 % sure that under 5 % "
            "do not",
        ),
        (
            "guards.breaker",
            "the rules suspend in 24 hours at most 2, or 5 % of the members active then if that is more",
        ),
        ("abuse.auto_ask", "the clock of an abuse report starts when an operator asks"),
        ("abuse.urgency.phishing", "a report of phishing is immediate"),
    ],
)
def test_what_the_policy_we_ship_says(policy: Policy, place: str, sentence: str) -> None:
    assert told(policy)[place] == sentence


def test_places_are_told_apart(policy: Policy) -> None:
    statements = state_policy(policy, status_codes(policy.outcomes))
    statements += [statement for rule in policy.rules for statement in state_rule(rule)]
    assert len({statement.place for statement in statements}) == len(statements)


def test_codes_stand_in_the_order_of_their_numbers(policy: Policy) -> None:
    codes = [place for place in told(policy) if place.startswith("outcomes.")]
    assert codes.index("outcomes.5.1.6") < codes.index("outcomes.5.1.10") < codes.index("outcomes.5.7.*")
    assert codes.index("outcomes.5.7.*") < codes.index("outcomes.5.7.13")


def test_a_code_named_by_another_policy_is_told_by_what_it_is_here(policy: Policy) -> None:
    sentences = {statement.place: statement.value for statement in state_policy(policy, {"5.3.4", "5.7.99"})}
    assert sentences["outcomes.5.3.4"] == "judges nobody"
    assert sentences["outcomes.5.7.99"] == "is a refusal for policy"


def test_a_report_can_start_its_own_clock(policy: Policy) -> None:
    auto = replace(policy, abuse=replace(policy.abuse, auto_ask=True))
    assert told(auto)["abuse.auto_ask"] == "the clock of an abuse report starts at once, by itself"


def test_a_stage_may_ask_for_time_or_for_recipients_only(policy: Policy) -> None:
    first, second, *_ = policy.warmup
    patient = replace(policy, warmup=[first, replace(second, min_delivered=0)])
    busy = replace(policy, warmup=[first, replace(second, min_age=None)])
    assert told(patient)["warmup.1.asks"].endswith("begins 3 days after the enrolment")
    assert told(busy)["warmup.1.asks"].endswith("begins with 20 recipients reached in 30 days")


def test_a_rule_says_everything_it_decides(policy: Policy) -> None:
    sentences = told_of(policy, "invalid-recipients")
    assert sentences["mode"] == "rule invalid-recipients is in force"
    assert sentences["family"] == "invalid-recipients is one problem with every rule of the family recipients"
    assert sentences["throttle.3"] == "invalid-recipients throttles at the third missing recipient of at most 14"
    assert sentences["suspend.20"] == "invalid-recipients suspends at the 20th missing recipient of at most 120"
    assert sentences["exit_below"].endswith("may end once under 3 % of its recipients do not exist")
    assert told_of(policy, "velocity")["suspend"] == "velocity suspends nobody by itself"


def test_a_rule_in_shadow_is_said_to_be(policy: Policy) -> None:
    rule = replace(policy.rules[0], mode=Mode.SHADOW)
    assert state_rule(rule)[0].value == "is in shadow: recorded, and nothing published"


def test_an_excess_has_its_boundary_where_nobody_else_is_refused(policy: Policy) -> None:
    assert told_of(policy, "policy-blocks")["throttle.5"].endswith("of at most 56 where nobody else is refused")


def test_a_rule_is_told_in_a_few_sentences(policy: Policy) -> None:
    recipients, blocks, *_ = (
        next(rule for rule in policy.rules if rule.id == name) for name in ("invalid-recipients", "policy-blocks")
    )
    assert tell_rule(recipients).startswith(
        "A member is throttled when at least 3 recipients in 7 days do not exist and we can be 99.5 % sure that more "
        "than 5 % of its recipients do not; that is the third of at most 14, the fourth of at most 22, the fifth of at "
        "most 31, the tenth of at most 86, the 20th of at most 218. A member is suspended when at least 5 "
    )
    assert tell_rule(recipients).endswith("The throttle may end once under 3 % of its recipients do not exist.")
    assert "the 20th of at most 380 where nobody else is refused. It suspends nobody by itself." in tell_rule(blocks)
    volume = next(rule for rule in policy.rules if rule.id == "hourly-volume")
    assert "that is the" not in tell_rule(volume)


def test_a_duration_spelled_otherwise_says_the_same(policy: Policy) -> None:
    spelled = replace(policy, ladder=replace(policy.ladder, min_hold=Span("1440m")))
    assert told(spelled) == told(policy)
