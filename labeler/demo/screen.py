"""What one sees: events of the story as lines that stay, and below them, on a terminal, a table that follows."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from labeler.atproto.label import Label
from labeler.demo.checks import Check
from labeler.demo.clients import Exchange
from labeler.demo.members import Member

PLAIN_COLUMNS: Final = 132  # where no terminal limits a line
COLOURS: Final = {
    "unknown": "dim",
    "warming": "cyan",
    "good": "green",
    "throttled": "yellow",
    "suspended": "red",
    "removed": "red",
}
VALUES: Final = {"mail-throttled": "yellow", "mail-suspended": "red", "mail-removed": "red", "clean-sender": "green"}

COUNTS: Final = {
    "sent": "accepted",
    "bounced": "bounced",
    "unknown": "invalidRecipients",
    "domains": "recipientDomains",
}

Standings = dict[str, dict[str, Any]]


def new_console() -> Console:
    """Make the console of the demo; texts are taken as they are."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=PLAIN_COLUMNS, no_color=True)
    )


class Screen:
    """Prints lines; between entering and leaving, a live table stays below them on a terminal."""

    def __init__(self, console: Console, members: Sequence[Member]) -> None:
        self._console = console
        self._members = members
        self._names = {member.did: member.name for member in members}
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._standings: Standings = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._console.print()
        self._console.print(Rule(title, align="left", style="dim", characters="─"))

    def say(self, text: str, style: str = "") -> None:
        """Print a line of the teller."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def label(self, seq: int, label: Label, why: str) -> None:
        """Print a label that came through the stream and was verified, and what the evidence says."""
        line = Text(f"{clock(label.cts)}  label  seq {seq:>2}  ")
        sign = "−" if label.neg else "+"
        line.append(f"{sign}{label.val}", style=f"bold {VALUES.get(label.val, 'blue')}")
        line.append(f"  {self._names.get(label.uri, '')}  {label.uri}")
        if label.exp is not None:
            line.append(f"  until {label.exp[:16]}Z")
        line.append(f"  ✓ sig {(label.sig or b'')[:6].hex()}…", style="dim")
        self._console.print(line)
        if why:
            self._console.print(Padding(Text(f"because {why}", style="italic"), (0, 0, 0, 10), expand=False))

    def refusal(self, exchange: Exchange, now: datetime) -> None:
        """Print what the relay answered to a member's mail program, word for word."""
        line = Text(f"{now:%H:%M:%S}  SMTP   {exchange.member.name} to {exchange.recipient}, at {exchange.command}\n")
        line.append(f"{'':10}< {exchange.reply}", style="bold red" if exchange.reply[0] == "5" else "bold yellow")
        self._console.print(line, soft_wrap=True)  # not a letter more or less than came over the wire

    def follow(self, standings: Standings) -> None:
        """Bring the live table up to date; without a terminal, print who has changed."""
        if self._live.is_started:
            self._live.update(Group(Text(), standing_table(self._members, standings)), refresh=True)
        else:
            for member in self._members:
                before, now = (one.get(member.did, {}).get("standing") for one in (self._standings, standings))
                if now != before:
                    cure = outlook(standings[member.did]) if standings.get(member.did, {}).get("clears") else ""
                    self.say(f"{'':10}{member.name} stands {now}" + (f"; what clears it: {cure}" if cure else ""))
        self._standings = standings

    def table(self, standings: Standings) -> None:
        """Print the table to stay."""
        self._console.print()
        self._console.print(standing_table(self._members, standings))

    def checks(self, checks: Sequence[Check]) -> None:
        """Print every claim and whether it holds."""
        for check in checks:
            line = Text().append("✓ ", style="bold green") if check.holds else Text().append("✗ ", style="bold red")
            self._console.print(line.append(check.text, style="" if check.holds else "red"))


def clock(moment: str) -> str:
    """Take the time of day out of an atproto datetime."""
    return moment[11:19]


def standing_table(members: Sequence[Member], standings: Standings) -> Table:
    """Lay out what `getStanding` says of every member; counts are of last week and today."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("member", no_wrap=True)
    for title in COUNTS:
        table.add_column(title, justify="right")
    table.add_column("standing")
    table.add_column("what clears it, or room left", ratio=1)
    for member in members:
        standing = standings.get(member.did, {})
        counts = standing.get("counts", {})
        state = str(standing.get("standing", "unknown"))
        table.add_row(
            Text.assemble((member.name, "bold"), (f"\n{member.did}", "dim")),
            *(str(counts.get(name, 0)) for name in COUNTS.values()),
            Text(state, style=f"bold {COLOURS.get(state, '')}".rstrip()),
            Text(outlook(standing), style="" if standing.get("clears") else "dim"),
        )
    return table


def outlook(standing: dict[str, Any]) -> str:
    """Say what clears a member's labels, or how much room is left to the first rule."""
    clears = [f"{one['text']} (by itself {one['at'][:10]})" if "at" in one else one["text"] for one in
              standing.get("clears", [])]  # fmt: skip
    if clears:
        return "; ".join(clears)
    return str(standing["headroom"][0]["text"]) if standing.get("headroom") else ""


def because(evidence: dict[str, Any]) -> str:
    """Say what an evidence record rests on: the numbers where there are any, the reason otherwise."""
    texts = [finding["text"] for finding in evidence.get("findings", []) if "text" in finding]
    return "; ".join(texts) or str(evidence.get("reason", ""))
