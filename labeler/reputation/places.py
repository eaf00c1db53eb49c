"""What one subject did at one place: by one of its sending domains, at one mailbox provider."""

from labeler.reputation.counters import CountWindow, DistinctWindow


class DomainWindows:
    """What one enrolled sending domain of a subject did: says which domain to look at, judges nobody."""

    __slots__ = ("accepted", "invalid")

    def __init__(self) -> None:
        self.accepted = CountWindow()
        self.invalid = CountWindow()


class ProviderWindows:
    """What became of a subject's mail at one provider: final outcomes, recipients refused, recipients not existing."""

    __slots__ = ("answered", "blocked", "invalid")

    def __init__(self) -> None:
        self.answered = CountWindow()
        self.blocked: DistinctWindow | None = None
        self.invalid: DistinctWindow | None = None
