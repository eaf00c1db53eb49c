"""The policy file: everything it may say, and what is said about everything else."""

import hashlib

import pytest

from labeler.errors import Misconfigured
from labeler.reputation.policy import Policy, Span, parse_policy


def changed(text: str, old: str, new: str) -> str:
    """The text with its first `old` replaced."""
    assert old in text
    return text.replace(old, new, 1)


def test_the_policy_we_ship_is_read_as_it_is_written(policy: Policy, shipped: str) -> None:
    assert policy.name == "default"
    assert [rule.id for rule in policy.rules] == [
        "invalid-recipients",
        "complaints",
        "hourly-volume",
        "daily-volume",
        "domain-spray",
    ]
    assert [term.seconds for term in policy.labels["mail-throttled"].terms] == [86_400, 259_200, 604_800]
    assert policy.horizon_s == 7 * 86_400
    assert policy.hash == hashlib.sha256(shipped.encode()).hexdigest()


def test_under_the_policy_we_ship_policy_blocks_and_temporary_failures_count_against_nobody(policy: Policy) -> None:
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


def test_rules_know_their_bars(policy: Policy) -> None:
    rules = {rule.id: rule for rule in policy.rules}
    assert [bar.min_events for bar in rules["complaints"].bars] == [2, 3]
    assert len(rules["domain-spray"].bars) == 1
    assert [rule.id for rule in policy.rules if rule.asks_first_contact] == ["domain-spray"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "default"', "name = ", "not TOML"),
        ('name = "default"', 'name = "x"\nsurprise = 1', "surprise"),
        ('name = "default"', 'name = "x"\nhash = "00"', "hash is computed from the text"),
        ('name = "default"', "", "`name`"),
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
        ("hourly = 100", "hourly = 0", "hourly"),
        ('"5.1.1", ', '"4.1.1", ', "invalid_recipient"),
        ('"5.1.1", ', '"550", ', "invalid_recipient"),
        ('id = "complaints"', 'id = "Complaints"', "id"),
        ('id = "complaints"', 'id = "complaints\\n"', "id"),
        ("min_events = 3 }     # 5 %", "min_events = 1 }     # 5 %", "min_events"),
        ("above = 0.05", "above = inf", "rules[0] (invalid-recipients): every threshold must be a finite number"),
        ("exit_below = 0.03", "exit_below = nan", "exit_below"),
        ("exit_below = 0.03", "exit_below = 0.05", "exit_below must lie under throttle.above"),
        ("suspend = { above = 0.10", "suspend = { above = 0.04", "suspend.above must not lie under"),
        ("min_events = 5", "min_events = 2", "suspend.min_events must not lie under"),
        ("confidence = 0.99", "confidence = 0.90", "suspend.confidence must not lie under"),
        ("confidence = 0.95, min_events = 3", "min_events = 3", "a rate needs a confidence on every bar"),
        ("above = 3.0,", "above = 3.0, confidence = 0.95,", "confidence applies to rates only"),
        ("above = 3.0,", "above = 3.0, min_first_contact = 0.5,", "min_first_contact applies to domain-spray only"),
        ('metric = "hourly-volume"', 'metric = "weather"', "unknown metric 'weather'"),
        ('window = "1h"', 'window = "2h"', "window of hourly-volume must lie between 1m and 1h"),
        ('window = "1h"', 'window = "30s"', "window of hourly-volume must lie between 1m and 1h"),
        ('metric = "daily-volume"\nwindow = "24h"', 'metric = "daily-volume"\nwindow = "59m"', "at least 1h"),
        ('id = "complaints"', 'id = "invalid-recipients"', "rules[1] (invalid-recipients): the id is used twice"),
        ("[labels.clean-sender]", "[labels.very-clean]", "labels.clean-sender is missing"),
        ("[labels.clean-sender]", "[labels.very-clean]", "labels.very-clean is not a label the rules issue"),
        ("renew_at = 0.5    ", "", "labels.mail-throttled.renew_at is missing"),
        ("renew_at = 0.5    ", "renew_at = 1.0 ", "renew_at"),
        ("hourly_cap = 20 ", "", "labels.mail-throttled.hourly_cap is missing"),
        ('terms = ["14d"]', "terms = []", "terms"),
        ('metric = "invalid-recipient-rate"', 'metric = "complaint-rate"', "clean.metric"),
    ],
)
def test_a_broken_policy_is_refused_naming_key_and_fix(shipped: str, old: str, new: str, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_policy(changed(shipped, old, new))
    assert str(caught.value).startswith("policy: ")
    assert words in str(caught.value)


def test_a_throttle_that_is_not_there_at_all_is_said_once(shipped: str) -> None:
    text = changed(shipped, "[labels.mail-throttled]", "[labels.slow]")
    with pytest.raises(Misconfigured, match=r"labels\.mail-throttled is missing") as caught:
        parse_policy(text)
    assert "mail-throttled.renew_at" not in str(caught.value)


def test_first_contacts_asked_for_suspension_must_be_no_fewer_than_for_a_throttle(shipped: str) -> None:
    spray = "min_first_contact = 0.8 }"
    for share, fine in [("0.7", False), ("0.8", True), ("0.9", True)]:
        suspend = f"suspend = {{ above = 0.9, min_events = 60, min_first_contact = {share} }}"
        text = changed(shipped, 'summary = "almost every recipient', f'{suspend}\nsummary = "almost every recipient')
        assert spray in text
        if fine:
            parse_policy(text)
        else:
            with pytest.raises(Misconfigured, match=r"suspend\.min_first_contact must not lie under"):
                parse_policy(text)


def test_no_rules_are_no_policy(shipped: str) -> None:
    with pytest.raises(Misconfigured, match="rules"):
        parse_policy(shipped[: shipped.index("[[rules]]")].replace('name = "default"', 'name = "x"\nrules = []'))


def test_every_problem_is_named_at_once(shipped: str) -> None:
    text = changed(
        changed(shipped, "exit_below = 0.03", "exit_below = 0.9"), 'metric = "hourly-volume"', 'metric = "x"'
    )
    with pytest.raises(Misconfigured, match=r"rules\[0\].*; rules\[2\]"):
        parse_policy(text)
