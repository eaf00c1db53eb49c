"""`labeler policy check|show|diff|simulate`."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from labeler.cli import simulate
from labeler.cli.console import note, say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.errors import Misconfigured
from labeler.reputation.consequences import SAME, VOLUMES, AtVolume, at_volumes, describe, differences
from labeler.reputation.line_numbers import locate
from labeler.reputation.policy import Policy, Rule, Span, parse_policy
from labeler.reputation.proofs import prove, refusal
from labeler.reputation.statements import tell_rule
from labeler.service.policy_file import read_text
from labeler.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Prove, show, compare and try policies.")
app.add_typer(simulate.app)

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy; else the configured one.")]
Old = Annotated[Path, typer.Argument(metavar="OLD", help="A policy.")]
New = Annotated[Path, typer.Argument(metavar="NEW", help="Another one.")]


@app.command(epilog="Example: labeler policy check new-policy.toml")
def check(file: File = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Prove what a sound policy must promise, claim by claim.

    Exit code 2 if it cannot be read or a claim does not hold; the message names line, key and fix.
    """
    path = _path(file, config)
    text, policy = _read(path)
    proofs = prove(policy)
    refused = refusal(text, proofs)
    if as_json:
        told = [proof._asdict() | {"line": locate(text, proof.place)} for proof in proofs]
        show_json(_named(path, policy) | {"rules": len(policy.rules), "sound": not refused, "proofs": told})
    else:
        rows = [("✓" if proof.holds else "✗", proof.claim, proof.place, proof.why) for proof in proofs]
        show_table(("", "claim", "place", "why"), rows)
    if refused:
        raise Misconfigured(f"{path}: {refused}")
    if not as_json:
        say(f"{path}: good, {len(policy.rules)} rules, sha256 {policy.hash}")


@app.command(epilog="Example: labeler policy show --config /etc/labeler/labeler.toml")
def show(file: File = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Say in plain words what a policy does."""
    _, policy = _read(_path(file, config))
    if as_json:
        whole: dict[str, Any] = msgspec.to_builtins(policy, enc_hook=_written)
        for written, rule in zip(whole["rules"], policy.rules, strict=True):
            written["says"] = tell_rule(rule)
            written["volumes"] = [volume._asdict() for volume in at_volumes(rule)]
        show_json(whole | {"says": [{"place": told.place, "says": told.sentence} for told in describe(policy)]})
        return
    say(f"Policy {policy.name}, sha256 {policy.hash}\n")
    show_table(("rule", "family", "back", "mode", "numbers from"), [_row(rule) for rule in policy.rules])
    for rule in policy.rules:
        say(f"\n{rule.id}: {rule.summary}.\n{tell_rule(rule)}")
    say("\nThrottled / suspended at so many events, by mails a day; by the cap where a rule compares with one:")
    show_table(
        ("rule", *(f"{volume:,}".replace(",", " ") for volume in VOLUMES)),
        [(rule.id, *map(_at_volume, at_volumes(rule))) for rule in policy.rules],
    )
    say("")
    rest = [(told.about, told.value) for told in describe(policy) if not told.place.startswith("rules.")]
    show_table(("what", "says"), rest, title="Besides")


@app.command(epilog="Example: labeler policy diff policy.toml new-policy.toml")
def diff(old: Old, new: New, as_json: AsJson = False) -> None:
    """Say what one policy decides otherwise than another.

    Exit code 1 if anything; comments, names, sources and spelling decide nothing.
    """
    (_, before), (text, after) = _read(old), _read(new)
    found = differences(before, after)
    if as_json:
        told = [difference._asdict() for difference in found]
        show_json({"old": _named(old, before), "new": _named(new, after), "differences": told})
    else:
        for difference in found:
            say(difference.says)
        if not found:
            say(SAME)
    if refusal(text, prove(after)):
        note(f"note: {new} would be refused; labeler policy check says why")
    if found:
        raise typer.Exit(1)


def _path(file: Path | None, config: Path) -> Path:
    return file if file is not None else load_settings(config).service.policy_file


def _read(path: Path) -> tuple[str, Policy]:
    """A policy that can be judged by, sound or not."""
    text = read_text(path)
    try:
        return text, parse_policy(text)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from error


def _named(path: Path, policy: Policy) -> dict[str, Any]:
    return {"file": str(path), "name": policy.name, "hash": policy.hash}


def _row(rule: Rule) -> tuple[str, ...]:
    return rule.id, rule.family, rule.window.text, rule.mode.value, rule.source


def _at_volume(needed: AtVolume) -> str:
    counts = " / ".join(str(count) for count in (needed.throttle, needed.suspend) if count)
    return f"{counts} of {needed.n}" if counts and needed.n else counts or "–"


def _written(value: object) -> object:
    if isinstance(value, Span):
        return value.text
    raise TypeError(f"{value!r} has no JSON form")
