"""com.atproto.label.queryLabels."""

from typing import Any

import httpx

from conformance.checks import Failed, check, expect
from conformance.trial import QUERY, Trial
from conformance.wire import FIELDS, REQUIRED, from_json, verified

MAX_PAGES = 40


def refused(answer: httpx.Response, what: str) -> None:
    """Expect 400 InvalidRequest in the error envelope."""
    expect(answer.status_code == 400, f"{what}: answered {answer.status_code}, not 400")
    body = answer.json()
    expect(body.get("error") == "InvalidRequest", f"{what}: the error is called {body.get('error')!r}")


def subjects(labels: list[dict[str, Any]]) -> list[str]:
    """Whom the labels are about."""
    return [label["uri"] for label in labels]


@check(89, 101, 113)
async def nothing_found(trial: Trial) -> None:
    """A pattern that matches nothing is answered with an empty list."""
    answer = await trial.query(trial.subject("nobody.example"))
    expect(answer.status_code == 200, f"answered {answer.status_code}")
    expect(answer.json().get("labels") == [], f"answered {answer.text[:200]}")


@check(90)
async def missing_patterns(trial: Trial) -> None:
    """uriPatterns is required."""
    refused(await trial.http.get(f"/xrpc/{QUERY}"), "no uriPatterns")


@check(93)
async def star_inside(trial: Trial) -> None:
    """A star anywhere but at the end is refused."""
    refused(await trial.query("did:web:a*b"), "a star in the middle")


@check(94)
async def exact(trial: Trial) -> None:
    """A pattern without a star matches that subject only."""
    await trial.specimens()
    found = subjects(await trial.labels(trial.subject("pre")))
    expect(found == [trial.subject("pre")], f"found {found}")


@check(94, 95)
async def upper_and_lower_case(trial: Trial) -> None:
    """Matching is case-sensitive, exactly and by prefix."""
    await trial.specimens()
    for pattern in ("case.example", "ca*"):
        found = subjects(await trial.labels(trial.subject(pattern)))
        expect(not found, f"{trial.subject(pattern)} matched {found}")
    expect(await trial.labels(trial.subject("CaS*")), "the right case was not found")


@check(95)
async def underscore(trial: Trial) -> None:
    """An underscore is a letter like others: it is found, and stands for nothing else."""
    await trial.specimens()
    subject = trial.subject("under_score.example")
    for pattern in (subject, trial.subject("under_*")):
        found = subjects(await trial.labels(pattern))
        expect(found == [subject], f"{pattern} found {found}")


@check(95)
async def percent_sign(trial: Trial) -> None:
    """A percent sign is a letter like others."""
    await trial.specimens()
    subject = trial.subject("port.example%3A8080")
    for pattern in (subject, trial.subject("port.example%*")):
        found = subjects(await trial.labels(pattern))
        expect(found == [subject], f"{pattern} found {found}")


@check(91, 96)
async def prefix(trial: Trial) -> None:
    """A star matches every subject that begins so, the one without more included."""
    await trial.specimens()
    found = set(subjects(await trial.labels(trial.subject("pre*"))))
    wanted = {trial.subject("pre"), trial.subject("prefix")}
    expect(found == wanted, f"found {sorted(found)}")


@check(90, 92)
async def several_patterns(trial: Trial) -> None:
    """Patterns add up."""
    await trial.specimens()
    wanted = [trial.subject("one.example"), trial.subject("four.example")]
    found = subjects(await trial.labels(*wanted))
    expect(found == wanted, f"found {found}")


@check(97)
async def sources(trial: Trial) -> None:
    """Labels come from the sources asked for; a source that is no DID is refused."""
    await trial.specimens()
    subject = trial.subject("one.example")
    (label,) = await trial.labels(subject)
    own = (await trial.query(subject, sources=label["src"])).json()["labels"]
    expect(len(own) == 1, "not found when its own source was asked for")
    others = (await trial.query(subject, sources="did:plc:somebodyelse")).json()["labels"]
    expect(not others, "found under a source it does not have")
    refused(await trial.query(subject, sources="nobody"), "a source that is no DID")


@check(98)
async def limit(trial: Trial) -> None:
    """The limit is an integer from 1 to 250."""
    answer = await trial.query("*", limit="250")
    expect(answer.status_code == 200, f"250 was answered with {answer.status_code}")
    for value in ("0", "251", "-1", "abc", "1.5", "1e2", "0x10"):
        refused(await trial.query("*", limit=value), f"limit={value}")


@check(99)
async def malformed_cursor(trial: Trial) -> None:
    """A cursor that the labeler never gave is refused."""
    for value in ("nonsense", "2abc"):
        refused(await trial.query("*", cursor=value), f"cursor={value}")


async def pages(trial: Trial, pattern: str, size: int) -> tuple[list[dict[str, Any]], bool]:
    """Follow the cursor; whether it came to an end by itself is the second value."""
    found: list[dict[str, Any]] = []
    params: dict[str, str | list[str]] = {"limit": str(size)}
    for _ in range(MAX_PAGES):
        page = (await trial.query(pattern, **params)).json()
        expect(len(page["labels"]) <= size, f"a page of {len(page['labels'])} where {size} was the limit")
        found += page["labels"]
        if "cursor" not in page:
            return found, True
        if not page["labels"]:
            return found, False
        params["cursor"] = page["cursor"]
    return found, False


@check(102, 105)
async def pages_add_up(trial: Trial) -> None:
    """Page by page the answer is the same labels in the same order."""
    await trial.specimens()
    pattern = trial.subject("*")
    found, _ = await pages(trial, pattern, 3)
    expect(found == await trial.labels(pattern), "the pages differ from the whole")
    again, _ = await pages(trial, pattern, 3)
    expect(found == again, "a second reading differs from the first")


@check(102, 103, 104)
async def end_of_list(trial: Trial) -> None:
    """The end is a page without a cursor."""
    await trial.specimens()
    pattern = trial.subject("*")
    _, ended = await pages(trial, pattern, 3)
    if not ended:
        last = (await trial.query(trial.subject("nobody.example"))).json().get("cursor")
        raise Failed(f"an empty page still carries a cursor ({last!r}): a reader starts over, for ever")


@check(106, 108)
async def taken_back(trial: Trial) -> None:
    """Of a label taken back the negation is left, and not the label."""
    await trial.specimens()
    found = await trial.labels(trial.subject("two.example"))
    expect([label.get("neg") for label in found] == [True], f"{len(found)} rows: neg {[_.get('neg') for _ in found]}")


@check(64, 68, 108)
async def superseded(trial: Trial) -> None:
    """Of a label applied, taken back and applied again, only the newest row is answered."""
    await trial.specimens()
    found = await trial.labels(trial.subject("three.example"))
    expect(len(found) == 1, f"{len(found)} rows for one subject and value")
    expect(not found[0].get("neg"), "the row left is the negation")


@check(72, 108)
async def expired(trial: Trial) -> None:
    """An expired label is not answered."""
    subject = trial.subject("expired.example")
    await trial.issuer.expire(subject)
    found = await trial.labels(subject)
    expect(not found, f"an expired label is answered (exp {[label.get('exp') for label in found]})")


@check(1, 27, 28, 29, 110)
async def fields(trial: Trial) -> None:
    """A label has the protocol's fields, all it must have, none that is null, and no others."""
    await trial.specimens()
    for label in await trial.labels(trial.subject("*")):
        extra, missing = set(label) - FIELDS, REQUIRED - set(label)
        expect(not extra, f"extra fields: {sorted(extra)}")
        expect(not missing, f"missing fields: {sorted(missing)}")
        expect(None not in label.values(), "a field is null")
        expect(label["ver"] == 1 and label["ver"] is not True, f"ver is {label['ver']!r}")


@check(24, 55)
async def neg_false(trial: Trial) -> None:
    """A label that takes nothing back has no `neg`."""
    await trial.specimens()
    found = await trial.labels(trial.subject("one.example"))
    expect(found and "neg" not in found[0], f"neg is {found[0].get('neg')!r}" if found else "not found")


@check(43, 44, 45, 56, 109)
async def signatures_as_received(trial: Trial) -> None:
    """Every label verifies over the fields received."""
    key = trial.known_key()
    await trial.specimens()
    found = await trial.labels(trial.subject("*"))
    for label in found:
        expect(verified(from_json(label), key), f"the signature on {label['uri']} does not verify")
    tampered = {**from_json(found[0]), "val": f"{found[0]['val']}x"}
    expect(not verified(tampered, key), "a label changed afterwards verifies too")


@check(55, 56, 57)
async def signatures_without_neg_false(trial: Trial) -> None:
    """Every label verifies also for a reader that leaves out `neg: false`."""
    key = trial.known_key()
    await trial.specimens()
    found = await trial.labels(trial.subject("*"))
    bad = [label for label in found if not verified(from_json(label), key, without_neg_false=True)]
    expect(not bad, f"{len(bad)} of {len(found)} signatures do not verify")


@check(59, 60)
async def unpadded_base64(trial: Trial) -> None:
    """Bytes in JSON are standard base64 without padding."""
    await trial.specimens()
    for label in await trial.labels(trial.subject("*")):
        expect("=" not in label["sig"]["$bytes"], f"sig is {label['sig']}")
        expect(len(from_json(label)["sig"]) == 64, "sig is not 64 bytes long")


@check(116)
async def head(trial: Trial) -> None:
    """HEAD is answered like GET, without the body."""
    answer = await trial.http.head(f"/xrpc/{QUERY}", params={"uriPatterns": trial.subject("nobody.example")})
    expect(answer.status_code == 200, f"answered {answer.status_code}")
    expect(not answer.content, "there is a body")
