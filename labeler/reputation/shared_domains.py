"""What members have to do with each other through their domains: two that share one, and who brings back a removed one.

Members with one sending domain know each other's suppression lists; a removal covers the domains too (acceptable-use
page), under whatever account they come back.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from labeler.reputation.definitions import MAIL_REMOVED
from labeler.reputation.domains import registrable
from labeler.reputation.enrolments import Domains
from labeler.reputation.subject import Subject
from labeler.reputation.suppression import SuppressionWindows


class SharedDomains:
    """Whose each domain is. `sharers`: the suppression lists behind each domain that several hold."""

    def __init__(self, subjects: Mapping[str, Subject]) -> None:
        self.sharers: dict[str, list[SuppressionWindows]] = {}
        self._subjects = subjects
        self._domains = Domains()

    def share(self, did: str, domain: str) -> None:
        """Follow that `did` holds `domain` from here on, or no more."""
        if not domain:
            return
        holders = self._domains.hold(did, self._subjects[did].member.domains, domain)
        self.sharers.pop(domain, None)
        if len(holders) > 1:
            self.sharers[domain] = [self._subjects[holder].windows.suppressing() for holder in holders]

    def removed_owner(self, did: str, domain: str, now: datetime) -> str | None:
        """The removed account that `domain`, new to `did`, went with; None where an operator let `did` have it."""
        removals = {
            owner: self._subjects[owner].member.active.get(MAIL_REMOVED) for owner in self._domains.removed_with(domain)
        }
        standing = (
            owner
            for owner, removal in removals.items()
            if owner != did and removal is not None and (removal.exp is None or removal.exp > now)
        )
        owner = next(standing, None)
        return owner if owner is not None and not self._domains.accepted(did, domain) else None

    def removed(self, did: str) -> None:
        """The account went, and with it every domain it enrolled or sent from."""
        subject = self._subjects[did]
        names: Iterable[str] = (*subject.member.domains, *subject.windows.by_domain)
        self._domains.remove(did, frozenset(registrable(name) for name in names if name))

    def restored(self, did: str) -> None:
        """The account was taken back, and so were its domains."""
        self._domains.restore(did)

    def accepted(self, did: str) -> None:
        """An operator lets the account have its domains, whoever they went with."""
        self._domains.accept(did, self._subjects[did].member.domains)
