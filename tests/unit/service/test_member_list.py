"""All members at a glance: the same as a slow and simple look, in pages, without holding the loop."""

import asyncio
import gc
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.moderation.cases import CaseBook
from labeler.moderation.roster import STANDINGS, Roster, Wanted
from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.reputation.subject import Subject
from labeler.service.operator.member_list import MemberList

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


def members(fold: Judge) -> MemberList:
    return MemberList(Roster(fold, CaseBook(())), Clock())


@pytest.mark.parametrize("sort", ["standing", "recent", "accepted", "did"])
async def test_the_pages_together_are_everybody_once_in_order(sort: str) -> None:
    fold = judge(333)
    found, rows, after = members(fold), list[dict[str, Any]](), None
    while True:
        page = await found.page(Wanted(sort=sort), after, 50)
        rows += page.rows
        if page.behind is None:
            break
        after = page.behind
    newest = {did: subject.windows.newest_hour for did, subject in fold.subjects.items()}
    key = {
        "standing": lambda row: (STANDINGS.index(row["standing"]), row["did"]),
        "recent": lambda row: (-newest[row["did"]], row["did"]),
        "accepted": lambda row: (-row["accepted"], row["did"]),
        "did": lambda row: row["did"],
    }[sort]
    assert [row["did"] for row in rows] == [row["did"] for row in sorted(rows, key=key)]
    assert {row["did"] for row in rows} == fold.subjects.keys()
    assert len(rows) == 333


async def test_a_row_says_what_get_standing_says() -> None:
    fold = judge(200)
    page = await members(fold).page(Wanted(), limit=500)
    for row in page.rows:
        public = standing(fold, row["did"], NOON).public
        assert (row["standing"], row["labels"]) == (public["standing"], [label["val"] for label in public["labels"]])
    assert page.totals == Counter(row["standing"] for row in page.rows)
    assert page.behind is None


async def test_a_search_finds_did_and_domain_in_any_case() -> None:
    found = members(judge(300))
    assert [row["did"] for row in (await found.page(Wanted("PLC:000042"))).rows] == ["did:plc:000042"]
    shops = await found.page(Wanted("Shop7."), limit=100)
    assert shops.rows
    assert all("shop7.example" in row["domains"] for row in shops.rows)
    some = await found.page(Wanted("shop7.", "suspended"))
    assert {row["standing"] for row in some.rows} <= {"suspended"}
    assert some.totals == shops.totals  # of everything that matches, whatever is chosen
    assert (await found.page(Wanted("nobody"))).rows == []


async def test_totals_are_counted_and_given_out_again_for_a_while() -> None:
    fold = judge(100)
    found = members(fold)
    totals = await found.totals()
    assert totals.members == sum(totals.standings.values()) == 100
    assert totals.labels["mail-removed"] > 0
    fold.subjects["did:plc:new"] = Subject()
    assert await found.totals() is totals


async def test_who_looks_over_everybody_holds_nobody_up() -> None:
    found, loop = members(judge(30_000)), asyncio.get_running_loop()
    gc.collect()
    gc.freeze()  # what was made for the test is not looked over while it runs
    held = []
    for _ in range(5):  # the machine has other things to do as well
        longest, before = 0.0, loop.time()
        looking = asyncio.create_task(found.page(Wanted("example", sort="accepted")))
        while not looking.done():
            await asyncio.sleep(0)
            longest, before = max(longest, loop.time() - before), loop.time()
        assert len((await looking).rows) == 50
        held.append(longest)
    gc.unfreeze()
    assert min(held) < 0.05


async def test_who_comes_and_goes_meanwhile_is_no_matter() -> None:
    fold = judge(20_000)
    looking = asyncio.create_task(members(fold).page(Wanted(sort="standing")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fold.subjects["did:plc:late"] = Subject()
    del fold.subjects["did:plc:000001"]
    assert len((await looking).rows) == 50
