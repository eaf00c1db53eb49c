"""Registrable domains: what somebody had to pay for, so that sub-domains do not pass for many."""

from functools import lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList

_SUFFIXES: Final = PublicSuffixList()  # the list of publicsuffix.org, pinned with the library's version


@lru_cache(maxsize=65_536)
def registrable(domain: str) -> str:
    """The registrable part of an A-label domain, in lower case; a public suffix or a single label stands for itself."""
    name = domain.lower().rstrip(".")
    return _SUFFIXES.privatesuffix(name) or name
