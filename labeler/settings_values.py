"""What a setting may be: one check a kind of value, and the types made of them.

A check takes what stands in the file and returns what the program uses, or raises `ValueError` saying what to write.
"""

import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from labeler.atproto.did_document import did_web_url
from labeler.atproto.syntax import check_did
from labeler.errors import BadInput

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_ADDRESS_CHARS: Final = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ORIGIN: Final = re.compile(r"(https://[a-zA-Z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?/?", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]{1,2000}", re.ASCII)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]*[A-Za-z0-9]", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def _did(text: str) -> str:
    try:
        return check_did(text)
    except BadInput:
        raise ValueError("not a DID; write did:web:<hostname> or did:plc:…") from None


def _own_did(text: str) -> str:
    if _did(text).startswith("did:web:"):
        try:
            did_web_url(text)
        except BadInput as error:
            raise ValueError(f"{error.message}; the others could not fetch its document") from None
    return text


def did_of(hostname: str) -> str:
    """Return the did:web of a host; the colon before a port is written %3A (DID spec §did:web)."""
    return "did:web:" + hostname.replace(":", "%3A")


def _hostname(text: str) -> str:
    name = text.lower()
    try:
        did_web_url(did_of(name))
    except BadInput:
        raise ValueError(
            "not a public host name; write it like labeler.example.com, or localhost:8080 for a trial"
        ) from None
    return name


def _listen(text: str) -> str:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError("not host:port; write it like 127.0.0.1:8080 or [::1]:8080")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("its port is not a number up to 65535; write it like 127.0.0.1:8080")
    return text


def _hash(text: str) -> str:
    if _SHA256.fullmatch(text.lower()) is None:
        raise ValueError('not a SHA-256 in hex (64 digits); get it with: printf %s "$TOKEN" | sha256sum')
    return text.lower()


def _sqlite(text: str) -> str:
    if text != "sqlite":
        raise ValueError('not a storage of this version; write "sqlite"')
    return text


def _written(value: Any) -> Any:
    """Defaults are checked like what stands in the file, and there a path is text."""
    return str(value) if isinstance(value, Path) else value


def _beside(path: Path, info: ValidationInfo) -> Path:
    """Relative paths are relative to the file they stand in."""
    folder: Path = (info.context or {}).get("folder", Path())
    return Path(os.path.abspath(folder / path))  # `..` goes, links stay


def _folder(path: Path) -> Path:
    mode = _mode(path)
    if mode is not None and not stat.S_ISDIR(mode):
        raise ValueError(f"{path} is not a folder")
    return path


def _file(path: Path) -> Path:
    mode = _mode(path)
    if mode is None:
        raise ValueError(f"no such file: {path}")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is not a file")
    return path


def _key_file(path: Path) -> Path:
    return _private(path, "signing key", f"make a key with: labeler keygen {path}")


def _secret_file(path: Path) -> Path:
    return _private(path, "secret", "write the secret into it, and chmod 600 it")


def _private(path: Path, name: str, absent: str) -> Path:
    mode = _mode(path)
    if mode is None:
        raise ValueError(f"no such file: {path}; {absent}")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is not a file")
    if mode & _OTHERS:
        raise ValueError(f"mode {stat.S_IMODE(mode):04o} lets others at the {name}; chmod 600 {path}")
    return path


def _mode(path: Path) -> int | None:
    """Type and permissions, None where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path} cannot be looked at: {error.strerror}") from error


def _origin(text: str) -> str:
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError("not an origin; write it like https://plc.directory, or http://localhost:2582 for a trial")
    return text.rstrip("/")


def _webhook(text: str) -> str:
    """The URL may hold a secret of its own, so that no message quotes it."""
    try:
        parts = urlsplit(text)
        loopback = parts.hostname in LOOPBACK
        usable = parts.scheme == "https" or (parts.scheme == "http" and loopback)
        if not (usable and parts.hostname and parts.username is None and parts.port != 0 and _VISIBLE.fullmatch(text)):
            raise ValueError
    except ValueError:
        raise ValueError(
            "not a URL to post to; write it like https://hooks.example.com/labeler, or with http on loopback"
        ) from None
    return text


def _address(text: str) -> str:
    if len(text) > MAX_ADDRESS_CHARS or _ADDRESS.fullmatch(text) is None:
        raise ValueError("not a mail address; write it like postmaster@example.com")
    return text


def _mail_host(text: str) -> str:
    if text in LOOPBACK or _HOST.fullmatch(text) is not None:
        return text
    raise ValueError("not a host; write it like mail.example.com, without a port")


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("not a network; write it like 127.0.0.0/8 or ::1/128") from None
    return text


_PATH: Final = (BeforeValidator(_written), AfterValidator(_beside))

Did = Annotated[str, AfterValidator(_did)]
OwnDid = Annotated[str, AfterValidator(_own_did)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Listen = Annotated[str, AfterValidator(_listen)]
Origin = Annotated[str, AfterValidator(_origin)]
Folder = Annotated[Path, *_PATH, AfterValidator(_folder)]
File = Annotated[Path, *_PATH, AfterValidator(_file)]
SecretFile = Annotated[Path, *_PATH, AfterValidator(_secret_file)]
WebhookUrl = Annotated[str, AfterValidator(_webhook)]
Address = Annotated[str, AfterValidator(_address)]
MailHost = Annotated[str, AfterValidator(_mail_host)]
Port = Annotated[int, Field(ge=1, le=65_535)]
KeyFile = Annotated[Path, *_PATH, AfterValidator(_key_file)]
Sha256 = Annotated[str, AfterValidator(_hash)]
Medium = Annotated[str, AfterValidator(_sqlite)]
Network = Annotated[str, AfterValidator(_network)]
Bytes = Annotated[int, Field(ge=1024, le=1 << 30)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
