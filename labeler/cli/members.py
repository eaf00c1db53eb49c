"""`labeler members`."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import reach
from labeler.cli.console import show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.service.operator.casework import LIST_STANDINGS
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

PAGE = 100  # the most that listStandings answers at once


@app.command(epilog="Example: labeler members --standing suspended --sort invalid --limit 20")
def members(
    part: Annotated[
        str | None, typer.Argument(metavar="PART", help="Only those whose DID or domain contains this.")
    ] = None,
    standing: Annotated[str | None, typer.Option(help="Only those in this state, such as throttled.")] = None,
    sort: Annotated[str, typer.Option(help="did, accepted, recent, invalid, complaints, standing or cases.")] = "did",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the members known: where each stands, how much it sends, and what the rules on rates measure.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    wanted = {"q": part, "standing": standing, "sort": sort}
    params = [(name, value) for name, value in wanted.items() if value is not None]
    rows = asyncio.run(_list(load_settings(config), params, limit))
    if as_json:
        for row in rows:
            show_json(row)
        return
    show_table(
        ("did", "standing", "accepted", "cases", "rates"),
        [
            (
                row["did"],
                row["standing"],
                str(row["accepted"]),
                str(row["openCases"]),
                ", ".join(f"{rate['rule']} {rate['k']}/{rate['n']}" for rate in row["rates"] if rate["k"]) or "–",
            )
            for row in rows
        ],
    )


async def _list(settings: Settings, params: list[tuple[str, str]], limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    async with reach(settings) as labeler:
        while len(rows) < limit:
            asked = [*params, ("limit", str(min(PAGE, limit - len(rows))))]
            page = await labeler.query(LIST_STANDINGS, [*asked, *([("cursor", cursor)] if cursor else [])])
            rows += page["standings"]
            cursor = page.get("cursor")
            if cursor is None:
                break
    return rows
