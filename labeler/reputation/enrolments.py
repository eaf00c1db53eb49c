"""Who is enrolled with which domains, and what follows from sharing one or bringing back a removed one.

Events may come late and in any order: the newest about a domain says what is true, and the newest enrolment what was
agreed. An event that names no domain speaks for the account as such; one that says the account left speaks for all its
domains. What comes after a newer word about its domain is not heard any more; at worst, `since` begins later for it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from labeler.reputation.decisions import Member
from labeler.reputation.domains import registrable
from labeler.reputation.events import Kind, SendEvent

DOMAINS_MAX: Final = 1_024  # of one member; further ones are not enrolled
_ALL: Final = "@all"  # no domain is called so: the intake lets none in with an @
_CAPS: Final = "@caps"  # nor so: where the newest agreement on tier and caps is noted
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def enrol(member: Member, event: SendEvent) -> bool:
    """Take in one `enrolled` or `unenrolled` event; tell whether it said anything new."""
    domain = event.domain.lower() if event.domain is not None else ""
    mark = (event.at, event.id)
    if event.kind == Kind.UNENROLLED and event.domain is None:
        return _leave(member, mark)
    agreed = event.kind == Kind.ENROLLED and _agree(member, event, mark)
    if mark < max(mark_of(member, domain), mark_of(member, _ALL)):
        return agreed  # late: what happened after it is known already
    if domain not in member.marks and len(member.marks) > DOMAINS_MAX:
        return agreed
    member.marks[domain] = mark
    if event.kind == Kind.UNENROLLED:
        member.domains.pop(domain, None)
        _mend(member, mark)
    else:
        member.domains[domain] = None
        member.since = event.at if member.since is None else min(member.since, event.at)
    return True


def mark_of(member: Member, domain: str) -> tuple[datetime, str]:
    """Time and id of the newest event about `domain`; the beginning of time where there was none."""
    return member.marks.get(domain, (_NEVER, ""))


def _agree(member: Member, event: SendEvent, mark: tuple[datetime, str]) -> bool:
    """Note tier and caps; tell whether they are news. They last when the domain they came with is given up."""
    if mark < mark_of(member, _CAPS):
        return False
    member.marks[_CAPS] = mark
    member.tier = event.tier or "new"
    member.hourly_cap, member.daily_cap = event.hourly_cap, event.daily_cap
    return True


def _leave(member: Member, mark: tuple[datetime, str]) -> bool:
    if mark < mark_of(member, _ALL):
        return False
    member.marks[_ALL] = mark
    for domain in [domain for domain in member.domains if mark_of(member, domain) < mark]:
        del member.domains[domain]
    _mend(member, mark)
    return True


def _mend(member: Member, left: tuple[datetime, str]) -> None:
    """Begin `since` anew, if nothing was enrolled any more after what ended at `left`."""
    newest = [mark_of(member, domain) for domain in member.domains]
    if all(mark > left for mark in newest):
        member.since = min(newest)[0] if newest else None


class Domains:
    """Whose each enrolled domain is, and which ones went with a removed account."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}
        self._removed: dict[str, dict[str, None]] = {}  # registrable domain → the DIDs it went with, as a set in order
        self._accepted: set[tuple[str, str]] = set()  # registrable domain, and a DID an operator let have it since

    def hold(self, did: str, domains: dict[str, None], domain: str) -> list[str]:
        """Note whether `did` holds `domain` now; return everybody who does."""
        holders = self._holders.setdefault(domain, {})
        if domain in domains:
            holders[did] = None
        else:
            holders.pop(did, None)
        if not holders:
            del self._holders[domain]
        return list(holders)

    def remove(self, did: str, domains: frozenset[str]) -> None:
        """The account went, and its registrable domains with it."""
        for domain in domains:
            self._removed.setdefault(domain, {})[did] = None

    def restore(self, did: str) -> None:
        """The account was taken back, and so were its domains."""
        for owners in self._removed.values():
            owners.pop(did, None)
        self._removed = {domain: owners for domain, owners in self._removed.items() if owners}

    def accept(self, did: str, domains: Iterable[str]) -> None:
        """An operator lets `did` have its domains, whoever they went with."""
        self._accepted |= {(name, did) for name in map(registrable, domains) if name in self._removed}

    def removed_with(self, domain: str) -> list[str]:
        """The removed accounts that `domain`, or the domain above it, went with."""
        return list(self._removed.get(registrable(domain), ())) if domain else []

    def accepted(self, did: str, domain: str) -> bool:
        """Whether an operator let `did` have `domain` after it was removed."""
        return (registrable(domain), did) in self._accepted
