"""Deciding: who may, on which revision, and that nothing is half done."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.console.conftest import ALICE, Office, Seat, text_of

if TYPE_CHECKING:
    from tests.conftest import Running


async def labels_of(running: "Running", did: str = ALICE) -> list[str]:
    answer = await running.client.get("/xrpc/email.atmos.reputation.getStanding", params={"did": did})
    return [label["val"] for label in answer.json()["labels"]]


async def revision_of(seat: Seat, number: int) -> str:
    found = re.search(r'name="revision" value="(\d+)"', await seat.see(f"/console/cases/{number}"))
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("token", "path", "fields", "role"),
    [
        ("triage", f"/console/dids/{ALICE}/label", {"act": "apply", "val": "mail-throttled"}, "moderator"),
        ("triage", f"/console/dids/{ALICE}/question", {}, "moderator"),
        ("triage", "/console/cases/1/resolve", {"resolution": "lift", "revision": "0"}, "moderator"),
        ("triage", "/console/cases/1/reopen", {"revision": "0"}, "moderator"),
        ("moderator", "/console/automation", {"mode": "pause"}, "admin"),
        ("moderator", f"/console/dids/{ALICE}/label", {"act": "apply", "val": "mail-removed"}, "admin"),
        (
            "moderator",
            "/console/cases/1/resolve",
            {"resolution": "override", "revision": "0", "hourly_cap": "5"},
            "admin",
        ),
    ],
)
async def test_a_role_too_low_is_told_which_is_needed(
    office: Office, token: str, path: str, fields: dict[str, str], role: str
) -> None:
    await office.running.label(ALICE, "mail-suspended")
    seat = await office.sit(token)
    answer = await seat.send(path, comment="my reasons", **fields)
    assert answer.status_code == 403
    assert f"role {role}" in text_of(answer.text)
    if "dids" in path or "cases" in path:
        assert answer.text.count("my reasons") >= (1 if token != "triage" else 0)
    assert await labels_of(office.running) == ["mail-suspended"]


async def test_a_label_is_set_and_taken_back_with_its_reason(office: Office) -> None:
    seat = await office.sit("moderator")
    path = f"/console/dids/{ALICE}"
    answer = await seat.send(path + "/label", act="apply", val="mail-throttled", hours="5", comment="a list was bought")
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    page = text_of(await seat.see(path))
    assert "Done: mail-throttled." in page
    assert page.count("a list was bought") >= 2  # beside the label, and in the time line
    assert "Done: mail-throttled." not in text_of(await seat.see(path))  # said once
    assert await labels_of(office.running) == ["mail-throttled"]
    assert (await seat.send(path + "/label", act="negate", val="mail-throttled")).status_code == 303
    assert await labels_of(office.running) == []
    assert "mail-throttled taken back" in text_of(await seat.see(path))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"act": "apply", "val": "spam"}, "spam"),
        ({"act": "apply", "val": "!takedown"}, ""),
        ({"act": "apply"}, "val is missing"),
        ({"act": "bless", "val": "mail-throttled"}, "act must be"),
        ({"act": "apply", "val": "mail-throttled", "hours": "-5"}, "hours must be"),
        ({"act": "apply", "val": "mail-throttled", "hours": "1e3"}, "hours must be"),
        ({"act": "apply", "val": "mail-throttled", "hours": "99999999"}, "hours must be"),
    ],
)
async def test_a_label_that_cannot_be_is_refused_and_the_text_stays(
    office: Office, fields: dict[str, str], told: str
) -> None:
    seat = await office.sit("admin")
    answer = await seat.send(f"/console/dids/{ALICE}/label", comment="long thoughts", **fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert told in text_of(answer.text)
    assert "long thoughts" in answer.text
    assert await labels_of(office.running) == []


async def test_what_changes_nothing_is_said_to_change_nothing(office: Office) -> None:
    seat = await office.sit("moderator")
    path = f"/console/dids/{ALICE}"
    refused = await seat.send(path + "/label", act="negate", val="mail-throttled")
    assert refused.status_code == 400
    assert "Not active on this account" in text_of(refused.text)
    for told in ("Done: mail-throttled.", "Nothing has changed: mail-throttled is in force as it is."):
        assert (await seat.send(path + "/label", act="apply", val="mail-throttled")).status_code == 303
        assert told in text_of(await seat.see(path))


async def test_a_removal_takes_two(office: Office) -> None:
    first, second = await office.sit("admin"), await office.sit("other-admin")
    removal = {"act": "apply", "val": "mail-removed", "comment": "third takeover"}
    assert (await first.send(f"/console/dids/{ALICE}/label", **removal)).status_code == 303
    assert "another admin must confirm" in text_of(await first.see("/console"))
    assert await labels_of(office.running) == []
    again = await first.send(f"/console/dids/{ALICE}/label", **removal)
    assert again.status_code == 403
    assert "Another admin must confirm" in text_of(again.text)
    assert (await second.send(f"/console/dids/{ALICE}/label", **removal)).status_code == 303
    assert await labels_of(office.running) == ["mail-removed"]


async def test_a_case_is_claimed_commented_decided_and_reopened(office: Office) -> None:
    await office.running.label(ALICE, "mail-suspended")
    seat = await office.sit("moderator")
    assert "1: Suspension" in text_of(await seat.see("/console/cases"))
    for act, fields in (("claim", {}), ("comment", {"comment": "asked the relay"}), ("release", {})):
        answer = await seat.send(f"/console/cases/1/{act}", revision=await revision_of(seat, 1), **fields)
        assert answer.status_code == 303, text_of(answer.text)
    page = text_of(await seat.see("/console/cases/1"))
    assert "asked the relay" in page
    decided = await seat.send(
        "/console/cases/1/resolve", revision=await revision_of(seat, 1), resolution="lift", comment="a mistake"
    )
    assert (decided.status_code, decided.headers["Location"]) == (303, "/console/cases/1")
    assert await labels_of(office.running) == []
    page = text_of(await seat.see("/console/cases/1"))
    assert "Case 1 is closed: lift" in page
    assert "closed" in page
    assert "1: Suspension" not in text_of(await seat.see("/console/cases"))
    assert "1: Suspension" in text_of(await seat.see("/console/cases?state=closed"))
    assert (
        await seat.send("/console/cases/1/reopen", revision=await revision_of(seat, 1), comment="too soon")
    ).status_code == 303
    assert "1: Suspension" in text_of(await seat.see("/console/cases"))


async def test_of_two_who_decide_at_once_one_is_told_what_the_other_did(office: Office) -> None:
    await office.running.label(ALICE, "mail-suspended")
    first, second = await office.sit("moderator"), await office.sit("admin")
    seen = await revision_of(first, 1)
    assert await revision_of(second, 1) == seen
    quick = await first.send("/console/cases/1/resolve", revision=seen, resolution="uphold", comment="it was <them>")
    assert quick.status_code == 303
    late = await second.send(
        "/console/cases/1/resolve", revision=seen, resolution="lift", comment="I had another view", hours="5"
    )
    assert late.status_code == 409
    page = text_of(late.text)
    assert "did:plc:moderator" in page
    assert "uphold" in page
    assert "it was <them>" in page
    assert "I had another view" in page
    assert await labels_of(office.running) == ["mail-suspended"]


async def test_a_stale_form_is_told_what_changed_and_loses_nothing(office: Office) -> None:
    await office.running.label(ALICE, "mail-suspended")
    first, second = await office.sit("moderator"), await office.sit("admin")
    seen = await revision_of(second, 1)
    await first.send("/console/cases/1/comment", revision=seen, comment="they called, it was a stolen key")
    late = await second.send(
        "/console/cases/1/resolve",
        revision=seen,
        resolution="shorten",
        hours="12",
        comment="half a day is enough",
        exempt="complaints",
    )
    assert late.status_code == 409
    page = late.text
    assert "What was done since you looked" in page
    assert "they called, it was a stolen key" in text_of(page)
    assert "half a day is enough</textarea>" in page
    assert re.search(r'value="shorten"[^>]* checked', page)
    assert re.search(r'name="hours"[^>]*value="12"', page)
    assert re.search(r'value="complaints" checked', page)
    assert await labels_of(office.running) == ["mail-suspended"]
    fresh = re.search(r'name="revision" value="(\d+)"', page)
    assert fresh is not None
    again = await second.send(
        "/console/cases/1/resolve", revision=fresh[1], resolution="shorten", hours="12", comment="half a day"
    )
    assert again.status_code == 303


@pytest.mark.parametrize(
    ("act", "fields", "status"),
    [
        ("resolve", {"resolution": "lift"}, 400),
        ("resolve", {"resolution": "forget", "revision": "0"}, 400),
        ("resolve", {"revision": "0"}, 400),
        ("resolve", {"resolution": "shorten", "revision": "0"}, 400),
        ("comment", {"revision": "0"}, 400),
        ("claim", {"revision": "x"}, 400),
        ("claim", {"revision": "7"}, 409),
        ("reopen", {"revision": "0"}, 409),
        ("destroy", {"revision": "0"}, 404),
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing(
    office: Office, act: str, fields: dict[str, str], status: int
) -> None:
    await office.running.label(ALICE, "mail-suspended")
    seat = await office.sit("admin")
    answer = await seat.send(f"/console/cases/1/{act}", **fields)
    assert answer.status_code == status, text_of(answer.text)
    assert await labels_of(office.running) == ["mail-suspended"]
    assert await revision_of(seat, 1) == "0"


async def test_an_override_is_granted_with_the_case(office: Office) -> None:
    await office.running.label(ALICE, "mail-suspended")
    seat = await office.sit("admin")
    answer = await seat.send(
        "/console/cases/1/resolve",
        revision="0",
        resolution="override",
        exempt=["complaints", "daily-volume"],
        hourly_cap="7",
        daily_cap="70",
    )
    assert answer.status_code == 303, text_of(answer.text)
    page = text_of(await seat.see(f"/console/dids/{ALICE}"))
    assert "exempt from complaints, daily-volume, 7 an hour, 70 a day" in page


async def test_the_rules_can_be_told_to_rest_and_to_go_on(office: Office) -> None:
    seat = await office.sit("admin")
    for mode in ("pause", "shadow", "enforce"):
        assert (await seat.send("/console/automation", mode=mode, comment="testing")).status_code == 303
        page = text_of(await seat.see("/console/audit"))
        assert f"automation: {mode}" in page
        assert (f"Automation: {mode} ." in page) == (mode != "enforce")
    bad = await seat.send("/console/automation", mode="off", comment="why not")
    assert bad.status_code == 400
    assert "why not" in bad.text


async def test_what_is_decided_in_the_console_stands_in_the_audit(office: Office) -> None:
    seat = await office.sit("moderator")
    await seat.send(f"/console/dids/{ALICE}/label", act="apply", val="mail-suspended", comment="phishing")
    page = text_of(await seat.see(f"/console/audit?about={ALICE}"))
    assert "label · apply mail-suspended" in page
    assert "phishing" in page
    assert page.count("did:plc:moderator") >= 2
