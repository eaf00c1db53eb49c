"""`labeler explain`: the evidence behind one label, in words and numbers; without one, where a member stands."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import GET_EVIDENCE, GET_STANDING, Params, reach
from labeler.cli.console import say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.cli.standing import tell_standing
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

Did = Annotated[str | None, typer.Argument(metavar="DID", help="The member.")]
Label = Annotated[str | None, typer.Argument(metavar="VAL", help="One of its labels: the newest of that value.")]
Value = Annotated[str | None, typer.Option("--val", metavar="VAL", help="The same as VAL.")]
Seq = Annotated[int | None, typer.Option(min=1, help="The label at this place of the stream.")]


@app.command(epilog="Example: labeler explain did:plc:… mail-throttled --json > evidence.json")
def explain(
    did: Did = None,
    label: Label = None,
    val: Value = None,
    seq: Seq = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say on which numbers a label was decided: with a label value, or by its seq.

    With a DID alone, say where the member stands. Needs LABELER_TOKEN, an operator's, while the service runs. The JSON
    of a label is what conformance/check_evidence.py holds against the input log.
    """
    if label is not None and val is not None and label != val:
        raise typer.BadParameter(f"names another label than {label}", param_hint="--val")
    asked = _asked(did, label if label is not None else val, seq)
    nsid = GET_STANDING if asked[0][0] == "did" else GET_EVIDENCE
    answer = asyncio.run(_ask(load_settings(config), nsid, asked))
    if as_json:
        show_json(answer)
    elif nsid == GET_STANDING:
        tell_standing(answer)
    else:
        tell_evidence(answer)


def tell_evidence(answer: dict[str, Any]) -> None:
    """Print the record behind a label as people read it."""
    record = answer["evidence"]
    say(f"{record['did']}: {record['val']} ({record['change']}), seq {answer['seq']}, {record['at']}")
    say(f"By {record['actor']}: {record.get('reason', 'no reason given')}.")
    label = answer.get("label")
    if label is None:
        say("A newer label has taken its place.")
    elif "exp" in label:
        say(f"It ends {label['exp']}.")
    for finding in record.get("findings", ()):
        _tell_finding(finding)
    say("")
    say(f"Policy   sha256 {record['policy']}" if "policy" in record else "No policy was in force.")
    say(f"Evidence {answer['evidenceCid']}")


def _tell_finding(finding: dict[str, Any]) -> None:
    say(f"\nRule {finding['rule']} ({finding['severity']}): {finding.get('text', finding['metric'])}.")
    rows = [("counted since", finding.get("since", "–")), ("k", str(finding["k"])), ("n", str(finding["n"]))]
    rows += [("at least", f"{finding['minEvents']} events")] if "minEvents" in finding else []
    rows += [
        ("measured", _ppm(finding["estimatePpm"])),
        ("compared", _ppm(finding["comparedPpm"])),
        ("limit", _ppm(finding["thresholdPpm"])),
    ]
    rows += [(name, shown) for name, shown in _rest(finding)]
    for condition in finding.get("conditions", ()):
        met = "met" if condition["met"] else "not met"
        shown = f"{_ppm(condition['valuePpm'])}, asked {_ppm(condition['leastPpm'])}: {met}"
        rows.append((f"condition {condition['name']}", shown))
    if "eventsRoot" in finding:
        hours = f"hours {finding['firstHour']} to {finding['lastHour']} since the epoch"
        rows += [("events", f"{finding['events']}, {hours}"), ("Merkle root", finding["eventsRoot"])]
    show_table(("", ""), rows)


def _rest(finding: dict[str, Any]) -> list[tuple[str, str]]:
    """What only some rules have."""
    rows = []
    if "confidencePpm" in finding:
        rows.append(("confidence", _ppm(finding["confidencePpm"])))
    if "poolN" in finding:
        rows.append(("everybody else", f"{finding['poolK']} of {finding['poolN']}"))
    if "usualPpm" in finding:
        rows.append(("usual", f"{_ppm(finding['usualPpm'])}, variance {_ppm(finding['variancePpm'])}"))
    if "provider" in finding:
        rows.append(("at", finding["provider"]))
    if "excused" in finding:
        rows.append(("left out", f"{finding['excused']}, the provider was to blame"))
    return rows


def _ppm(parts: int) -> str:
    """Parts per million as a plain number: 76923 is 0.076923, 3000000 is 3."""
    return f"{parts / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _asked(did: str | None, val: str | None, seq: int | None) -> Params:
    if seq is not None:
        if did is not None or val is not None:
            raise typer.BadParameter("names a label by itself; leave DID and VAL out", param_hint="--seq")
        return [("seq", str(seq))]
    if did is None:
        raise typer.BadParameter("name a member, or a label by --seq", param_hint="DID")
    return [("did", did)] if val is None else [("uri", did), ("val", val)]


async def _ask(settings: Settings, nsid: str, params: Params) -> dict[str, Any]:
    async with reach(settings) as labeler:
        return await labeler.query(nsid, params)
