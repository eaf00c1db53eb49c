"""`labeler check-config`."""

from collections.abc import Iterator
from typing import Any

import typer

from labeler.adapters.keyfile import KeyFileSigner
from labeler.adapters.private_file import SMTP_PASSWORD, WEBHOOK_SECRET, read_secret
from labeler.cli.console import note, say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.reputation.policy import parse_policy
from labeler.service.policy_file import read_policy
from labeler.settings import Operator, Relay, Settings, load_settings

app = typer.Typer(add_completion=False)


@app.command("check-config", epilog="Example: labeler check-config --config /etc/labeler/labeler.toml")
def check_config(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Read configuration, key and policy as `serve` would, and say what is wrong.

    Exit code 2 if anything is.
    """
    settings = load_settings(config)
    key_id = KeyFileSigner(settings.service.signing_key_file).key_id
    secrets = (
        (settings.notify.webhook_secret_file, WEBHOOK_SECRET),
        (settings.notify.smtp_password_file, SMTP_PASSWORD),
    )
    for path, secret in secrets:
        if path is not None:
            read_secret(path, secret)
    policy = parse_policy(read_policy(settings.service.policy_file))
    watched = settings.service.canary_policy_file
    policies = {"policy": policy} | ({"canary": parse_policy(read_policy(watched))} if watched is not None else {})
    described = settings.describe()
    if as_json:
        named = {which: {"name": each.name, "hash": each.hash} for which, each in policies.items()}
        show_json(described | {"key": key_id} | named)
    else:
        rows = [*_rows(described), ("label key", key_id)]
        rows += [(which, f"{each.name}, sha256 {each.hash}") for which, each in policies.items()]
        show_table(("key", "value"), rows)
        say(f"{config}: good")
    for remark in _remarks(settings):
        note(f"note: {remark}")


def _rows(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{above}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, item in enumerate(value):
                yield from _rows(item, f"{above}{key}[{index}].")
        else:
            yield above + key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _remarks(settings: Settings) -> Iterator[str]:
    """What is allowed, and perhaps not meant."""
    if not settings.relays:
        yield "no [[relays]]: nobody may send telemetry yet"
    if not settings.operators:
        yield "no [[operators]]: nobody may decide over the network yet"
    callers: list[Relay | Operator] = [*settings.relays, *settings.operators]
    for caller in callers:
        if caller.token_sha256 is None:
            yield f"{caller.did} has no token_sha256, and so no way in"
