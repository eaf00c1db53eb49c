"""One object, or one message that names every mistake: file or variable, key, fix."""

import hashlib
import os
import typing
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest

from labeler.errors import Misconfigured
from labeler.settings import Settings, load_settings, operator_token

HASH = hashlib.sha256(b"a token").hexdigest()
OTHER = hashlib.sha256(b"another token").hexdigest()

MINIMAL = """
[service]
hostname = "labeler.example.com"
"""

CALLERS = f"""
[[relays]]
did = "did:web:smtp.example.com"
token_sha256 = "{HASH}"
[[operators]]
did = "did:plc:alice"
role = "admin"
token_sha256 = "{OTHER}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a key and a policy, as `init` leaves them; the configuration is the test's."""
    (tmp_path / "signing.key").write_text("11" * 32)
    (tmp_path / "signing.key").chmod(0o600)
    (tmp_path / "policy.toml").write_text("")
    return tmp_path


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "labeler.toml"
    path.write_text(text)
    return load_settings(path, environ)


def refusal(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, text, **environ)
    return str(caught.value)


def test_a_host_name_is_enough(folder: Path) -> None:
    settings = load(folder, MINIMAL)
    assert settings.service.did == "did:web:labeler.example.com"
    assert settings.service.endpoint == "https://labeler.example.com"
    assert settings.service.address == ("127.0.0.1", 8080)
    assert settings.storage.labels == settings.storage.telemetry == "sqlite"
    assert settings.relays == ()
    assert settings.operators == ()


def test_the_port_after_localhost_is_percent_encoded_in_the_did(folder: Path) -> None:
    service = load(folder, '[service]\nhostname = "localhost:8123"').service
    assert service.did == "did:web:localhost%3A8123"
    assert service.endpoint == "http://localhost:8123"


def test_a_did_of_another_method_keeps_the_host_name_as_its_endpoint(folder: Path) -> None:
    service = load(folder, MINIMAL + 'did = "did:plc:abc"').service
    assert (service.did, service.endpoint) == ("did:plc:abc", "https://labeler.example.com")


def test_the_host_name_is_taken_in_small_letters(folder: Path) -> None:
    assert load(folder, '[service]\nhostname = "Labeler.Example.COM"').service.hostname == "labeler.example.com"


def test_relative_paths_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    path = Path(folder.name) / "labeler.toml"
    path.write_text(MINIMAL + 'data_dir = "../elsewhere"')
    service = load_settings(path, {}).service
    assert service.data_dir == folder.parent / "elsewhere"
    assert service.policy_file == folder / "policy.toml"


def test_absolute_paths_stay(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("data")
    assert load(folder, MINIMAL + f'data_dir = "{data}"').service.data_dir == data


def test_nothing_can_be_changed_afterwards(folder: Path) -> None:
    settings = load(folder, MINIMAL)
    with pytest.raises(pydantic.ValidationError):
        settings.service.listen = "0.0.0.0:1"


def test_callers_come_with_role_and_hash(folder: Path) -> None:
    settings = load(folder, MINIMAL + CALLERS.replace(HASH, HASH.upper()))
    assert settings.relays[0].token_sha256 == HASH
    assert settings.operators[0].role == "admin"


def test_a_caller_may_have_no_token_yet(folder: Path) -> None:
    settings = load(folder, MINIMAL + '[[relays]]\ndid = "did:web:a.example.com"\n[[relays]]\ndid = "did:plc:b"\n')
    assert [relay.token_sha256 for relay in settings.relays] == [None, None]


# The environment


def test_a_variable_overrides_the_file(folder: Path) -> None:
    settings = load(folder, MINIMAL, LABELER_SERVICE__LISTEN="[::1]:0", LABELER_LIMITS__SUBSCRIBERS="7")
    assert settings.service.address == ("::1", 0)
    assert settings.limits.subscribers == 7


def test_a_variable_reaches_into_lists_and_may_lengthen_them(folder: Path) -> None:
    settings = load(
        folder,
        MINIMAL + CALLERS,
        LABELER_RELAYS__0__DID="did:web:one.example.com",
        LABELER_RELAYS__1__DID="did:web:two.example.com",
        LABELER_OPERATORS__0__ROLE="triage",
    )
    assert [relay.did for relay in settings.relays] == ["did:web:one.example.com", "did:web:two.example.com"]
    assert settings.relays[0].token_sha256 == HASH
    assert settings.operators[0].role == "triage"


def test_a_long_list_is_filled_in_order(folder: Path) -> None:
    variables = {f"LABELER_RELAYS__{n}__DID": f"did:plc:r{n}" for n in range(12)}
    assert [relay.did for relay in load(folder, MINIMAL, **variables).relays] == [f"did:plc:r{n}" for n in range(12)]


def test_a_list_is_given_as_json(folder: Path) -> None:
    settings = load(folder, MINIMAL, LABELER_SERVICE__TRUSTED_PROXIES='["10.0.0.0/8"]')
    assert settings.service.trusted_proxies == ("10.0.0.0/8",)


def test_numbers_with_a_fraction_are_read(folder: Path) -> None:
    assert load(folder, MINIMAL, LABELER_LIMITS__PING_SECONDS="2.5").limits.ping_seconds == 2.5


def test_text_that_looks_like_a_number_stays_text(folder: Path) -> None:
    assert "labeler.example.com" in load(folder, MINIMAL, LABELER_SERVICE__DATA_DIR="5").service.endpoint
    assert load(folder, MINIMAL, LABELER_SERVICE__DATA_DIR="5").service.data_dir == folder / "5"


def test_the_process_environment_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELER_SERVICE__LISTEN", "127.0.0.1:9")
    (folder / "labeler.toml").write_text(MINIMAL)
    assert load_settings(folder / "labeler.toml").service.address == ("127.0.0.1", 9)


def test_a_whole_section_can_come_from_the_environment(folder: Path) -> None:
    assert load(folder, "", LABELER_SERVICE__HOSTNAME="a.example.com").service.did == "did:web:a.example.com"


def test_other_variables_are_nobodys_business(folder: Path) -> None:
    assert load(folder, MINIMAL, LABELER_TOKEN="x", LABELER="y", PATH="z", OTHER__KEY="1") == load(folder, MINIMAL)


def test_the_token_variable_is_read_here_and_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert operator_token({"LABELER_TOKEN": "abc"}) == "abc"
    assert operator_token({"LABELER_TOKEN": ""}) is None
    monkeypatch.setenv("LABELER_TOKEN", "xyz")
    assert operator_token() == "xyz"
    monkeypatch.delenv("LABELER_TOKEN")
    assert operator_token() is None


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LABELER_SERVICE__LISTEN", "here", "service.listen (from LABELER_SERVICE__LISTEN): not host:port"),
        (
            "LABELER_SERVICE__LISTN",
            "x",
            "service.listn (from LABELER_SERVICE__LISTN): unknown key; did you mean listen?",
        ),
        ("LABELER_SERIVCE__LISTEN", "x", "serivce (from LABELER_SERIVCE__LISTEN): unknown key; did you mean service?"),
        ("LABELER_LIMITS__SUBSCRIBERS", "many", "limits.subscribers (from LABELER_LIMITS__SUBSCRIBERS): should be"),
        ("LABELER_RELAYS__3__DID", "did:plc:a", "LABELER_RELAYS__3__DID: there is no such place"),
        ("LABELER_SERVICE__0", "x", "service.0 (from LABELER_SERVICE__0): unknown key"),
        ("LABELER_SERVICE__HOSTNAME__X", "x", "LABELER_SERVICE__HOSTNAME__X: there is no such key"),
        ("LABELER_SERVICE__HOSTNAME__X__Y", "x", "LABELER_SERVICE__HOSTNAME__X__Y: there is no such place"),
    ],
)
def test_a_wrong_variable_is_named(folder: Path, variable: str, value: str, message: str) -> None:
    assert message in refusal(folder, MINIMAL, **{variable: value})


# Mistakes


def test_the_one_mistake_stands_on_one_line_with_file_key_and_fix(folder: Path) -> None:
    message = refusal(folder, MINIMAL + 'lisen = "127.0.0.1:1"')
    assert message == f"{folder / 'labeler.toml'}: service.lisen: unknown key; did you mean listen?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "service: missing"),
        ("[service]\n", "service.hostname: missing; Public host name"),
        ("service = 1", "service: should be"),
        (MINIMAL + "[storage]\nfoo = 1", "storage.foo: unknown key; known: labels, telemetry"),
        (MINIMAL + '[[relays]]\ndid = "did:plc:a"\nrole = "admin"', "relays[0].role: unknown key"),
        (MINIMAL + "listen = 8080", "service.listen: should be a valid string, not 8080"),
        (MINIMAL + 'listen = "8080"', "service.listen: not host:port"),
        (MINIMAL + 'listen = "::1:8080"', "service.listen: not host:port"),
        (MINIMAL + 'listen = "localhost:http"', "service.listen: its port is not a number"),
        (MINIMAL + 'listen = "localhost:65536"', "service.listen: its port is not a number"),
        (MINIMAL + 'did = "labeler"', "service.did: not a DID"),
        (MINIMAL + 'did = "did:web:localhost:80"', "service.did: not a did:web of a public host name"),
        ('[service]\nhostname = "labeler"', "service.hostname: not a public host name"),
        ('[service]\nhostname = "a.example.com:8080"', "service.hostname: not a public host name"),
        (MINIMAL + 'trusted_proxies = ["10.0.0.1/8"]', "service.trusted_proxies[0]: not a network"),
        (MINIMAL + "trusted_proxies = 1", "service.trusted_proxies: should be"),
        (MINIMAL + "data_dir = 1", "service.data_dir: "),
        (MINIMAL + 'data_dir = "policy.toml"', "policy.toml is not a folder"),
        (MINIMAL + 'policy_file = "none.toml"', "none.toml"),
        (MINIMAL + 'policy_file = "."', "is not a file"),
        (MINIMAL + 'signing_key_file = "none.key"', "make a key with: labeler keygen"),
        (MINIMAL + 'signing_key_file = "."', "is not a file"),
        (MINIMAL + 'signing_key_file = "policy.toml/key"', "cannot be looked at: Not a directory"),
        (
            MINIMAL + '[storage]\nlabels = "postgresql://u@h/db"',
            'storage.labels: not a storage of this version; write "sqlite"',
        ),
        (MINIMAL + '[storage]\ntelemetry = "nats://h"', "storage.telemetry: not a storage of this version"),
        (MINIMAL + '[[relays]]\ndid = "smtp"', "relays[0].did: not a DID"),
        (MINIMAL + f'[[relays]]\ntoken_sha256 = "{HASH}"', "relays[0].did: missing"),
        (MINIMAL + '[[relays]]\ndid = "did:plc:a"\ntoken_sha256 = "abc"', "relays[0].token_sha256: not a SHA-256"),
        (
            MINIMAL + '[[operators]]\ndid = "did:plc:a"\nrole = "root"',
            "operators[0].role: should be 'admin', 'moderator'",
        ),
        (MINIMAL + "[limits]\nsubscribers = 0", "limits.subscribers: should be greater than or equal to 1, not 0"),
        (MINIMAL + '[limits]\nsubscribers = "5"', "limits.subscribers: should be a valid integer, not '5'"),
        (MINIMAL + "[limits]\nsubscribers = 1.5", "limits.subscribers: should be"),
        (MINIMAL + "[limits]\nping_seconds = nan", "limits.ping_seconds: should be"),
        (MINIMAL + "[limits]\nping_seconds = inf", "limits.ping_seconds: should be"),
        (MINIMAL + "[limits]\nping_seconds = true", "limits.ping_seconds: should be"),
        (MINIMAL + "hostname = 1", "not TOML"),
        ("[service\n", "not TOML"),
    ],
)
def test_every_kind_of_mistake_is_named(folder: Path, text: str, message: str) -> None:
    assert message in refusal(folder, text)


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    message = refusal(folder, MINIMAL + 'listen = "x"\npolicy_file = "none"\n[[relays]]\ndid = "y"\n')
    first, *rest = message.splitlines()
    assert first.endswith("labeler.toml: 3 mistakes")
    assert [line.split(":")[0].strip() for line in rest] == ["service.listen", "service.policy_file", "relays[0].did"]


def test_a_default_that_waits_for_a_broken_key_is_no_mistake_of_its_own(folder: Path) -> None:
    assert "service.did" not in refusal(folder, '[service]\nhostname = "x"')


def test_two_callers_with_one_token_are_refused(folder: Path) -> None:
    message = refusal(folder, MINIMAL + CALLERS.replace(OTHER, HASH))
    assert "operators: did:plc:alice and did:web:smtp.example.com have the same token" in message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_others_can_use_is_refused(folder: Path, mode: int) -> None:
    (folder / "signing.key").chmod(mode)
    message = refusal(folder, MINIMAL)
    assert f"service.signing_key_file: mode {mode:04o} lets others at the signing key; chmod 600 {folder}" in message


def test_an_absent_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file; make one with `labeler init"):
        load_settings(tmp_path / "labeler.toml", {})


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_settings(tmp_path, {})


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "labeler.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="not TOML"):
        load_settings(folder / "labeler.toml", {})


# Secrets


def test_the_description_shortens_hashes_and_is_json_ready(folder: Path) -> None:
    described = load(folder, MINIMAL + CALLERS + '[[relays]]\ndid = "did:plc:x"\n').describe()
    assert described["relays"][0]["token_sha256"] == HASH[:8] + "…"
    assert described["relays"][1]["token_sha256"] is None
    assert described["service"]["data_dir"] == str(folder / "data")
    assert HASH not in str(described)
    assert OTHER not in str(described)


def test_a_token_pasted_where_its_hash_belongs_is_not_repeated(folder: Path) -> None:
    message = refusal(folder, MINIMAL + '[[relays]]\ndid = "did:plc:a"\ntoken_sha256 = "my-secret-token"')
    assert "my-secret-token" not in message


def test_a_storage_address_with_a_password_is_not_repeated(folder: Path) -> None:
    assert "hunter2" not in refusal(folder, MINIMAL + '[storage]\nlabels = "postgresql://u:hunter2@h/db"')


def test_the_representation_hides_hashes(folder: Path) -> None:
    assert HASH not in repr(load(folder, MINIMAL + CALLERS))


def test_every_key_says_what_it_means() -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in models(Settings)
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def models(model: type[pydantic.BaseModel]) -> Iterator[type[pydantic.BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
                yield from models(inner)


def test_the_key_may_belong_to_somebody_else_as_long_as_it_is_private(folder: Path) -> None:
    """Reading it is the signer's business; a verb that only asks the service needs no right to it."""
    (folder / "signing.key").chmod(0o000)
    assert load(folder, MINIMAL).service.signing_key_file == Path(os.path.realpath(folder)) / "signing.key"


def test_in_a_trial_on_localhost_local_dids_are_somebody(folder: Path) -> None:
    assert not load(folder, MINIMAL).allow_local
    trial = '[service]\nhostname = "localhost:8080"\n'
    assert load(folder, trial).allow_local
    assert not load(folder, trial + "[identity]\nallow_local = false\n").allow_local
    assert load(folder, MINIMAL, LABELER_IDENTITY__ALLOW_LOCAL="true").allow_local
    assert not load(folder, MINIMAL, LABELER_IDENTITY__ACCEPT_BARE_AUDIENCE="false").identity.accept_bare_audience
    assert "identity.allow_local" in refusal(folder, MINIMAL, LABELER_IDENTITY__ALLOW_LOCAL="yes")


@pytest.mark.row(211)
def test_nobody_s_key_is_remembered_for_more_than_five_minutes(folder: Path) -> None:
    assert load(folder, MINIMAL).identity.document_seconds == 300
    assert "document_seconds" in refusal(folder, MINIMAL + "[identity]\ndocument_seconds = 301\n")


@pytest.mark.parametrize(
    "origin", ["https://plc.example.com", "https://plc.example.com:8443/", "http://localhost:2582"]
)
def test_a_plc_directory_is_an_origin(folder: Path, origin: str) -> None:
    found = load(folder, MINIMAL + f'[identity]\nplc_directory = "{origin}"\n')
    assert found.identity.plc_directory == origin.rstrip("/")


@pytest.mark.parametrize(
    "origin", ["", "plc.directory", "http://plc.directory", "https://plc.directory/path", "https://u:p@plc.directory"]
)
def test_what_is_no_plc_directory(folder: Path, origin: str) -> None:
    assert "identity.plc_directory" in refusal(folder, MINIMAL + f'[identity]\nplc_directory = "{origin}"\n')
