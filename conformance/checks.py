"""What a check is, how it says no, and the list of all of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.trial import Trial

Run = Callable[["Trial"], Awaitable[None]]


class Failed(Exception):
    """The labeler does something else than the protocol says."""


class NotApplicable(Exception):
    """This cannot be found out about this labeler, or not with what we were given."""


@dataclass(frozen=True)
class Check:
    """One question to a labeler. `rows` are numbers of docs/CONFORMANCE.md; `seconds` bound it."""

    name: str
    rows: tuple[int, ...]
    title: str
    run: Run
    seconds: float


CHECKS: dict[str, Check] = {}


def check(*rows: int, seconds: float = 20.0) -> Callable[[Run], Run]:
    """Add a function to the list; its name and docstring become the check's name and title."""

    def add(run: Run) -> Run:
        area = run.__module__.rpartition(".")[2]
        name = f"{area}.{run.__name__.replace('_', '-')}"
        CHECKS[name] = Check(name, rows, (run.__doc__ or "").strip().rstrip("."), run, seconds)
        return run

    return add


def expect(condition: object, text: str) -> None:
    """Raise `Failed` with `text` unless the condition holds."""
    if not condition:
        raise Failed(text)
