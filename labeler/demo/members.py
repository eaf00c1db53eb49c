"""Four members of the relay and the mail they mean to send. PURE: written out by arithmetic, the same every time.

What the sink answers is part of an address (see `sink`): the words of its local part, separated by dots. So whoever
reads a recipient knows what will become of it. All domains end in `.example` (RFC 2606 §2).
"""

from itertools import cycle, islice
from typing import Final, NamedTuple

PROVIDERS: Final = ("bigmail.example", "postbox.example", "inbox.example", "mailhaus.example", "letters.example")
TOWNS: Final = (
    "alder", "birch", "cedar", "dogwood", "elm", "fir", "gorse", "hazel", "ivy", "juniper", "linden", "maple",
)  # fmt: skip
FIRST_NAMES: Final = ("ada", "ben", "cleo", "dan", "eva", "finn", "gwen", "hugo", "ines", "jon", "kim", "lena")


class Past(NamedTuple):
    """A recipient of last week: how many days and seconds ago, and the address."""

    days: int
    seconds: int
    address: str


class Member(NamedTuple):
    """One member: who it is, what was agreed, what it sent last week, and what it sends today.

    `today` goes out in order over `connections` SMTP sessions, `pause_s` between two messages of one session, after a
    wait of `begins_s`. `insists_s` is how long it tries again once its list is used up and mail was refused.
    """

    name: str
    about: str
    domain: str
    hourly_cap: int
    daily_cap: int
    tier: str
    past: tuple[Past, ...]
    today: tuple[str, ...]
    begins_s: float
    pause_s: float
    connections: int = 1
    insists_s: float = 0.0
    honest: bool = False

    @property
    def did(self) -> str:
        """The DID the member is enrolled under."""
        return f"did:web:{self.domain}"

    @property
    def sender(self) -> str:
        """The envelope sender and From address."""
        return f"{FIRST_NAMES[len(self.domain) % len(FIRST_NAMES)]}@{self.domain}"

    @property
    def password(self) -> str:
        """What the member gives at SMTP AUTH; this relay ends with the demo."""
        return f"{self.domain} on loopback"


def corner_shop() -> Member:
    """Two people selling tea: a week of order confirmations, one mistyped address among thirteen orders today."""
    week = [f"{name}.order{number:03d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 120))]
    week[47] += ".full"
    orders = [f"{name}.order{number:03d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 13), start=120)]
    orders[5] += ".gone"  # one bounce in thirteen is 7.7 %, and proves nothing
    orders[8] += ".busy"
    return Member(
        name="corner shop",
        about="two people selling tea, honest",
        domain="corner-shop.example",
        hourly_cap=100,
        daily_cap=1000,
        tier="established",
        past=_spread(_at(week, PROVIDERS), a_day=20),
        today=_at(orders, PROVIDERS),
        begins_s=0.0,
        pause_s=0.9,
        honest=True,
    )


def newsletter() -> Member:
    """A newsletter, far bigger than the rest and within what was agreed: half a percent of its addresses are gone."""
    readers = [f"{name}.reader{number:03d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 600))]
    domains = (*PROVIDERS, *(f"{town}.example" for town in TOWNS))
    last_issue = list(readers)
    for number, fate in {31: "gone", 214: "gone", 498: "gone", 77: "full", 350: "full", 401: "blocked"}.items():
        last_issue[number] += f".{fate}"
    issue = [reader for number, reader in enumerate(readers) if number not in {31, 214, 498}][:200]
    for number, fate in {120: "gone", 40: "full", 90: "blocked", 160: "grey"}.items():
        issue[number] += f".{fate}"
    return Member(
        name="newsletter",
        about="large, within its agreed caps, honest",
        domain="field-notes.example",
        hourly_cap=300,
        daily_cap=1500,
        tier="established",
        past=_spread(_at(last_issue, domains), a_day=600, first_day=6),
        today=_at(issue, domains),
        begins_s=0.5,
        pause_s=0.045,
        honest=True,
    )


def list_buyer() -> Member:
    """A bought list: a quarter of its addresses do not exist.

    The third that is proven brings the throttle, with twelve tried; twenty more pass before the hour is used up. Half
    of the missing are at mail servers that greylist first, so those bounces come seconds later, and with them the
    suspension: from messages that were sent before.
    """
    prospects = [f"{name}.lead{number:02d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 40), start=1)]
    for number in (4, 8, 12, 17, 22):
        prospects[number - 1] += ".gone"
    for number in (26, 28, 30, 31, 32):
        prospects[number - 1] += ".grey.gone"
    return Member(
        name="list buyer",
        about="joined today with a bought list",
        domain="lead-rocket.example",
        hourly_cap=100,
        daily_cap=1000,
        tier="new",
        past=(),
        today=_at(prospects, tuple(f"{town}-works.example" for town in TOWNS)),
        begins_s=0.5,
        pause_s=0.4,
        insists_s=20.0,
    )


def choir() -> Member:
    """A choir's account with a quiet past, until somebody else has its password: hundreds of strangers in seconds.

    Twenty messages an hour were agreed. A spray is seen at fifty; twenty more pass under the throttle, and beyond
    sixty the volume is a second finding of its own, which suspends: however fast this machine is.
    """
    week = [f"{name}.alto{number:02d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 84))]
    strangers = [f"{name}.x{number:03d}" for number, name in enumerate(islice(cycle(FIRST_NAMES), 400))]
    for number in range(29, 400, 30):
        strangers[number] += ".gone"
    return Member(
        name="choir",
        about="quiet for a week, then its password is stolen",
        domain="harbour-choir.example",
        hourly_cap=20,
        daily_cap=200,
        tier="established",
        past=_spread(_at(week, PROVIDERS), a_day=14),
        today=tuple(f"{local}@{_stranger(number)}.example" for number, local in enumerate(strangers)),
        begins_s=6.0,
        pause_s=0.12,
        connections=8,
    )


def everyone() -> tuple[Member, ...]:
    """All four, the honest ones first."""
    return corner_shop(), newsletter(), list_buyer(), choir()


def _at(locals_: list[str], domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{local}@{domain}" for local, domain in zip(locals_, cycle(domains), strict=False))


def _spread(addresses: tuple[str, ...], *, a_day: int, first_day: int | None = None) -> tuple[Past, ...]:
    """Lay addresses over the days of last week, `a_day` each, a message a minute, from `first_day` days ago on.

    Without `first_day` the last ones were yesterday.
    """
    days = -(-len(addresses) // a_day)
    newest = first_day if first_day is not None else days
    return tuple(Past(newest - number // a_day, 60 * (number % a_day), one) for number, one in enumerate(addresses))


def _stranger(number: int) -> str:
    """Name the `number`-th domain nobody has written to before."""
    return f"{TOWNS[number % len(TOWNS)]}-{FIRST_NAMES[number // 12 % len(FIRST_NAMES)]}-{number:03d}"
