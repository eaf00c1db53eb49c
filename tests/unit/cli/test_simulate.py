"""`labeler policy simulate`: recorded events as `replay` takes them, populations with figures and goals."""

import builtins
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

SIMULATE = ("policy", "simulate")
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
BUYER = (*SIMULATE, "--population", "list-buyer-30", "--volume", 10, "--runs", 12, "--days", 14, "--jobs", 1)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A member half of whose recipients do not exist."""
    lines = []
    for number in range(40):
        mail = {
            "did": "did:plc:bad",
            "at": (START + timedelta(minutes=number)).isoformat(),
            "messageId": f"m{number}",
            "recipient": f"{number:032x}",
        }
        lines.append({"id": f"a{number}", "kind": "accepted", **mail})
        lines.append({"id": f"o{number}", "kind": "bounced", "status": "5.1.1" if number % 2 else "4.2.2", **mail})
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_recorded_events_are_replayed_to_the_byte(run: "Run", events: Path, config: Path) -> None:
    until = ["--until", "2026-05-01T00:00:00Z"]
    for words in ([], ["--json"]):
        expected = run("replay", events, *until, *words)
        assert "mail-suspended" in expected.out
        assert expected.out.startswith("{") == bool(words), "a table for people, JSON for machines"
        said = run(*SIMULATE, events, *until, *words)
        assert (said.code, said.out) == (0, expected.out)
    policy = Path("here/policy.toml")
    policy.write_text(policy.read_text().replace('name = "default"', 'name = "other"'))
    for by in (("--policy", policy), ("--config", config)):
        assert run(*SIMULATE, events, *by).out == run("replay", events, *by).out
        assert "policy other" in run(*SIMULATE, events, *by).err


def test_people_get_a_table_with_intervals_and_goals(run: "Run") -> None:
    said = run(*BUYER)
    heading, row, *_ = said.out.splitlines()
    assert heading.split()[:3] == ["population", "mails/day", "n"]
    assert row.startswith("list-buyer-30")
    assert "100 [73.5, 100]" in row
    assert "half by 10 / 18 sends" in row
    assert "policy default, sha256 " in said.err
    assert "seed " in said.err


def test_machines_get_a_line_for_each_population_and_volume(run: "Run") -> None:
    said = run(*BUYER, "--volume", 20, "--json", "--seed", 3)
    assert [(line["population"], line["volume"], line["n"]) for line in said.lines] == [
        ("list-buyer-30", 10, 12),
        ("list-buyer-30", 20, 12),
    ]
    line = said.lines[0]
    assert line["seed"] == 3
    assert line["throttled"]["k"] == line["throttled"]["n"] == 12
    assert line["throttled"]["upper"] == 1
    assert line["sendsUntilThrottled"]["p50"] <= line["sendsUntilThrottled"]["p90"]
    assert [part["name"] for part in line["goal"]] == ["half throttled", "half suspended"]
    assert line["met"] == all(part["verdict"] != "missed" for part in line["goal"])


def test_the_figures_do_not_depend_on_how_many_are_at_work(run: "Run") -> None:
    words = [word for word in BUYER if word not in {"--jobs", 1}]
    assert run(*words, "--json", "--jobs", 2).out == run(*BUYER, "--json").out
    assert run(*BUYER, "--json", "--seed", 4).out != run(*BUYER, "--json").out


def test_a_goal_that_is_missed_is_1(run: "Run", config: Path) -> None:
    assert run(*BUYER).code == 0
    lenient = Path("lenient.toml")
    lenient.write_text(_without_rules(Path("here/policy.toml").read_text()))
    said = run(*BUYER, "--policy", lenient)
    assert said.code == 1
    assert "✗ half throttled, half suspended" in said.out
    assert "never / never" in said.out


def test_the_last_line_says_in_words_how_the_goals_stand(run: "Run") -> None:
    said = run(*BUYER)
    assert said.out.splitlines()[-1] == "2 goals: 2 met, 0 of them surely; 0 missed; 0 undecided"
    as_json = run(*BUYER, "--json")
    assert as_json.err.splitlines()[-1] == said.out.splitlines()[-1]


def test_what_is_undecided_says_how_many_more_runs_would_decide_and_fails_only_if_asked_to(run: "Run") -> None:
    """At the very threshold of what half of them are caught by, a few runs cannot tell."""
    words = (*SIMULATE, "--population", "list-buyer-30", "--volume", 10, "--runs", 3, "--days", 14, "--jobs", 1)
    said = next(said for seed in range(200) if "?" in (said := run(*words, "--seed", seed)).out.splitlines()[1])
    assert said.code == 0
    last = said.out.splitlines()[-1]
    matched = re.fullmatch(
        r"2 goals: (\d) met, 0 of them surely; 0 missed; (\d) undecided; "
        r"about so many more runs would decide: (\d+) of list-buyer-30 at 10 a day",
        last,
    )
    assert matched is not None, last
    assert int(matched[1]) + int(matched[2]) == 2
    seed = re.search(r"seed (\d+)", said.err)
    assert seed is not None
    strict = run(*words, "--seed", seed[1], "--strict")
    assert (strict.code, strict.out.splitlines()[-1]) == (1, last)
    assert run(*BUYER, "--strict").code == 0, "all of it is decided"


def test_a_budget_bounds_the_runs_of_what_is_dear_and_says_so(run: "Run") -> None:
    words = (*SIMULATE, "--population", "snowshoe", "--population", "list-buyer-30", "--days", 14, "--json")
    cheap, dear = run(*words, "--volume", 10, "--runs", 7, "--budget", 1).lines
    assert (cheap["n"], dear["n"]) == (7, 6 * 20), "the table is in the order of the populations, n is of members"


def _without_rules(policy: str) -> str:
    """The policy with one rule left, on volume."""
    head, *rules = policy.split("[[rules]]")
    (volume,) = [rule for rule in rules if 'id = "hourly-volume"' in rule]
    return f"{head}[[rules]]{volume}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--population", "nobody"], "'nobody' is no population; there are honest, "),
        (["--until", "2026-05-01T00:00:00Z"], "only recorded events"),
        (["--days", 3], "--days"),
        (["--policy", "none.toml"], "none.toml: "),
        (["none.ndjson"], "none.ndjson: cannot be read"),
    ],
)
def test_what_is_wrong_is_2_and_named(run: "Run", words: list[str], message: str) -> None:
    said = run(*SIMULATE, *words)
    assert said.code == 2
    assert message in said.err


def test_figures_are_drawn_as_png_and_svg(run: "Run", tmp_path: Path) -> None:
    folder = tmp_path / "figures" / "new"
    words = ["--population", "honest", "--population", "list-buyer-30", "--volume", 10, "--runs", 5, "--jobs", 1]
    said = run(*SIMULATE, *words, "--plots", folder)
    assert f"4 files in {folder}" in said.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "honest.png",
        "honest.svg",
        "list-buyer-30.png",
        "list-buyer-30.svg",
    ]
    assert (folder / "honest.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "honest.svg").read_text()


def test_a_folder_that_cannot_be_made_is_2(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = run(*BUYER, "--plots", tmp_path / "file" / "figures")
    assert said.code == 2
    assert "cannot be written" in said.err


@pytest.mark.parametrize(("library", "words"), [("numpy", []), ("matplotlib", ["--plots", "figures"])])
def test_without_the_extra_it_says_what_to_install(
    run: "Run", monkeypatch: pytest.MonkeyPatch, library: str, words: list[str]
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith(("labeler.simulation", "labeler.cli.simulation"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", missing)
    said = run(*BUYER, *words)
    assert said.code == 2
    assert f"{library} is not installed" in said.err
    assert "mail-reputation-labeler[simulate]" in said.err
