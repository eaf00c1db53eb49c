"""The section [notify]: whole or not at all, and no secret in what is said about it."""

import json
from pathlib import Path

import pytest

from labeler.errors import Misconfigured
from labeler.reputation.subject import NOTICE_KINDS
from labeler.settings import Settings, load_settings

SERVICE = '[service]\nhostname = "labeler.example.com"\n'
WEBHOOK = {"webhook_url": '"https://hooks.example.com/T0KEN"', "webhook_secret_file": '"secret"'}
MAIL = {"smtp_host": '"mail.example.com"', "smtp_from": '"labeler@example.com"', "smtp_to": '["one@example.com"]'}
LOGIN = {"smtp_user": '"labeler"', "smtp_password_file": '"secret"'}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("signing.key", "11" * 32), ("secret", "a secret of some length")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "policy.toml").write_text("")
    return tmp_path


def load(folder: Path, section: dict[str, str], **environ: str) -> Settings:
    lines = [f"{key} = {value}" for key, value in section.items()]
    path = folder / "labeler.toml"
    path.write_text("\n".join([SERVICE, "[notify]", *lines]))
    return load_settings(path, environ)


def refusal(folder: Path, section: dict[str, str]) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, section)
    return str(caught.value)


def test_without_it_nobody_is_told(folder: Path) -> None:
    notify = load(folder, {}).notify
    assert (notify.webhook_url, notify.smtp_host, notify.kinds) == (None, None, NOTICE_KINDS)


def test_both_channels(folder: Path) -> None:
    notify = load(folder, WEBHOOK | MAIL | LOGIN | {"kinds": '["breaker"]'}).notify
    assert (notify.smtp_port, notify.smtp_starttls, notify.smtp_tls) == (587, True, False)
    assert notify.webhook_secret_file == notify.smtp_password_file == folder / "secret"
    assert (notify.smtp_to, notify.kinds) == (("one@example.com",), ("breaker",))
    assert load(folder, MAIL, LABELER_NOTIFY__SMTP_PORT="465").notify.smtp_tls
    more = load(folder, MAIL, LABELER_NOTIFY__SMTP_TO='["one@example.com","two@example.com"]').notify
    assert more.smtp_to == ("one@example.com", "two@example.com")


@pytest.mark.parametrize(
    "url", ["https://10.0.0.5:8443/hook?x=1", "http://localhost:9/x", "http://127.0.0.1/", "http://[::1]:9/x"]
)
def test_where_a_webhook_may_lead(folder: Path, url: str) -> None:
    assert load(folder, WEBHOOK | {"webhook_url": f'"{url}"'}).notify.webhook_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example.com/", "ftp://hooks.example.com/", "hooks.example.com", "https:///x", "https://["),
        *("https://me:T0KEN@hooks.example.com/", "https://hooks.example.com/a b", "https://hooks.example.com:99999/"),
        "https://hooks.example.com/\\u00e9",
    ],
)
def test_where_it_may_not_lead(folder: Path, url: str) -> None:
    said = refusal(folder, WEBHOOK | {"webhook_url": f'"{url}"'})
    assert "notify.webhook_url: not a URL to post to" in said
    assert "T0KEN" not in said


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"webhook_url": WEBHOOK["webhook_url"]}, "webhook_url and webhook_secret_file go together"),
        ({"webhook_secret_file": WEBHOOK["webhook_secret_file"]}, "go together"),
        ({"smtp_host": MAIL["smtp_host"]}, "smtp_host needs smtp_from and smtp_to"),
        (MAIL | {"smtp_to": "[]"}, "smtp_host needs smtp_from and smtp_to"),
        ({"smtp_to": MAIL["smtp_to"]}, "smtp_host is missing"),
        (MAIL | {"smtp_user": '"labeler"'}, "smtp_user and smtp_password_file go together"),
        (MAIL | LOGIN | {"smtp_starttls": "false"}, "the password would be sent in the clear"),
        (MAIL | {"smtp_port": "0"}, "notify.smtp_port"),
        (MAIL | {"smtp_from": '"a@b\\r\\nBcc: c@d"'}, "notify.smtp_from: not a mail address"),
        (MAIL | {"smtp_to": '["nobody"]'}, "notify.smtp_to[0]: not a mail address"),
        (MAIL | {"smtp_host": '"mail.example.com:25"'}, "notify.smtp_host: not a host"),
        ({"kinds": '["news"]'}, "notify.kinds[0]"),
        ({"webhook": '"x"'}, "did you mean webhook_url?"),
        (WEBHOOK | {"webhook_secret_file": '"absent"'}, "no such file"),
        (WEBHOOK | {"webhook_secret_file": '"."'}, "is not a file"),
    ],
)
def test_what_is_no_whole_section(folder: Path, section: dict[str, str], why: str) -> None:
    assert why in refusal(folder, section)


def test_a_password_in_the_clear_stays_on_this_machine_or_in_tls(folder: Path) -> None:
    plain = LOGIN | {"smtp_starttls": "false"}
    assert load(folder, MAIL | plain | {"smtp_host": '"localhost"'}).notify.smtp_user == "labeler"
    assert load(folder, MAIL | plain | {"smtp_port": "465"}).notify.smtp_tls


def test_a_secret_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "secret").chmod(0o644)
    assert "mode 0644 lets others at the secret; chmod 600" in refusal(folder, WEBHOOK)


def test_of_the_webhook_only_the_host_is_shown(folder: Path) -> None:
    settings = load(folder, WEBHOOK)
    assert settings.describe()["notify"]["webhook_url"] == "https://hooks.example.com/…"
    assert "T0KEN" not in repr(settings)


def test_no_address_of_a_person_is_shown(folder: Path) -> None:
    """What is described goes into the audit chain, which forgets nothing."""
    shown = load(folder, MAIL | LOGIN).describe()["notify"]
    for name in ("smtp_user", "smtp_from", "smtp_to"):
        assert len(shown[name]) == 9, name
    assert "@" not in json.dumps(shown)
    assert '"labeler"' not in json.dumps(shown)
    other = load(folder, MAIL | LOGIN | {"smtp_to": '["two@example.com"]'}).describe()["notify"]
    assert other["smtp_to"] != shown["smtp_to"]
    assert load(folder, {}).describe()["notify"]["smtp_to"] == []
