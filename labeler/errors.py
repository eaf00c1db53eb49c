"""Every error this program raises on purpose, sorted by whose fault it is.

    LabelerError
    ├── BadInput        theirs: answered in the protocol's own form, never a traceback
    ├── Misconfigured   the operator's: stops the start, names file, key and fix
    ├── Unavailable     the world's: worth another try later
    │   └── Undeliverable  a receiver's no: the same message would be refused again
    └── Corrupt         ours: stops us loudly

Each leaf tells its handler all it needs: answer, explain, retry, or stop.
"""

from collections.abc import Iterator


class LabelerError(Exception):
    """Root of the tree; never raised itself."""


class BadInput(LabelerError):
    """Somebody sent what the protocol or the policy does not allow.

    `name` is the error name of the XRPC envelope (ASCII, no white space), `message` the sentence for a human.
    """

    def __init__(self, message: str, *, name: str = "InvalidRequest", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.status = status


class Misconfigured(LabelerError):
    """The operator's files cannot be used as they are; the message names file, key and fix."""


class Unavailable(LabelerError):
    """Something outside (disk, network, database) did not do its part; the same call may succeed later."""


class Undeliverable(Unavailable):
    """Whoever should take a message said for good that it will not: another try of the same message is in vain."""


class Corrupt(LabelerError):
    """Our own data contradicts itself. Continuing would spread the damage, so nobody catches this."""


def first_cause(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Name the one error that ended a group of tasks; our own corruption goes before anything else."""
    leaves = list(_leaves(errors))
    return next((error for error in leaves if isinstance(error, Corrupt)), leaves[0])


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
