"""What an RFC 3463 status says about the sender: the classes of the policy, looked up once a bounce."""

from enum import IntEnum

from labeler.reputation.policy import Outcomes


class Fault(IntEnum):
    """Whose fault a bounce is. Only the first two are ever counted against anybody."""

    NOBODYS = 0
    INVALID_RECIPIENT = 1
    POLICY_BLOCK = 2
    CONFIGURATION = 3


class Classifier:
    """Status codes to faults: an exact code beats a star, and an unnamed one judges nobody."""

    __slots__ = ("_exact", "_starred")

    def __init__(self, outcomes: Outcomes | None) -> None:
        self._exact: dict[str, Fault] = {}
        self._starred: dict[str, Fault] = {}
        if outcomes is None:
            return
        for fault, codes in (
            (Fault.CONFIGURATION, outcomes.configuration),
            (Fault.POLICY_BLOCK, outcomes.policy_block),
            (Fault.INVALID_RECIPIENT, outcomes.invalid_recipient),
        ):
            for code in codes:
                subject, _, detail = code.rpartition(".")
                if detail == "*":
                    self._starred[subject] = fault
                else:
                    self._exact[code] = fault

    def fault(self, status: str | None) -> Fault:
        """Whose fault a bounce with this enhanced status code is."""
        if status is None:
            return Fault.NOBODYS
        exact = self._exact.get(status)
        return exact if exact is not None else self._starred.get(status.rpartition(".")[0], Fault.NOBODYS)
