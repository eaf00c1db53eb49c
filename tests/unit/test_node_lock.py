"""What stands outside the package for the sake of the tests: the Node clients' lock file, and the black-box suite."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "node"
SUITE = sorted((ROOT / "conformance").glob("*.py"))


def test_the_clients_are_locked_by_hash_and_by_no_address() -> None:
    """Whatever registry they come from, they are these bytes."""
    text = (NODE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert len(packages) > 100
    assert '"resolved"' not in text
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    assert "omit-lockfile-registry-resolved=true" in (NODE / ".npmrc").read_text().splitlines()


def test_no_client_may_run_a_script_when_it_is_installed() -> None:
    assert "ignore-scripts=true" in (NODE / ".npmrc").read_text().splitlines()


def test_the_clients_have_exact_versions() -> None:
    """And the lock file holds those."""
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    locked = json.loads((NODE / "package-lock.json").read_text())["packages"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted


@pytest.mark.parametrize("file", SUITE, ids=lambda file: file.stem)
def test_the_black_box_suite_knows_nothing_of_the_code_it_asks(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not {module.partition(".")[0] for module in modules} & {"labeler", "relay_hooks", "tests"}
