"""`labeler policy check|show`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from labeler.cli.console import say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.reputation.policy import Bar, Policy, Rule, Span, parse_policy
from labeler.service.policy_file import read_policy
from labeler.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check and show a policy.")

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy; else the configured one.")]


@app.command(epilog="Example: labeler policy check new-policy.toml")
def check(file: File = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Read a policy and say what is wrong with it.

    Exit code 2 if anything is.
    """
    path, policy = _policy(file, config)
    if as_json:
        show_json({"file": str(path), "name": policy.name, "hash": policy.hash, "rules": len(policy.rules)})
    else:
        say(f"{path}: good, {len(policy.rules)} rules, sha256 {policy.hash}")


@app.command(epilog="Example: labeler policy show --config /etc/labeler/labeler.toml")
def show(file: File = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Show the rules of a policy and what they lead to."""
    _, policy = _policy(file, config)
    if as_json:
        show_json(msgspec.to_builtins(policy, enc_hook=_written))
        return
    show_table(
        ("rule", "family", "metric", "window", "throttle", "suspend", "ends below"),
        [_row(rule) for rule in policy.rules],
        title=f"Policy {policy.name}, sha256 {policy.hash}",
    )
    say("")
    show_table(
        ("label", "lasts", "renewed after", "messages an hour"),
        [
            (
                val,
                " → ".join(span.text for span in terms.terms),
                f"{terms.renew_at:.0%} of it" if terms.renew_at is not None else "–",
                str(terms.hourly_cap) if terms.hourly_cap is not None else "–",
            )
            for val, terms in policy.labels.items()
        ],
    )


def _policy(file: Path | None, config: Path) -> tuple[Path, Policy]:
    path = file if file is not None else load_settings(config).service.policy_file
    return path, parse_policy(read_policy(path))


def _row(rule: Rule) -> tuple[str, ...]:
    share = rule.metric.endswith("-rate")
    suspend = _bar(rule.suspend, share) if rule.suspend is not None else "–"
    ends = f"{rule.exit_below:.2%}" if share else f"{rule.exit_below:g}"
    return rule.id, rule.family, rule.metric, rule.window.text, _bar(rule.throttle, share), suspend, ends


def _bar(bar: Bar, share: bool) -> str:
    above = f"{bar.above:.2%}" if share else f"{bar.above:g}"
    surely = f" with {bar.confidence:.0%} confidence" if bar.confidence is not None else ""
    return f"> {above}{surely}, from {bar.min_events}"


def _written(value: object) -> object:
    if isinstance(value, Span):
        return value.text
    raise TypeError(f"{value!r} has no JSON form")
