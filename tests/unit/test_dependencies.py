"""What the product takes from its dependencies, and what it must not."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted([*(ROOT / "labeler").rglob("*.py"), *(ROOT / "relay_hooks").rglob("*.py")])


def imported(path: Path) -> set[str]:
    """Every module a file names, with what it takes out of it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.row(221)
@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tokens_and_cbor_are_read_by_our_own_code_alone(path: Path) -> None:
    """The `atproto` package's verify_jwt takes any `alg`, `lxm` and `typ`; libipld's decoder takes loose CBOR."""
    roots = {name.partition(".")[0] for name in imported(path)}
    assert not roots & {"atproto", "atproto_server", "libipld", "jwt", "jose", "dag_cbor"}


@pytest.mark.row(87)
def test_the_private_key_is_held_in_one_place() -> None:
    """Everything else signs through the `Signer` port, behind which the key may as well be in another machine."""
    holders = {
        path.relative_to(ROOT).as_posix() for path in PRODUCT if "labeler.atproto.keys.PrivateKey" in imported(path)
    }
    assert holders == {"labeler/adapters/keyfile.py"}
