"""`labeler policy check`, `labeler policy show` and `labeler policy diff`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeler.cli.policy import _written
from labeler.reputation.policy import parse_policy

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


@pytest.fixture
def policy(config: Path) -> Path:
    """The policy of a fresh installation."""
    return config.parent / "policy.toml"


def edited(policy: Path, old: str, new: str) -> Path:
    """A second file with one text replaced."""
    text = policy.read_text()
    assert old in text
    other = policy.parent / "other.toml"
    other.write_text(text.replace(old, new, 1))
    return other


class TestCheck:
    def test_a_good_policy_is_proved_claim_by_claim(self, run: "Run", policy: Path) -> None:
        said = run("policy", "check", policy)
        assert said.code == 0
        assert "✗" not in said.out
        marked = [line for line in said.out.splitlines() if line.startswith("✓")]
        assert len(marked) > 50
        assert any("hourly-volume throttles from 50 on and suspends from 200 on" in line for line in marked)
        hash_ = parse_policy(policy.read_text()).hash
        assert said.out.splitlines()[-1] == f"{policy}: good, 19 rules, sha256 {hash_}"

    def test_without_a_file_it_is_the_configured_one(self, run: "Run", config: Path) -> None:
        said = run("policy", "check", "--config", config)
        assert said.code == 0
        assert "policy.toml: good" in said.out

    def test_machines_get_every_proof_with_its_line(self, run: "Run", policy: Path) -> None:
        (answer,) = run("policy", "check", policy, "--json").lines
        assert answer["file"] == str(policy)
        assert answer["hash"] == parse_policy(policy.read_text()).hash
        assert (answer["name"], answer["rules"], answer["sound"]) == ("default", 19, True)
        assert all(proof["holds"] for proof in answer["proofs"])
        lines = policy.read_text().splitlines()
        (proof,) = [proof for proof in answer["proofs"] if proof["place"] == "clean.below"]
        assert lines[proof["line"] - 1].startswith("below = ")

    def test_what_does_not_hold_is_2_by_line_key_and_fix(self, run: "Run", policy: Path) -> None:
        other = edited(policy, "exit_below = 0.03", "exit_below = 0.06")
        said = run("policy", "check", other)
        assert said.code == 2
        line = 1 + other.read_text().splitlines().index("exit_below = 0.06")
        assert f"labeler: {other}: policy: line {line}: rules[0].exit_below: " in said.err
        assert "set exit_below under 0.05" in said.err
        (cross,) = [line for line in said.out.splitlines() if line.startswith("✗  exit")]
        assert "rules[0].exit_below" in cross
        assert "good" not in said.out.splitlines()[-1]

    def test_machines_are_told_that_it_is_not_sound(self, run: "Run", policy: Path) -> None:
        said = run("policy", "check", edited(policy, "min_events = 2, min_distinct", "min_events = 1, min_distinct"))
        assert said.code == 0, "two traps at two domains are two events still"
        said = run("policy", "check", edited(policy, 'source = "as for the hour"', ""), "--json")
        assert said.code == 2
        (answer,) = said.lines
        assert answer["sound"] is False
        assert [proof["claim"] for proof in answer["proofs"] if not proof["holds"]] == ["every threshold has a source"]

    @pytest.mark.parametrize("verb", ["check", "show"])
    def test_what_cannot_be_read_is_2_and_named(self, run: "Run", config: Path, policy: Path, verb: str) -> None:
        policy.write_text('name = "mine"')
        said = run("policy", verb, "--config", config)
        assert (said.code, said.out) == (2, "")
        assert "here/policy.toml: policy: " in said.err

    def test_an_absent_policy_is_2(self, run: "Run") -> None:
        said = run("policy", "check", "none.toml")
        assert said.code == 2
        assert "none.toml: the policy cannot be read" in said.err


class TestShow:
    def test_every_rule_is_told_in_words_and_for_members_of_different_size(self, run: "Run", config: Path) -> None:
        out = run("policy", "show", "--config", config).out
        assert "invalid-recipients: too many recipients do not exist.\nA member is throttled when at least 3" in out
        assert "that is the third of at most 14, the fourth of at most 22" in out
        rows = [line for line in out.splitlines() if line.startswith("invalid-recipients ")]
        assert re.split(r" {2,}", rows[0])[:4] == ["invalid-recipients", "recipients", "7d", "enforce"]
        assert re.split(r" {2,}", rows[1]) == [
            *("invalid-recipients", "9 / 14 of 70", "29 / 49 of 350", "93 / 168 of 1400", "402 / 762 of 7000"),
        ]
        (row,) = [line for line in out.splitlines() if line.startswith("hourly-volume  ") and "/" in line]
        assert re.split(r" {2,}", row) == ["hourly-volume", "50 / 200", "151 / 501", "601 / 2001", "3001 / 10001"]
        (row,) = [line for line in out.splitlines() if re.match(r"domain-spray-hour +–", line)]
        assert re.split(r" {2,}", row) == ["domain-spray-hour", "–", "–", "–", "–"]

    def test_the_rest_of_the_file_is_told_too(self, run: "Run", policy: Path) -> None:
        out = run("policy", "show", policy).out
        assert "1 day, then 3 days, then 7 days" in out
        assert "2, or 5 % of the members active then if that is more" in out
        assert "rules.invalid" not in out

    def test_a_policy_that_would_be_refused_can_be_looked_at(self, run: "Run", policy: Path) -> None:
        assert run("policy", "show", edited(policy, "exit_below = 0.03", "exit_below = 0.06")).code == 0

    def test_machines_get_the_whole_policy_and_what_it_says(self, run: "Run", policy: Path) -> None:
        (answer,) = run("policy", "show", policy, "--json").lines
        first = answer["rules"][0]
        assert first["window"] == "7d"
        assert first["says"].startswith("A member is throttled when at least 3 recipients in 7 days do not exist")
        assert first["volumes"][0] == {"volume": 10, "n": 70, "throttle": 9, "suspend": 14}
        assert answer["labels"]["mail-throttled"]["terms"] == ["24h", "72h", "7d"]
        assert "5.1.1" in answer["outcomes"]["invalid_recipient"]
        assert {"place": "mode", "says": "the policy is in force"} in answer["says"]

    def test_what_has_no_form_for_machines_is_our_mistake(self) -> None:
        with pytest.raises(TypeError, match="has no JSON form"):
            _written(object())


class TestDiff:
    def test_comments_make_no_difference(self, run: "Run", policy: Path) -> None:
        other = edited(policy, 'name = "default"', '# mine\nname = "mine"')
        said = run("policy", "diff", policy, other)
        assert (said.code, said.err) == (0, "")
        assert said.out == "no difference in what is decided\n"

    def test_a_difference_is_told_by_its_consequences(self, run: "Run", policy: Path) -> None:
        other = edited(policy, "confidence = 0.995, min_events = 3 }", "confidence = 0.95, min_events = 3 }")
        said = run("policy", "diff", policy, other)
        assert said.code == 1
        assert (
            "invalid-recipients throttles at the third missing recipient of at most 20 (was: of at most 14)\n"
            in said.out
        )
        assert "no difference" not in said.out

    def test_machines_get_both_names_and_every_difference(self, run: "Run", policy: Path) -> None:
        other = edited(policy, 'terms = ["14d"]', 'terms = ["7d"]')
        said = run("policy", "diff", policy, other, "--json")
        assert said.code == 1
        (answer,) = said.lines
        assert answer["old"]["file"] == str(policy)
        assert answer["new"]["hash"] == parse_policy(other.read_text()).hash
        assert answer["differences"] == [
            {
                "place": "labels.mail-suspended.terms",
                "says": "mail-suspended lasts 7 days (was: 14 days)",
                "now": "7 days",
                "was": "14 days",
            }
        ]
        said = run("policy", "diff", policy, policy, "--json")
        assert (said.code, said.lines[0]["differences"]) == (0, [])

    def test_a_policy_that_would_be_refused_is_remarked(self, run: "Run", policy: Path) -> None:
        other = edited(policy, "exit_below = 0.03", "exit_below = 0.06")
        said = run("policy", "diff", policy, other)
        assert said.code == 1
        assert f"note: {other} would be refused" in said.err
        assert run("policy", "diff", other, policy).err == ""

    def test_a_bad_file_is_2_and_named(self, run: "Run", policy: Path) -> None:
        bad = edited(policy, 'name = "default"', "name = ")
        said = run("policy", "diff", policy, bad)
        assert said.code == 2
        assert f"labeler: {bad}: policy: not TOML" in said.err


def test_the_policy_can_be_tried_too(run: "Run") -> None:
    assert "--population" in run("policy", "simulate", "--help").out
