"""A window for recipients nobody will meet again: counted many at a time, known by nothing but their domains."""

from collections.abc import Iterator

import numpy as np

from labeler.reputation.counters import DistinctWindow
from labeler.simulation.mail import Mail
from labeler.simulation.mixes import Numbers, domain_name


class AnonymousWindow(DistinctWindow):
    """A distinct window that also takes in the mails of a script whose fate is one of `fates`, by the stretch."""

    __slots__ = ("_before", "_domains", "_spans", "_taken")

    def __init__(self, mail: Mail, fates: tuple[int, ...]) -> None:
        super().__init__()
        self._taken = np.isin(mail.fate, fates)
        self._domains: Numbers = mail.domain
        self._before: list[int] = [0, *np.cumsum(self._taken).tolist()]
        self._spans: list[tuple[int, int, int]] = []

    def take(self, bucket: int, first: int, last: int) -> None:
        """See in `bucket` the recipients of those among the mails `first` … `last` − 1 that belong here."""
        number = self._before[last] - self._before[first]
        if number == 0:
            return
        self.alive[bucket] = self.alive.get(bucket, 0) + number
        for mark in self._marks or ():
            if bucket >= mark[0]:
                mark[1] += number
        self._spans.append((bucket, first, last))

    @property
    def size(self) -> int:
        """How many items are not yet expired."""
        return sum(self.alive.values())

    def items(self, since: int) -> Iterator[str]:
        """The items seen in a bucket ≥ `since`; the anonymous go by their domains, which stand for themselves."""
        yield from super().items(since)
        for bucket, first, last in self._spans:
            if bucket >= since:
                for domain in self._domains[first:last][self._taken[first:last]].tolist():
                    yield domain_name(domain)

    def expire(self, before: int) -> None:
        """Forget items whose bucket is < `before`."""
        super().expire(before)
        self._spans = [span for span in self._spans if span[0] >= before]
