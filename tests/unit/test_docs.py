"""The documents say what is so: links lead somewhere, named tests exist, and every table lists what the code has."""

import ast
import json
import re
import shutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import typer
from typer.main import get_command

from labeler.adapters.keyfile import new_key, write_new_key
from labeler.cli.verbs import app
from labeler.moderation.reasons import REASON_TYPES
from labeler.reputation.definitions import DEFINITIONS
from labeler.reputation.metrics import METRICS
from labeler.reputation.policy import parse_policy
from labeler.service.observe import Metrics
from labeler.service.schema import load_lexicons
from labeler.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "lexicons" / "README.md"])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def document(name: str) -> str:
    return (ROOT / name).read_text()


def table(name: str, header: str) -> dict[str, list[str]]:
    """The rows of the one table whose header line begins as given: first cell, without backticks → the others."""
    after = document(name).split(f"\n| {header} |", 1)[1].splitlines()[2:]
    rows: dict[str, list[str]] = {}
    for line in after:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows[first.strip("`")] = others
    return rows


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    targets = [target for target in LINK.findall(path.read_text()) if "://" not in target]
    missing = [target for target in targets if not (path.parent / target.partition("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_python_it_shows_parses_and_its_imports_exist(path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        tree = compile(block, path.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert isinstance(tree, ast.Module)
        imports: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), path.name, "exec"), {})


def named_tests() -> Iterator[tuple[int, str, str]]:
    for number, text in enumerate(re.split(r"(?m)^## ", document("docs/INVARIANTS.md"))[1:], 1):
        for file, name in TEST.findall(text):
            yield number, file, name


def test_every_invariant_names_tests_that_exist() -> None:
    missing = []
    for _, file, name in named_tests():
        path = ROOT / file
        if not path.is_file() or (name and not re.search(rf"(?m)^\s*(async )?def {name}\(", path.read_text())):
            missing.append(f"{file}::{name}")
    assert not missing


def test_there_are_ten_invariants_and_each_is_held_by_some_test() -> None:
    headings = re.findall(r"(?m)^## (\d+)\. ", document("docs/INVARIANTS.md"))
    assert headings == [str(number) for number in range(1, 11)]
    assert {number for number, _, name in named_tests() if name} == set(range(1, 11))


def test_the_policy_document_lists_every_label() -> None:
    assert list(table("docs/POLICY.md", "value | meaning")) == [definition.val for definition in DEFINITIONS]


def test_only_what_operators_alone_may_issue_is_called_so() -> None:
    rows = table("docs/POLICY.md", "value | meaning")
    for definition in DEFINITIONS:
        assert ("operators only" in rows[definition.val][1]) == (not definition.by_rules)


def test_the_policy_document_lists_every_metric() -> None:
    assert set(table("docs/POLICY.md", "metric | k of n")) == set(METRICS)


def test_the_rule_it_explains_is_one_we_ship() -> None:
    example = re.search(r"```toml\n(.*?)```", document("docs/POLICY.md"), re.DOTALL)
    assert example is not None
    shipped = document("labeler/policy.toml")
    rules = {rule.id: rule for rule in parse_policy(shipped).rules}
    head = shipped.split("[[rules]]", 1)[0]
    (rule,) = parse_policy(head + example[1]).rules
    for name in ("metric", "family", "throttle", "suspend", "exit_below", "summary"):
        assert getattr(rule, name) == getattr(rules[rule.id], name)
    assert rule.window.seconds == rules[rule.id].window.seconds


def test_the_operating_document_lists_every_metric() -> None:
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in Metrics().registry.collect()
    }
    assert set(table("docs/OPERATING.md", "metric | meaning")) == exposed


def models(kind: object) -> Iterator[type[pydantic.BaseModel]]:
    """The settings models inside a type: itself, the items of a list, the choices of a union."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        yield kind
    elif typing.get_origin(kind) in (list, tuple, typing.Union, types.UnionType, typing.Annotated):
        for inner in typing.get_args(kind):
            yield from models(inner)


def keys(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = list(models(field.annotation))
        for each in inner:
            yield from keys(each, f"{prefix}{name}.")
        if not inner:
            yield prefix + name


def test_the_operating_document_lists_every_setting() -> None:
    assert set(table("docs/OPERATING.md", "key | default")) == set(keys(Settings))


def verbs(command: Any, words: str) -> Iterator[str]:
    """Every command below one, as it is typed."""
    if not hasattr(command, "list_commands"):
        yield words
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from verbs(command.get_command(context, name), f"{words} {name}")


def test_the_operating_document_lists_every_command() -> None:
    assert set(table("docs/OPERATING.md", "command | what it does")) == set(verbs(get_command(app), "labeler"))


def test_the_example_configuration_is_one_the_service_takes(tmp_path: Path) -> None:
    """`deploy/labeler.toml`, with a policy and a key beside it as `init` writes them."""
    shutil.copy(ROOT / "deploy" / "labeler.toml", tmp_path)
    shutil.copy(ROOT / "labeler" / "policy.toml", tmp_path)
    write_new_key(tmp_path / "signing.key", new_key())
    settings = load_settings(tmp_path / "labeler.toml", {})
    assert settings.relays
    assert settings.operators


def test_nothing_is_promised_of_a_test_that_is_skipped() -> None:
    for _, file, _ in named_tests():
        assert not re.search(r"pytest\.mark\.(skip|xfail)|pytest\.skip", (ROOT / file).read_text()), file


def test_what_members_are_told_to_send_is_what_we_take() -> None:
    """The bodies in docs/MEMBERS.md that go to a method of ours."""
    lexicons = load_lexicons()
    sent = re.findall(r'/xrpc/([\w.]+)"[^`]*?-d \'(\{.*?\})\'\n', document("docs/MEMBERS.md"), re.DOTALL)
    assert [nsid for nsid, _ in sent] == ["email.atmos.reputation.answer", "com.atproto.moderation.createReport"]
    for nsid, body in sent:
        lexicons.check_input(nsid, json.loads(body))
    assert json.loads(sent[1][1])["reasonType"] in REASON_TYPES


def test_members_are_told_of_every_label() -> None:
    told = " ".join(table("docs/MEMBERS.md", "label | what happens to your mail"))
    assert all(definition.val in told for definition in DEFINITIONS)
