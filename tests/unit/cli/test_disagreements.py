"""`labeler replay --against`: which labels stand under one of two policies only; and `--shadow`."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHIPPED = Path("labeler/policy.toml").read_text(encoding="utf-8")
LENIENT = re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", SHIPPED)
SHADOW = SHIPPED.replace('mode = "enforce"', 'mode = "shadow"')


def bought(buyer: int) -> Iterator[dict[str, Any]]:
    """Twenty-one recipients, each at a domain of its own; every third does not exist."""
    for number in range(21):
        mail = {
            "did": f"did:plc:b{buyer}",
            "at": (START + timedelta(hours=buyer, minutes=number)).isoformat(),
            "messageId": f"m{number}",
            "recipient": f"{number:032x}",
            "recipientDomain": f"d{number}.example",
        }
        fate = {"kind": "delivered"} if number % 3 else {"kind": "bounced", "smtpCode": 550, "status": "5.1.1"}
        yield {"id": f"{buyer} a{number}", "kind": "accepted", **mail}
        yield {"id": f"{buyer} o{number}", **mail, **fate}


@pytest.fixture
def files(tmp_path: Path) -> None:
    """Recorded events of three list-buyers, and policies beside them."""
    events = [event for buyer in range(3) for event in bought(buyer)]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    for name, text in (("shipped", SHIPPED), ("lenient", LENIENT), ("shadow", SHADOW)):
        (tmp_path / f"{name}.toml").write_text(text)


@pytest.mark.usefixtures("files")
class TestAgainst:
    def test_two_alike_agree(self, run: "Run") -> None:
        said = run("replay", "events.ndjson", "--policy", "shipped.toml", "--against", "shipped.toml", "--json")
        assert (said.code, said.out) == (0, "")
        assert "current: 3 members throttled, 2 suspended\n" in said.err
        assert "candidate: 3 members throttled, 2 suspended\n" in said.err
        assert "disagreements: 0, 0 of them at the end" in said.err

    def test_each_line_is_one_disagreement(self, run: "Run") -> None:
        words = ["--policy", "shipped.toml", "--against", "lenient.toml", "--json"]
        lines = run("replay", "events.ndjson", *words).lines
        assert [(line["uri"][-2:], line["val"], line["side"]) for line in lines] == [
            ("b0", "mail-throttled", "current"),
            ("b0", "mail-suspended", "current"),
            ("b1", "mail-throttled", "current"),
            ("b1", "mail-suspended", "current"),
            ("b2", "mail-throttled", "current"),
        ]
        first, second = lines[:2]
        assert first["until"] == second["at"], "the suspension took the throttle's place"
        assert "until" not in second
        assert first["at"] < second["at"]
        assert first["rule"] == first["finding"]["rule"] == "invalid-recipients"
        assert set(first) == {"at", "uri", "val", "side", "until", "rule", "finding"}

    def test_time_runs_on_for_both(self, run: "Run") -> None:
        words = ["--policy", "shipped.toml", "--against", "lenient.toml", "--json", "--until", "2026-06-01T00:00:00Z"]
        said = run("replay", "events.ndjson", *words)
        assert all("until" in line for line in said.lines)
        assert "0 of them at the end" in said.err

    def test_people_get_a_table_the_totals_and_a_warning(self, run: "Run") -> None:
        said = run("replay", "events.ndjson", "--policy", "lenient.toml", "--against", "shipped.toml")
        heading, *rows = said.out.splitlines()
        assert heading.split() == ["since", "until", "uri", "label", "only", "under", "by", "why"]
        assert "candidate" in rows[0]
        assert "3 distinct recipients that do not exist" in rows[0]
        assert "current: 0 members throttled, 0 suspended" in rows
        assert "candidate: 3 members throttled, 2 suspended" in rows
        assert rows[-1].startswith("note: the candidate would suspend more than its breaker allows (2 in 24 hours")
        assert rows[-1].endswith("1 suspensions were held back")
        assert "current; policy default, sha256 " in said.err
        assert "candidate; policy default, sha256 " in said.err

    def test_a_policy_nobody_could_judge_by_is_2(self, run: "Run") -> None:
        Path("broken.toml").write_text("name = 7")
        said = run("replay", "events.ndjson", "--against", "broken.toml")
        assert said.code == 2
        assert "broken.toml: policy: " in said.err

    @pytest.mark.parametrize("word", ["--sign", "--shadow"])
    def test_what_belongs_to_one_policy_is_not_asked_of_two(self, run: "Run", word: str) -> None:
        said = run("replay", "events.ndjson", "--against", "shipped.toml", word)
        assert said.code == 2
        assert "shows labels of two policies" in " ".join(said.err.split())


def test_the_configured_log_is_compared_with_what_was_published(run: "Run", config: Path) -> None:
    run("label", "apply", "did:plc:bob", "mail-throttled", "--hours", 48, "--config", config)
    said = run("replay", "--config", config, "--against", "here/policy.toml", "--json")
    assert (said.code, said.out) == (0, "")
    assert "current: 1 members throttled, 0 suspended" in said.err
    assert "candidate: 1 members throttled, 0 suspended" in said.err


@pytest.mark.usefixtures("files")
class TestShadow:
    def test_what_is_only_pretended_is_no_label_change(self, run: "Run") -> None:
        said = run("replay", "events.ndjson", "--policy", "shadow.toml", "--json")
        assert (said.code, said.out) == (0, "")
        assert "label changes: 0, in shadow only: " in said.err

    def test_it_is_shown_where_it_is_asked_for(self, run: "Run") -> None:
        said = run("replay", "events.ndjson", "--policy", "shadow.toml", "--json", "--shadow")
        assert {line["val"] for line in said.lines} == {"mail-throttled", "mail-suspended"}
        assert all(line["shadow"] is True for line in said.lines)
        table = run("replay", "events.ndjson", "--policy", "shadow.toml", "--shadow").out
        assert "+mail-throttled (shadow)" in table
