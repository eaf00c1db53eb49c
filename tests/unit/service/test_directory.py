"""All DIDs at a glance: the same as a slow and simple look, in pages, without holding the loop."""

import asyncio
import gc
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.reputation.subject import Subject
from labeler.service.operator.directory import ORDERS, STANDINGS, Directory, Row

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VALUES = ("mail-removed", "mail-suspended", "mail-throttled", "clean-sender", "relay-member")


class Clock:
    def now(self) -> datetime:
        return NOON


def judge(number: int) -> Judge:
    """A fold that knows so many DIDs, of every standing."""
    made = Judge("did:web:labeler.example.com")
    for one in range(number):
        subject = made.subjects[f"did:plc:{one * 7919 % number:06}"] = Subject()
        subject.windows.volume.accepted.add(int(NOON.timestamp()) // 3600, one % 97 + 1)
        subject.windows.newest_hour = one % 89
        subject.windows.kinds = {"accepted": 1} if one % 11 else {}
        subject.member.domains = {f"shop{one % 50}.example": None} if one % 3 else {}
        for place, val in enumerate(VALUES):
            if one % (place + 2) == 0:
                exp = NOON + timedelta(hours=one % 5 - 2) if one % 2 else None
                subject.member.active[val] = ActiveLabel(NOON, NOON, exp, "x", by_operator=False)
                subject.stamped[val] = NOON
    return made


@pytest.mark.parametrize("order", ORDERS)
async def test_the_pages_together_are_everybody_once_in_order(order: str) -> None:
    fold = judge(333)
    directory, rows, after = Directory(fold, Clock()), [], None
    while True:
        page = await directory.page(order=order, after=after, limit=50)
        rows += page.rows
        if page.following is None:
            break
        after = page.following
    key = {
        "standing": lambda row: (STANDINGS.index(row.standing), row.did),
        "recent": lambda row: (-row.newest_hour, row.did),
        "volume": lambda row: (-row.sent, row.did),
        "did": lambda row: row.did,
    }[order]
    assert [row.did for row in rows] == [row.did for row in sorted(rows, key=key)]
    assert {row.did for row in rows} == fold.subjects.keys()
    assert len(rows) == 333


async def test_a_row_says_what_get_standing_says() -> None:
    fold = judge(200)
    page = await Directory(fold, Clock()).page(limit=500)
    for row in page.rows:
        public = standing(fold, row.did, NOON).public
        assert (row.standing, list(row.labels)) == (public["standing"], [label["val"] for label in public["labels"]])
    assert page.totals == Counter(row.standing for row in page.rows)
    assert page.following is None


async def test_a_search_finds_did_and_domain_in_any_case() -> None:
    directory = Directory(judge(300), Clock())
    assert [row.did for row in (await directory.page(text="PLC:000042")).rows] == ["did:plc:000042"]
    found = await directory.page(text="Shop7.", limit=100)
    assert found.rows
    assert all("shop7.example" in row.domains for row in found.rows)
    some = await directory.page(text="shop7.", standing="suspended")
    assert {row.standing for row in some.rows} <= {"suspended"}
    assert some.totals == found.totals  # of everything that matches, whatever is chosen
    assert (await directory.page(text="nobody")).rows == []


async def test_totals_are_counted_and_given_out_again_for_a_while() -> None:
    fold = judge(100)
    directory = Directory(fold, Clock())
    totals = await directory.totals()
    assert totals.dids == sum(totals.standings.values()) == 100
    assert totals.labels["mail-removed"] > 0
    fold.subjects["did:plc:new"] = Subject()
    assert await directory.totals() is totals


async def test_who_looks_over_everybody_holds_nobody_up() -> None:
    directory, loop = Directory(judge(30_000), Clock()), asyncio.get_running_loop()
    gc.collect()
    gc.freeze()  # what was made for the test is not looked over while it runs
    held = []
    for _ in range(5):  # the machine has other things to do as well
        longest, before = 0.0, loop.time()
        looking = asyncio.create_task(directory.page(text="example", order="volume"))
        while not looking.done():
            await asyncio.sleep(0)
            longest, before = max(longest, loop.time() - before), loop.time()
        assert len((await looking).rows) == 50
        held.append(longest)
    gc.unfreeze()
    assert min(held) < 0.05


async def test_who_comes_and_goes_meanwhile_is_no_matter() -> None:
    fold = judge(20_000)
    looking = asyncio.create_task(Directory(fold, Clock()).page())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fold.subjects["did:plc:late"] = Subject()
    del fold.subjects["did:plc:000001"]
    assert isinstance((await looking).rows[0], Row)
