"""What people and machines read: tables on a terminal, JSON in a pipe, both on stdout; everything else on stderr."""

import errno
import json
import sys
from collections.abc import Iterable, Sequence
from time import monotonic as _seconds
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from labeler.errors import Unavailable

PIPE_COLUMNS: Final = 200  # a table that no terminal limits is not folded at 80
PATIENCE_SECONDS: Final = 1.0  # what takes longer shows how far it is


def say(text: str) -> None:
    """Print a result. Raises `Unavailable` when stdout takes no more, such as a full disk."""
    try:
        typer.echo(text)
    except OSError as error:
        if error.errno == errno.EPIPE:  # `| head` has seen enough
            raise
        raise Unavailable(f"cannot print: {error.strerror}") from error


def show_json(value: Any) -> None:
    """Print one JSON value on one line."""
    say(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print rows under their headings; DIDs and other long words are folded, never cut."""
    table = Table(box=None, title=title, title_justify="left", title_style="bold", pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # Texts are taken as they are: no markup, and `did:key:` is no emoji.
    console = Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    with console.capture() as captured:
        console.print(table)
    say("\n".join(line.rstrip() for line in captured.get().splitlines()))


def note(text: str) -> None:
    """Tell the person something that is no result."""
    typer.echo(text, err=True)


class Meter:
    """A progress bar on stderr for whatever takes longer than a second there; nothing where nobody looks."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._began = _seconds()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def at(self, done: int) -> None:
        """Say how much of the total is done."""
        if self._bar is None:
            if _seconds() - self._began < PATIENCE_SECONDS or not sys.stderr.isatty():
                return
            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
