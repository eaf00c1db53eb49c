"""Recipients leave the relay only as keyed hashes, so that nobody downstream can read or guess an address.

The key stays with the relay. Without it a hash of an address would be found by trying all the likely ones.
"""

import hashlib
import hmac
import ipaddress
import re
import unicodedata

from labeler.errors import Misconfigured

SHORTEST_KEY = 16  # bytes; less could be searched
HASH_LENGTH = 32  # hex digits: 128 bits, as the event schema asks

_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"  # underscores occur in the names of real mail domains
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PLAIN_LOCAL = re.compile(r"[^\s\"(),:;<>@\[\\\]]+\Z")
_NETWORK_BITS = {4: 24, 6: 48}  # what one customer of a provider usually holds


def a_label(domain: str) -> str | None:
    """Write a domain in the form DNS uses: lower-case A-labels, no final dot. None when it is no domain name.

    Unicode goes through the interpreter's own IDNA codec (RFC 3490), which maps ß to ss.
    """
    name = domain.strip().removesuffix(".")
    if not name.isascii():
        try:
            name = unicodedata.normalize("NFKC", name).encode("idna").decode("ascii")
        except UnicodeError:
            return None
    name = name.lower()
    return name if len(name) <= 253 and _DOMAIN.fullmatch(name) else None


def _split(address: str) -> tuple[str, str]:
    """Cut an address at its last @ into local part and domain; without one the domain is empty."""
    bare = address.strip()
    if bare.startswith("<") and bare.endswith(">"):
        bare = bare[1:-1].strip()
    local, at, domain = bare.rpartition("@")
    return (local, domain) if at else (bare, "")


def _unquote(local: str) -> str:
    """Take the quotes off a local part that never needed them: RFC 5321 §4.1.2, both forms are one mailbox."""
    if len(local) > 2 and local[0] == local[-1] == '"':
        inner = re.sub(r"\\(.)", r"\1", local[1:-1])
        if _PLAIN_LOCAL.match(inner):
            return inner
    return local


def canonical(address: str) -> str:
    """Bring the spellings of one mailbox to one form: lower-case, unquoted local part, A-label domain.

    Applying it twice changes nothing. Text that is no address comes back lower-cased.
    """
    local, domain = _split(address)
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", _unquote(local)).lower())
    name = a_label(domain) or domain.strip().lower()
    return f"{local}@{name}" if name else local


class RecipientHasher:
    """Turn addresses into keyed hashes: HMAC-SHA256, the first 128 bits as 32 hex digits.

    `key` is at least 16 random bytes that stay with the relay; `key_id` names it in events (`hashKey`), so that
    a changed key is not mistaken for new recipients. Raises `Misconfigured` on a key that could be searched.
    The methods never raise.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        if len(key) < SHORTEST_KEY:
            raise Misconfigured(f"the recipient hash key has {len(key)} bytes; use at least {SHORTEST_KEY} random ones")
        if not 1 <= len(key_id) <= 64:
            raise Misconfigured("the id of the recipient hash key must have 1 to 64 characters")
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)
        self.key_id = key_id

    def __repr__(self) -> str:
        return f"RecipientHasher(key_id={self.key_id!r})"

    def _hash(self, text: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()[:HASH_LENGTH]

    def recipient(self, address: str) -> str:
        """Hash the mailbox: every spelling of one address gives the same 32 hex digits (`recipient`)."""
        return self._hash(canonical(address))

    def exact(self, address: str) -> str:
        """Hash the address as it was given, only its domain brought to one form (`recipientExact`).

        Equal to `recipient` exactly when the address was written canonically.
        """
        local, domain = _split(address)
        name = a_label(domain) or domain.strip().lower()
        return self._hash(f"{local}@{name}" if name else local)

    def domain(self, address: str) -> str | None:
        """Return the domain as A-label, in clear (`recipientDomain`); None for address literals."""
        return a_label(_split(address)[1])

    def client(self, address: str) -> str | None:
        """Hash the network a submission came from (`client`): /24 of IPv4, /48 of IPv6; None if no IP."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        mapped = getattr(ip, "ipv4_mapped", None)
        ip = mapped if mapped is not None else ip
        network = ipaddress.ip_network((ip, _NETWORK_BITS[ip.version]), strict=False)
        return self._hash(f"client {network}")
