"""The configuration: one frozen object out of `labeler.toml` and the environment, or one message naming every mistake.

Rule 1: nothing else reads the environment. Rule 2: an unknown key or a wrong type stops the start; a value is never
guessed. Rule 3: a key is overridden by `LABELER_SECTION__KEY` (`LABELER_RELAYS__0__DID` reaches into a list).
"""

import difflib
import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from labeler.errors import Misconfigured
from labeler.reputation.subject import NOTICE_KINDS, NoticeKind
from labeler.settings_values import (
    LOOPBACK,
    Address,
    Bytes,
    Count,
    Did,
    File,
    Folder,
    Hostname,
    KeyFile,
    Listen,
    MailHost,
    Medium,
    Network,
    Origin,
    OwnDid,
    Port,
    Seconds,
    SecretFile,
    Sha256,
    WebhookUrl,
    did_of,
)

PREFIX: Final = "LABELER_"
TOKEN_VARIABLE: Final = "LABELER_TOKEN"  # noqa: S105 - the name of a variable, not a token
SHOWN_HASH_CHARS: Final = 8
SMTPS_PORT: Final = 465  # RFC 8314 §3.3


class _Section(BaseModel):
    """Unknown keys are errors everywhere; nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Service(_Section):
    """Who the labeler is, where it listens, where its files lie."""

    hostname: Hostname = Field(description="Public host name; localhost:<port> for a trial on one machine.")
    did: OwnDid = Field(
        default_factory=lambda data: did_of(data["hostname"]),
        description="The labeler's DID, source of every label. Default: did:web:<hostname>.",
    )
    listen: Listen = Field(
        default="127.0.0.1:8080",
        description="Address and port of the HTTP server; TLS is the reverse proxy's business.",
    )
    data_dir: Folder = Field(
        default=Path("data"), description="Folder of the two logs and the lock; made on the first start."
    )
    signing_key_file: KeyFile = Field(
        default=Path("signing.key"),
        strict=False,
        description="The label key, 32 bytes of hex or a multikey, mode 0600.",
    )
    policy_file: File = Field(
        default=Path("policy.toml"), description="The policy; taken up again whenever it changes."
    )
    canary_policy_file: File | None = Field(
        default=None, description="A policy to watch beside the one in force; it publishes nothing."
    )
    contact: Address | None = Field(
        default=None, description="Where members write to: the postmaster's address, shown on the member page."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="Networks whose X-Forwarded-For is believed."
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on; port 0 takes any free one."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def endpoint(self) -> str:
        """The public origin, without trailing slash."""
        scheme = "http" if self.hostname.partition(":")[0] == "localhost" else "https"
        return f"{scheme}://{self.hostname}"


class Storage(_Section):
    """Where the two logs are kept."""

    labels: Medium = Field(default="sqlite", description="The label log.")
    telemetry: Medium = Field(default="sqlite", description="The input log.")


class Relay(_Section):
    """A mail relay that may send telemetry."""

    did: Did = Field(description="The relay's DID.")
    token_sha256: Sha256 | None = Field(default=None, description="SHA-256 of its bearer token, in hex.", repr=False)


class Operator(_Section):
    """Somebody who may decide."""

    did: Did = Field(description="The operator's DID.")
    role: Literal["admin", "moderator", "triage"] = Field(
        description="moderator may label, triage may comment and acknowledge, admin may do everything."
    )
    token_sha256: Sha256 | None = Field(
        default=None, description="SHA-256 of the operator's bearer token, in hex.", repr=False
    )


class Limits(_Section):
    """What one client may ask of the service."""

    batch_bytes: Bytes = Field(default=2 * 1024 * 1024, description="Body of submitEvents, after decompression.")
    json_bytes: Bytes = Field(default=100 * 1024, description="Body of every other procedure.")
    relay_requests: Count = Field(default=1_200_000, description="Requests of one relay in a window.")
    address_requests: Count = Field(default=1_200_000, description="Requests of one address in a window.")
    window_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=60, description="The window in which requests are counted."
    )
    account_reports: Count = Field(default=60, description="Reports, appeals and answers of one account.")
    address_reports: Count = Field(default=600, description="Reports from one address.")
    reports_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=3_600, description="The window in which reports, appeals and answers are counted."
    )
    subscribers: Count = Field(default=5_000, description="Open label subscriptions in all.")
    subscribers_per_address: Count = Field(default=100, description="Open label subscriptions of one address.")
    slow_consumer_bytes: Bytes = Field(default=128 * 1024, description="What the kernel buffers for one subscriber.")
    slow_consumer_seconds: Seconds = Field(
        default=30.0, description="A subscriber taking no byte for so long is cut off."
    )
    ping_seconds: Seconds = Field(default=30.0, description="Between pings on an idle subscription.")
    silent_seconds: Seconds = Field(default=600.0, description="A subscriber with unread labels may be silent so long.")


class Identity(_Section):
    """How other DIDs are looked up, and how ours is watched."""

    plc_directory: Origin = Field(default="https://plc.directory", description="Where did:plc documents are fetched.")
    accept_bare_audience: bool = Field(
        default=True,
        description="Take service-auth tokens whose audience is our DID without #atproto_labeler, as account hosts "
        "still send them.",
    )
    allow_local: bool | None = Field(
        default=None,
        description="Let did:web:localhost in, for trials. Default: where service.hostname is localhost.",
    )
    document_seconds: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = Field(
        default=300.0, description="How long a DID document is remembered; five minutes at most."
    )
    check_seconds: Seconds = Field(default=300.0, description="Between looks at our own DID document.")


class Notify(_Section):
    """How people are told what they should look at: by webhook, by mail, or both."""

    webhook_url: WebhookUrl | None = Field(
        default=None, description="Where notices are posted as JSON; https, or http on loopback.", repr=False
    )
    webhook_secret_file: SecretFile | None = Field(
        default=None, description="The secret that signs what is posted, 16 bytes or more, mode 0600."
    )
    smtp_host: MailHost | None = Field(default=None, description="The mail server that notices are handed to.")
    smtp_port: Port = Field(default=587, description="Its port; 465 is TLS from the first byte on.")
    smtp_starttls: bool = Field(default=True, description="Insist on STARTTLS, on every port but 465.")
    smtp_user: str | None = Field(default=None, description="Whom to log in as.")
    smtp_password_file: SecretFile | None = Field(default=None, description="The password for that, mode 0600.")
    smtp_from: Address | None = Field(default=None, description="The sender of the mails.")
    smtp_to: tuple[Address, ...] = Field(default=(), description="Their recipients.")
    kinds: tuple[NoticeKind, ...] = Field(default=NOTICE_KINDS, description="Which notices are sent.")

    @property
    def smtp_tls(self) -> bool:
        """TLS from the first byte on."""
        return self.smtp_port == SMTPS_PORT

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.webhook_url is None) != (self.webhook_secret_file is None):
            raise ValueError("webhook_url and webhook_secret_file go together: what is posted is signed")
        if self.smtp_host is not None and (self.smtp_from is None or not self.smtp_to):
            raise ValueError("smtp_host needs smtp_from and smtp_to")
        if self.smtp_host is None and (self.smtp_from or self.smtp_to or self.smtp_user or self.smtp_password_file):
            raise ValueError("smtp_host is missing; without it no mail is sent")
        if (self.smtp_user is None) != (self.smtp_password_file is None):
            raise ValueError("smtp_user and smtp_password_file go together")
        if self.smtp_user and not (self.smtp_starttls or self.smtp_tls or self.smtp_host in LOOPBACK):
            raise ValueError("smtp_starttls is false: the password would be sent in the clear")
        return self


class Cases(_Section):
    """What humans must look at."""

    reminder_hours: tuple[Annotated[int, Field(ge=1, le=8_760)], ...] = Field(
        default=(24, 48, 72), description="Hours after which an open case is brought to mind."
    )
    removal_hours: Annotated[int, Field(ge=0, le=8_760)] = Field(
        default=24, description="Hours after which the admin who proposed a removal may confirm it alone."
    )
    report_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        default=90, description="Days for which the words of reports, appeals and answers are shown to operators."
    )


class Settings(_Section):
    """The whole configuration."""

    service: Service = Field(description="Who the labeler is, where it listens, where its files lie.")
    storage: Storage = Field(default=Storage(), description="Where the two logs are kept.")
    relays: tuple[Relay, ...] = Field(default=(), description="Mail relays that may send telemetry.")
    operators: tuple[Operator, ...] = Field(default=(), description="Who may decide.")
    cases: Cases = Field(default=Cases(), description="What humans must look at.")
    limits: Limits = Field(default=Limits(), description="What one client may ask of the service.")
    identity: Identity = Field(default=Identity(), description="How other DIDs are looked up, and how ours is watched.")

    notify: Notify = Field(default=Notify(), description="How people are told what they should look at.")

    @property
    def allow_local(self) -> bool:
        """Whether did:web:localhost is somebody here: as told, or in a trial on one machine."""
        local = self.service.hostname.partition(":")[0] == "localhost"
        return local if self.identity.allow_local is None else self.identity.allow_local

    @field_validator("operators")
    @classmethod
    def _one_caller_a_token(cls, operators: tuple[Operator, ...], info: ValidationInfo) -> tuple[Operator, ...]:
        seen: dict[str, str] = {}
        callers: list[Relay | Operator] = [*info.data.get("relays", ()), *operators]
        for caller in callers:
            if caller.token_sha256 is None:
                continue
            if caller.token_sha256 in seen:
                raise ValueError(
                    f"{caller.did} and {seen[caller.token_sha256]} have the same token; give each caller its own"
                )
            seen[caller.token_sha256] = caller.did
        return operators

    def describe(self) -> dict[str, Any]:
        """Everything as resolved, JSON-ready; only the first digits of token hashes, only the host of the webhook."""
        tree = self.model_dump(mode="json")
        for caller in (*tree["relays"], *tree["operators"]):
            if caller["token_sha256"] is not None:
                caller["token_sha256"] = caller["token_sha256"][:SHOWN_HASH_CHARS] + "…"
        if self.notify.webhook_url is not None:
            parts = urlsplit(self.notify.webhook_url)
            tree["notify"]["webhook_url"] = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
        tree["notify"] |= {name: _veiled(tree["notify"][name]) for name in ("smtp_user", "smtp_from", "smtp_to")}
        return tree


def _veiled(given: str | list[str] | None) -> str | list[str] | None:
    """Digits that tell that something changed, and not what it is."""
    return hashlib.sha256(json.dumps(given).encode()).hexdigest()[:SHOWN_HASH_CHARS] + "…" if given else given


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read `path` with the overrides of `environ` (the process's own if None).

    Raises `Misconfigured` with one message that lists every mistake: file or variable, key, fix.
    """
    tree = _read(path)
    origins = _override(tree, os.environ if environ is None else environ)
    try:
        # JSON, because strict JSON knows arrays, paths and numbers, and takes no "5" for a 5.
        return Settings.model_validate_json(json.dumps(tree, default=str), context={"folder": path.absolute().parent})
    except ValidationError as error:
        problems = [
            _problem(detail, origins)  # a default that waits for a broken key is not a mistake of its own
            for detail in error.errors(include_url=False)
            if detail["type"] != "default_factory_not_called"
        ]
    if len(problems) == 1:
        raise Misconfigured(f"{path}: {problems[0]}")
    raise Misconfigured(f"{path}: {len(problems)} mistakes\n" + "\n".join(f"  {problem}" for problem in problems))


def operator_token(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the operator's bearer token from LABELER_TOKEN, None when there is none."""
    return (os.environ if environ is None else environ).get(TOKEN_VARIABLE) or None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            f"{path}: no such file; make one with `labeler init DIR --hostname H`, or name it with --config"
        ) from None
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise Misconfigured(f"{path}: not TOML: {error}") from error


def _override(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Write the variables into `tree`; return which key came from which variable."""
    origins: dict[tuple[str, ...], str] = {}
    for name in sorted(environ, key=lambda name: [key.zfill(6) for key in name.split("__")]):  # 2 before 10
        keys = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or len(keys) < 2:
            continue
        place = tuple(int(key) if key.isdecimal() else key for key in keys)
        _put(tree, place, _typed(_fields(place[:-1]), place[-1], environ[name]), name)
        origins[tuple(keys)] = name
    return origins


def _put(tree: Any, place: tuple[str | int, ...], value: Any, name: str) -> None:
    for key, inner in itertools.pairwise(place):
        if isinstance(tree, list) and isinstance(key, int) and key == len(tree):
            tree.append({})
        if isinstance(tree, dict):
            tree.setdefault(key, [] if isinstance(inner, int) else {})
        try:
            tree = tree[key]
        except (IndexError, KeyError, TypeError):
            raise Misconfigured(f"{name}: there is no such place in the configuration") from None
    if not isinstance(tree, dict):
        raise Misconfigured(f"{name}: there is no such key in the configuration")
    tree[place[-1]] = value


def _typed(fields: Mapping[str, Any], key: str | int, text: str) -> Any:
    """A variable is text; numbers and lists are read out of it as JSON."""
    if not isinstance(key, str) or key not in fields:
        return text
    if (
        not {int, float, bool} & {fields[key].annotation, *get_args(fields[key].annotation)}
        and get_origin(fields[key].annotation) is not tuple
    ):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the type check tells what is wrong


def _fields(place: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Return the fields of the section at `place`, none where there is no such section."""
    model: Any = Settings
    for key in place:
        if isinstance(key, int):
            continue
        field = model.model_fields.get(key)
        if field is None:
            return {}
        model = next((arg for arg in get_args(field.annotation) if arg is not Ellipsis), field.annotation)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return {}
    return model.model_fields if model is not Settings or not place else {}


def _problem(detail: Any, origins: Mapping[tuple[str, ...], str]) -> str:
    place: tuple[str | int, ...] = detail["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    at = tuple(str(part) for part in place)
    origin = next((name for keys, name in origins.items() if keys[: len(at)] == at), None)
    where = f"{key} (from {origin})" if origin is not None else key
    fields = _fields(place[:-1])
    match detail["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(place[-1]), fields, n=1)
            return f"{where}: unknown key; " + (f"did you mean {close[0]}?" if close else f"known: {', '.join(fields)}")
        case "missing":
            return f"{where}: missing; {fields[str(place[-1])].description}"
        case "value_error":
            return f"{where}: {detail['ctx']['error']}"
        case _:
            given = "" if isinstance(detail["input"], dict | list) else f", not {detail['input']!r}"
            return f"{where}: {detail['msg'].replace('Input should', 'should')}{given}"
