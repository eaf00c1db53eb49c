"""The policy file: everything it may say, and what is said about everything it could not be judged by."""

import hashlib
import tomllib

import pytest

from labeler.errors import Misconfigured
from labeler.reputation.catalogue import Scale
from labeler.reputation.policy import CONDITIONS, Bar, Policy, Span, located, parse_policy


def changed(text: str, old: str, new: str) -> str:
    """The text with its first `old` replaced."""
    assert old in text
    return text.replace(old, new, 1)


def test_the_policy_we_ship_is_read_as_it_is_written(policy: Policy, shipped: str) -> None:
    written = tomllib.loads(shipped)
    assert policy.name == "default"
    assert [rule.id for rule in policy.rules] == [rule["id"] for rule in written["rules"]]
    assert [rule.window.text for rule in policy.rules] == [rule["window"] for rule in written["rules"]]
    assert [stage.name for stage in policy.warmup] == [stage["name"] for stage in written["warmup"]]
    assert [term.seconds for term in policy.labels["mail-throttled"].terms] == [86_400, 259_200, 604_800]
    assert policy.hash == hashlib.sha256(shipped.encode()).hexdigest()


def test_it_looks_back_as_far_as_the_longest_window(policy: Policy, shipped: str) -> None:
    assert policy.horizon_s == 30 * 86_400
    assert parse_policy(shipped.replace('window = "30d"', 'window = "7d"')).horizon_s == 7 * 86_400


def test_under_the_policy_we_ship_policy_blocks_and_temporary_failures_are_no_invalid_recipients(
    policy: Policy,
) -> None:
    assert "5.7.1" not in policy.outcomes.invalid_recipient
    assert all(code.startswith("5.") for code in policy.outcomes.invalid_recipient)


def test_the_hash_is_that_of_the_text_to_the_letter(policy: Policy, shipped: str) -> None:
    assert parse_policy(shipped + "\n").hash != policy.hash


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90m", 5_400), ("24h", 86_400), ("3650d", 315_360_000)])
def test_durations(text: str, seconds: int) -> None:
    assert Span(text).seconds == seconds
    assert repr(Span(text)) == f"Span({text!r})"


@pytest.mark.parametrize(
    "text", ["", "24", "h", "0h", "-1h", "1.5h", "24h\n", " 24h", "1w", "٢٤h", "3651d", "999999999d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Span(text)


def test_rules_know_their_bars_and_what_their_numbers_mean(policy: Policy) -> None:
    rules = {rule.id: rule for rule in policy.rules}
    assert rules["invalid-recipients"].bars == (
        rules["invalid-recipients"].throttle,
        rules["invalid-recipients"].suspend,
    )
    assert rules["velocity"].bars == (rules["velocity"].throttle,)
    assert rules["velocity"].scale is Scale.SURPRISE


def test_a_bar_lists_the_conditions_it_asks_cheapest_first() -> None:
    bar = Bar(above=0.5, min_events=2, elsewhere=1, min_entropy=0.9, min_baseline=Span("7d"), min_distinct=3)
    assert bar.conditions == (
        ("min_distinct", 3.0),
        ("min_baseline", 604_800.0),
        ("min_entropy", 0.9),
        ("elsewhere", 1.0),
    )
    assert Bar(above=0.5, min_events=2).conditions == ()
    assert [name for name, _ in bar.conditions] == [name for name in CONDITIONS if getattr(bar, name) is not None]


def test_a_policy_is_in_shadow_as_a_whole_or_by_rule(policy: Policy, shipped: str) -> None:
    assert not policy.shadowed
    assert parse_policy(changed(shipped, 'mode = "enforce"', 'mode = "shadow"')).shadowed
    assert parse_policy(changed(shipped, 'id = "velocity"', 'id = "velocity"\nmode = "shadow"')).shadowed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "default"', "name = ", "not TOML"),
        ('name = "default"', 'name = "x"\nsurprise = 1', "surprise"),
        ('name = "default"', 'name = "x"\nhash = "00"', "hash is computed from the text"),
        ('name = "default"', "", "`name`"),
        ('mode = "enforce"', 'mode = "dry-run"', "mode"),
        ('min_hold = "24h"', "min_hold = 24", 'write a duration such as "24h" here, not 24'),
        ('min_hold = "24h"', 'min_hold = "soon"', "'soon' is not a duration"),
        ('min_hold = "24h"', 'min_hold = "24h"\nforgiveness = true', "forgiveness"),
        ("suspend_on_findings = 2", "suspend_on_findings = 1", "suspend_on_findings"),
        ("exit_min_recipients = 20", "exit_min_recipients = -1", "exit_min_recipients"),
        ("breaker_share = 0.05", "breaker_share = 1.0", "breaker_share"),
        ("breaker_share = 0.05", "breaker_share = nan", "breaker_share"),
        ("breaker_count = 2", "breaker_count = 0", "breaker_count"),
        ("confidence = 0.95\nmin_recipients", "confidence = nan\nmin_recipients", "clean.confidence"),
        ("min_recipients = 50", "min_recipients = 0", "min_recipients"),
        ("hourly = 100\n", "hourly = 0\n", "hourly"),
        ("min_members = 3", "min_members = 1", "min_members"),
        ('malware = "immediate"', 'malware = "soon"', "urgency"),
        ('"5.1.1", ', '"4.1.1", ', "invalid_recipient"),
        ('"5.1.1", ', '"550", ', "invalid_recipient"),
        ('"5.7.*"', '"5.*.*"', "policy_block"),
        ('id = "complaints"', 'id = "Complaints"', "id"),
        ('id = "complaints"', 'id = "complaints\\n"', "id"),
        ("min_events = 3 }", "min_events = 0 }", "min_events"),
        ("above = 0.05", "above = inf", "rules[0] (invalid-recipients): every threshold must be a finite number"),
        ("exit_below = 0.03", "exit_below = nan", "exit_below"),
        ("exit_below = 0.03", "exit_below = inf", "every threshold must be a finite number"),
        ("confidence = 0.995, min_events = 3", "min_events = 3", "throttle: a rate needs a confidence on every bar"),
        ("confidence = 0.985, min_events = 5", "min_events = 5", "suspend: a rate needs a confidence on every bar"),
        ("above = 3.0,", "above = 3.0, confidence = 0.95,", "confidence applies to rates only"),
        ("elsewhere_confidence = 0.90", "", "suspend: elsewhere needs the rule's elsewhere_confidence"),
        ("above = 3.0,", "above = 3.0, min_first_contact = 0.5,", "min_first_contact does not apply to hourly-volume"),
        ('metric = "hourly-volume"', 'metric = "weather"', "unknown metric 'weather'"),
        ('window = "1h"', 'window = "2h"', "window of hourly-volume must lie between 1m and 1h"),
        ('window = "1h"', 'window = "30s"', "window of hourly-volume must lie between 1m and 1h"),
        ('metric = "daily-volume"\nwindow = "24h"', 'metric = "daily-volume"\nwindow = "59m"', "between 1h and 7d"),
        (
            "throttle = { above = 1.0, min_events = 50 }",
            "throttle = { above = 1.0, min_events = 50 }\nsuspend = { above = 2.0, min_events = 50 }",
            "sustained-volume may throttle, never suspend by itself; remove suspend",
        ),
        ('id = "complaints"', 'id = "invalid-recipients"', "(invalid-recipients): the id is used twice"),
        ("[labels.clean-sender]", "[labels.very-clean]", "labels.clean-sender is missing"),
        ("[labels.clean-sender]", "[labels.very-clean]", "labels.very-clean is not a label the rules issue"),
        ("renew_at = 0.5    ", "", "labels.mail-throttled.renew_at is missing"),
        ("renew_at = 0.5    ", "renew_at = 1.0 ", "renew_at"),
        ("hourly_cap = 20 ", "", "labels.mail-throttled.hourly_cap is missing"),
        ('terms = ["14d"]', "terms = []", "terms"),
        ('metric = "invalid-recipient-rate"', 'metric = "complaint-rate"', "clean.metric"),
    ],
)
def test_a_policy_nobody_could_be_judged_by_is_refused_naming_key_and_fix(
    shipped: str, old: str, new: str, words: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_policy(changed(shipped, old, new))
    assert str(caught.value).startswith("policy: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "default"', f'name = "{"é" * 513}"', "name: 1026 bytes are too long to be shown; 1024 are the most"),
        ('source = "', f'source = "{"x" * 8192}', "source: "),
        ('summary = "', f'summary = "{"x" * 4096}', "a label's reason may hold 4096; shorten this one"),
        ("min_events = 3 }", "min_events = 9007199254740992 }", "min_events"),
    ],
)
def test_what_no_answer_could_hold_is_refused_at_its_line(shipped: str, old: str, new: str, words: str) -> None:
    text = changed(shipped, old, new)
    line = text[: text.index(new)].count("\n") + 1
    with pytest.raises(Misconfigured, match=rf"^policy: line {line}: ") as caught:
        parse_policy(text)
    assert words in str(caught.value)


def test_a_text_too_long_to_be_shown_is_refused(shipped: str) -> None:
    padded = shipped + "#" * (262_144 - len(shipped.encode()))
    assert parse_policy(padded).name == "default"
    with pytest.raises(Misconfigured, match="262145 bytes are too long to be shown; 262144 are the most"):
        parse_policy(padded + "#")


def test_more_rules_than_an_answer_can_hold_are_refused(shipped: str) -> None:
    head, *rules = shipped.split("[[rules]]")
    many = [rules[0].replace('"invalid-recipients"', f'"r{number}"', 1) for number in range(101)]
    assert len(parse_policy("[[rules]]".join([head, *many[:100]])).rules) == 100
    with pytest.raises(Misconfigured, match="rules"):
        parse_policy("[[rules]]".join([head, *many]))


def test_a_throttle_that_is_not_there_at_all_is_said_once(shipped: str) -> None:
    text = changed(shipped, "[labels.mail-throttled]", "[labels.slow]")
    with pytest.raises(Misconfigured, match=r"labels\.mail-throttled is missing") as caught:
        parse_policy(text)
    assert "mail-throttled.renew_at" not in str(caught.value)


def test_no_rules_are_no_policy(shipped: str) -> None:
    with pytest.raises(Misconfigured, match="rules"):
        parse_policy(shipped[: shipped.index("[[rules]]")].replace('name = "default"', 'name = "x"\nrules = []'))


def test_every_problem_is_named_at_once(shipped: str) -> None:
    text = changed(changed(shipped, "above = 0.05", "above = inf"), 'metric = "hourly-volume"', 'metric = "x"')
    with pytest.raises(Misconfigured, match=r"rules\[0\].*; line \d+: rules\[\d+\]"):
        parse_policy(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("confidence = 0.985, min_events = 5", "min_events = 5"),
        ('metric = "hourly-volume"', 'metric = "weather"'),
        ('min_hold = "24h"', 'min_hold = "soon"'),
        ("breaker_count = 2", "breaker_count = 0"),
        ('name = "default"', 'name = "x"\nhash = "00"'),
    ],
)
def test_the_line_is_named_where_the_mistake_stands(shipped: str, old: str, new: str) -> None:
    text = changed(shipped, old, new)
    line = text[: text.index(new)].count("\n") + new.count("\n") + 1
    with pytest.raises(Misconfigured, match=rf"^policy: line {line}: "):
        parse_policy(text)


def test_a_place_that_cannot_be_found_is_no_line(shipped: str) -> None:
    assert located(shipped, "nowhere.at.all") == ""


def test_what_is_unwise_can_still_be_judged_by(shipped: str) -> None:
    """An old log replays under the policy that was in force then; soundness is asked when a file is taken up."""
    assert parse_policy(changed(shipped, "exit_below = 0.03", "exit_below = 0.5")).rules[0].exit_below == 0.5
