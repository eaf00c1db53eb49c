"""What a policy comes to: for members of different size, and against another policy."""

import copy
import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from labeler.reputation.catalogue import Scale
from labeler.reputation.consequences import VOLUMES, at_volumes, describe, differences
from labeler.reputation.policy import Policy, Span, parse_policy


def changed(shipped: str, old: str, new: str) -> Policy:
    """The shipped policy with one text replaced."""
    assert old in shipped
    return parse_policy(shipped.replace(old, new, 1))


def says(old: Policy, new: Policy) -> list[str]:
    """The differences as sentences."""
    return [difference.says for difference in differences(old, new)]


class TestDifferences:
    def test_comments_names_sources_and_spelling_decide_nothing(self, policy: Policy, shipped: str) -> None:
        text = "# a word more\n" + shipped.replace('name = "default"', 'name = "mine"').replace('"24h"', '"1d"')
        text = text.replace('source = "as for the hour"', 'source = "a hunch"')
        other = parse_policy(text)
        assert other.hash != policy.hash
        assert differences(policy, other) == []

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            (
                "throttle = { above = 0.05, confidence = 0.995, min_events = 3 }",
                "throttle = { above = 0.05, confidence = 0.80, min_events = 3 }",
                "invalid-recipients throttles at the third missing recipient of at most 29 (was: of at most 14)",
            ),
            (
                "confidence = 0.995, min_events = 3 }",
                "confidence = 0.95, min_events = 3 }",
                "invalid-recipients throttles when at least 3 recipients in 7 days do not exist and we can be 95 % "
                "sure that more than 5 % of its recipients do not "
                "(was: we can be 99.5 % sure that more than 5 % of its recipients do not)",
            ),
            (
                'terms = ["24h", "72h"',
                'terms = ["24h", "48h"',
                "mail-throttled lasts 1 day, then 2 days, then 7 days (was: 1 day, then 3 days, then 7 days)",
            ),
            ('terms = ["14d"]', 'terms = ["28d"]', "mail-suspended lasts 28 days (was: 14 days)"),
            (
                '"5.7.13", ',
                "",
                "a bounce with 5.7.13 is a refusal for policy (was: says that a recipient does not exist)",
            ),
            ('"5.1.1", ', "", "a bounce with 5.1.1 judges nobody (was: says that a recipient does not exist)"),
            (
                "hourly = 100\n",
                "hourly = 90\n",
                "who agreed on no caps may send 90 messages an hour and 1 000 a day "
                "(was: 100 messages an hour and 1 000 a day)",
            ),
            (
                'id = "velocity"',
                'id = "velocity"\nmode = "shadow"',
                "rule velocity is in shadow: recorded, and nothing published (was: is in force)",
            ),
            (
                'mode = "enforce"',
                'mode = "shadow"',
                "the policy is in shadow: recorded, and nothing published (was: is in force)",
            ),
            (
                "min_events = 10, min_distinct = 3",
                "min_events = 10",
                "dead-addresses throttles when at least 10 messages in 1 day go to addresses that were reported not to "
                "exist (was: 3 addresses or more are concerned)",
            ),
            (
                "above = 3.0, min_events = 50 }",
                'above = 3.0, min_events = 50 }\nmode = "shadow"',
                "rule hourly-volume is in shadow: recorded, and nothing published (was: is in force)",
            ),
            ("unsolicited = ", "spam = ", "new: a report of spam is routine"),
            ("unsolicited = ", "spam = ", "no longer: a report of unsolicited is routine"),
            (
                "auth_mail_hourly_cap = 20 ",
                "",
                "no longer: of login mail under mail-throttled they let through 20 an hour",
            ),
        ],
    )
    def test_a_change_is_told_by_what_it_leads_to(
        self, policy: Policy, shipped: str, old: str, new: str, sentence: str
    ) -> None:
        assert sentence in says(policy, changed(shipped, old, new))

    def test_a_condition_that_was_not_asked_is_told_so(self, policy: Policy, shipped: str) -> None:
        other = changed(shipped, "min_events = 10, min_distinct = 3", "min_events = 10")
        (sentence,) = says(other, policy)
        assert sentence.endswith("; 3 addresses or more are concerned (was: without that)")

    def test_fewer_events_are_new_and_more_no_longer_enough(self, policy: Policy, shipped: str) -> None:
        fewer = changed(shipped, "min_events = 3 }", "min_events = 2 }")
        at_two = "invalid-recipients throttles at the second missing recipient of at most 7"
        assert [sentence for sentence in says(policy, fewer) if "second" in sentence] == [f"new: {at_two}"]
        assert [sentence for sentence in says(fewer, policy) if "second" in sentence] == [f"no longer: {at_two}"]

    def test_a_rule_that_comes_or_goes_is_told_once_and_whole(self, policy: Policy, shipped: str) -> None:
        other = changed(shipped, 'id = "velocity"', 'id = "speed"\nmode = "shadow"')
        new, gone = differences(policy, other)
        assert new.says.startswith("new: rule speed (in shadow): A member is throttled when at least 20 messages")
        assert (new.place, new.was) == ("rules.speed", None)
        assert gone.says.startswith("no longer: rule velocity: A member is throttled when at least 20 messages")
        assert (gone.place, gone.now) == ("rules.velocity", None)

    def test_another_metric_is_told_in_whole_sentences(self, policy: Policy, shipped: str) -> None:
        other = changed(shipped, 'metric = "trap-rate"', 'metric = "complaint-rate"')
        assert (
            "spam-traps throttles at the third complaint of at most 1 515 "
            "(was: spam-traps throttles at the third spam trap of at most 1 515)"
        ) in says(policy, other)

    def test_what_it_says_now_and_said_before_is_given_to_machines(self, policy: Policy, shipped: str) -> None:
        (difference,) = differences(policy, changed(shipped, 'terms = ["14d"]', 'terms = ["28d"]'))
        assert difference == (
            "labels.mail-suspended.terms",
            "mail-suspended lasts 28 days (was: 14 days)",
            "28 days",
            "14 days",
        )

    def test_no_number_of_the_file_can_change_without_a_word(self, policy: Policy, shipped: str) -> None:
        """Every key but those that decide nothing is in some statement, to the last digit."""
        document = tomllib.loads(shipped)
        paths = list(leaves(document))
        assert len(paths) > 250
        silent = {path for path in paths if not differences(policy, convert(nudged(policy, document, path)))}
        rules = range(len(policy.rules))
        assert silent == {("name",), ("clean", "metric"), *(("rules", index, "source") for index in rules)}


Steps = tuple[str | int, ...]


def leaves(value: Any, path: Steps = ()) -> Iterator[Steps]:
    """The paths of all numbers, texts and switches of a document."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


def nudged(policy: Policy, document: dict[str, Any], path: Steps) -> dict[str, Any]:
    """The document with one leaf changed, as little as can be: of a count only whole numbers matter."""
    other = copy.deepcopy(document)
    table: Any = other
    for step in path[:-1]:
        table = table[step]
    whole = path[0] == "rules" and policy.rules[int(path[1])].scale is Scale.COUNT
    table[path[-1]] = another(path, table[path[-1]], whole)
    return other


def another(path: Steps, value: Any, whole: bool) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) or (isinstance(value, float) and whole):
        return value + 1
    if isinstance(value, float):
        return math.nextafter(value, 0)
    if re.fullmatch(r"\d+[smhd]", value):
        return f"{Span(value).seconds + 1}s"
    if path[0] == "outcomes":
        return "5.4.4"
    if path[:2] == ("abuse", "urgency"):
        return "urgent" if value != "urgent" else "routine"
    if path[-1] == "metric":
        return "complaint-rate" if value != "complaint-rate" else "trap-rate"
    return "shadow" if path[-1] == "mode" else f"{value}-x"


def convert(document: dict[str, Any]) -> Policy:
    """A policy from a document, sound or not."""
    return msgspec.convert(document, Policy, dec_hook=lambda _, value: Span(value))


class TestAtVolumes:
    def test_a_rate_is_told_out_of_the_mail_of_its_window(self, policy: Policy) -> None:
        table = at_volumes(policy.rules[0])
        assert [row.volume for row in table] == list(VOLUMES)
        assert [(row.n, row.throttle, row.suspend) for row in table] == [
            *((70, 9, 14), (350, 29, 49), (1_400, 93, 168), (7_000, 402, 762)),
        ]

    def test_volume_is_told_by_the_cap(self, policy: Policy) -> None:
        volume = next(rule for rule in policy.rules if rule.id == "hourly-volume")
        assert [(row.n, row.throttle, row.suspend) for row in at_volumes(volume)] == [
            *((0, 50, 200), (0, 151, 501), (0, 601, 2_001), (0, 3_001, 10_001)),
        ]

    def test_what_is_never_reached_is_nought(self, policy: Policy) -> None:
        spray = next(rule for rule in policy.rules if rule.id == "domain-spray")
        assert [row.throttle for row in at_volumes(spray)] == [0, 43, 171, 851]
        assert [row.suspend for row in at_volumes(spray)] == [0, 0, 0, 0]
        velocity = next(rule for rule in policy.rules if rule.id == "velocity")
        never = msgspec.structs.replace(velocity, throttle=msgspec.structs.replace(velocity.throttle, above=1e300))
        assert [row.throttle for row in at_volumes(never)] == [0, 0, 0, 0]


def test_a_policy_is_described_from_the_mode_to_the_last_rule(policy: Policy) -> None:
    told = describe(policy)
    assert told[0].sentence == "the policy is in force"
    assert {statement.place.split(".")[1] for statement in told if statement.place.startswith("rules.")} == {
        rule.id for rule in policy.rules
    }
    assert told[-1].place == f"rules.{policy.rules[-1].id}.exit_below"
