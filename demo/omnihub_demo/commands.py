"""`omnihub demo`: look at, and end, a demo that was left running."""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from omnihub_connectors.tryton.server import TrytonServer
from rich.console import Console
from rich.table import Table

from omnihub_demo import hub as hubs
from omnihub_demo import kept
from omnihub_demo import shop as shops
from omnihub_demo.dealing import deal
from omnihub_demo.erp import Erp
from omnihub_demo.folders import DEFAULT_ROOT, Folders
from omnihub_demo.ledger import Ledger, judge
from omnihub_demo.log import open_log
from omnihub_demo.plan import build
from omnihub_demo.play import Owner, Play
from omnihub_demo.process import DemoError
from omnihub_demo.readback import Systems, read_back
from omnihub_demo.verdict import Divergence
from omnihub_demo.verify import find_edits

SETTLE_S = 3.0
LOOKS = 4
app = typer.Typer(help="The demo that was left running (make demo KEEP=1).", no_args_is_help=True)
FolderOption = Annotated[Path, typer.Option("--folder", help="Where the demo keeps its things.")]


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    folder: FolderOption = DEFAULT_ROOT,
) -> None:
    """Read every system again and tell what differs; exit 1 if anything does."""
    try:
        found = asyncio.run(_verify(Folders(folder.absolute())))
    except DemoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        rows = [asdict(each) for each in found]
        typer.echo(json.dumps({"divergent_entities": len(rows), "divergences": rows}, indent=2))
    else:
        _show(found)
    raise typer.Exit(1 if found else 0)


@app.command()
def stop(folder: FolderOption = DEFAULT_ROOT) -> None:
    """End everything that was left running."""
    stopped = kept.stop(Folders(folder.absolute()))
    typer.echo("Stopped." if stopped else "No demo is running.", err=True)


async def _verify(folders: Folders) -> list[Divergence]:
    """Return what differs twice in a row: what is under way is no divergence."""
    state = kept.read(folders)
    play, _ = deal(build(state.week, state.seed, state.now_us), state.now_us)
    ledger = judge(play)
    systems = _connect(state, folders, play)
    found = await _look(systems, play, ledger)
    for _ in range(LOOKS):
        if not found:
            break
        await asyncio.sleep(SETTLE_S)
        before, found = found, await _look(systems, play, ledger)
        if found == before:
            break
    await systems.erp.close()
    return found


async def _look(systems: Systems, play: Play, ledger: Ledger) -> list[Divergence]:
    safety = {place.location: place.safety_milli for place in play.owned_by(Owner.ERP)}
    return list(find_edits(await read_back(systems), ledger, safety))


def _connect(state: kept.Kept, folders: Folders, play: Play) -> Systems:
    hub_process = kept.hub_process(state, folders)
    if not hub_process.is_alive():
        raise DemoError("The kept demo does not run any more. Start one: make demo KEEP=1")
    _, reader = open_log(folders, dict(os.environ))
    return Systems(
        folders=folders,
        hub=hubs.connect(folders, state.hub_url, hub_process),
        erp=Erp(TrytonServer(folders.tryton), play.owned_by(Owner.ERP)),
        shop=shops.connect(folders, state.shop_url, kept.shop_process(state)),
        reader=reader,
    )


def _show(found: list[Divergence]) -> None:
    console = Console()
    if not found:
        console.print("[green]Every system shows what it should.[/]")
        return
    table = Table(title=f"{len(found)} entities differ", header_style="bold")
    for column in ("system", "sku", "location", "expected", "seen"):
        table.add_column(column)
    for each in found:
        table.add_row(
            each.system,
            each.sku,
            each.location,
            _units(each.expected_milli),
            _units(each.seen_milli),
        )
    console.print(table)


def _units(milli: int | None) -> str:
    return "absent" if milli is None else f"{milli / 1000:g}"
