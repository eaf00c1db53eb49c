"""`labeler init`."""

import hashlib
import importlib.resources
import secrets
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from labeler.adapters.keyfile import new_key, write_new_key
from labeler.atproto.did_document import did_web_url
from labeler.atproto.syntax import is_did
from labeler.cli.console import note, say, show_json
from labeler.cli.options import AsJson
from labeler.errors import BadInput, Misconfigured
from labeler.settings_values import did_of

app = typer.Typer(add_completion=False)

CONFIGURATION = Template("""\
# The configuration of one labeler. `labeler check-config` says what is wrong with it. Every key can be overridden by an
# environment variable, such as LABELER_SERVICE__LISTEN. Paths are relative to this file.

[service]
hostname = "$hostname"
# TLS is the reverse proxy's business.
listen = "$listen"
# The two logs; made on the first start.
data_dir = "./data"
# Keep a copy where this machine is not.
signing_key_file = "./signing.key"
# Taken up again whenever it changes.
policy_file = "./policy.toml"

# Who may send telemetry. Only the SHA-256 of a token stands here:
#   token=$$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))'); printf %s "$$token" | sha256sum
$relay
# Who may decide: triage may comment, moderator may label, admin may do everything.
$operator""")

RELAY = Template("""\
${mark}[[relays]]
${mark}did = "$did"
${mark}token_sha256 = "$digest"
""")

OPERATOR = Template("""\
${mark}[[operators]]
${mark}did = "$did"
${mark}role = "admin"
${mark}token_sha256 = "$digest"
""")


@app.command(
    epilog="Example: labeler init ./labeler --hostname labeler.example.com --relay-did did:web:smtp.example.com"
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An absent or empty folder.")],
    hostname: Annotated[
        str, typer.Option(help="Public host name of the labeler; localhost:<port> for a trial on this machine.")
    ],
    relay_did: Annotated[str | None, typer.Option(help="A relay to let in; its token is printed, once.")] = None,
    operator_did: Annotated[str | None, typer.Option(help="An admin to let in; the token is printed, once.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write labeler.toml, policy.toml and signing.key into a new folder."""
    hostname = _checked_hostname(hostname)
    tokens: dict[str, str] = {}
    relay = _section(RELAY, "relay", relay_did, "did:web:smtp.example.com", tokens)
    operator = _section(OPERATOR, "operator", operator_did, "did:plc:…", tokens)
    text = CONFIGURATION.substitute(hostname=hostname, listen=_listen(hostname), relay=relay, operator=operator)
    policy = importlib.resources.files("labeler").joinpath("policy.toml").read_text(encoding="utf-8")
    key_id = _write(folder, text, policy)
    config = folder / "labeler.toml"
    if as_json:
        show_json({"config": str(config), "did": did_of(hostname), "key": key_id, "tokens": tokens})
        return
    say(f"{did_of(hostname)} lives in {folder} now; its label key is {key_id}.")
    for caller, token in tokens.items():
        say(f"token of the {caller}, shown this once: {token}")
    note("Next:")
    note(f"  labeler check-config --config {config}")
    note(f"  labeler serve --config {config}")
    if "relay" not in tokens:
        note(f"  let a relay in: [[relays]] in {config}")


def _checked_hostname(text: str) -> str:
    try:
        did_web_url(did_of(text.lower()))
    except BadInput:
        message = "not a public host name; write it like labeler.example.com, or localhost:8080 for a trial"
        raise typer.BadParameter(message, param_hint="--hostname") from None
    return text.lower()


def _listen(hostname: str) -> str:
    """A trial listens where its DID says it is; behind a proxy the port is free to choose."""
    host, _, port = hostname.partition(":")
    return f"127.0.0.1:{port}" if host == "localhost" and port else "127.0.0.1:8080"


def _section(template: Template, caller: str, did: str | None, example: str, tokens: dict[str, str]) -> str:
    """Write a caller with a new token, or an example in comments; the clear token goes into `tokens` only."""
    if did is None:
        return template.substitute(mark="# ", did=example, digest="…")
    if not is_did(did):
        raise typer.BadParameter("not a DID; write did:web:<hostname> or did:plc:…", param_hint=f"--{caller}-did")
    tokens[caller] = secrets.token_urlsafe(32)
    return template.substitute(mark="", did=did, digest=hashlib.sha256(tokens[caller].encode()).hexdigest())


def _write(folder: Path, configuration: str, policy: str) -> str:
    """Write the three files, or none and raise `Misconfigured`; return the did:key of the new label key."""
    key = new_key()
    made: list[Path] = []
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise Misconfigured(f"{folder}: not empty; init never overwrites, name another folder")
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        made = [folder] if created else []
        for name, text in (("labeler.toml", configuration), ("policy.toml", policy)):
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
        write_new_key(folder / "signing.key", key)
    except (OSError, Misconfigured) as error:
        for path in reversed(made):
            path.rmdir() if path == folder else path.unlink()
        if isinstance(error, Misconfigured):
            raise
        raise Misconfigured(f"{folder}: cannot be written: {error.strerror}") from error
    return key.public_key.did_key
