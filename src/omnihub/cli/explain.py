"""`omnihub explain`: how a fact came in, what it changed and which systems learned of it."""

import asyncio
import sys
from typing import Annotated

import typer
from rich.progress import Progress

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.given import opener_of
from omnihub.cli.output import Exit, moment, print_json, stderr, stdout
from omnihub.views.chain import Link, Opener, link_of
from omnihub.views.chain import explain as chain_of
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import admin_of, codec_of, reader_of

_LATER_STEPS = "omni.cursor.v1", "omni.xref.v1"


def explain(
    context: typer.Context,
    id: Annotated[
        str,
        typer.Argument(
            help="Any id (event, delivery, order, customer, command, ...), an order's number, a "
            "SKU, or a source's own key."
        ),
    ],
    personal: Annotated[bool, typer.Option("--personal", help="Show what is personal.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most links to show.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Show the causal chain of one thing, from the raw delivery to every effect."""
    install = options_of(context).installation()
    links = asyncio.run(_links(install, opener_of(install) if personal else None))
    chain = chain_of(links, id)
    if not chain:
        stderr().print(f"Nothing in the log names '{id}'. Old records pass with their retention.")
        raise typer.Exit(Exit.FAILED)
    if as_json:
        print_json(chain)
        return
    for link in chain[-limit:]:
        _print(link)
    if len(chain) > limit:
        stderr().print(f"{len(chain) - limit} older links are not shown (--limit).")


def _print(link: Link) -> None:
    told = "  ".join(f"{name}={value}" for name, value in link.told.items())
    line = f"{moment(link.accepted_at_us)}  {link.step:8} {link.type:20} {told}"
    stdout().print(line, markup=False, highlight=False)
    place = f"{link.at.topic}/{link.at.partition}/{link.at.offset}"
    ids = [one for one in link.own if one != place]
    stdout().print(f"{'':26}{place}  {' '.join(ids)}", markup=False, highlight=False, style="dim")


async def _links(install: Installation, opener: Opener | None) -> list[Link]:
    """Read every topic that chains run through, with a progress bar."""
    admin = admin_of(install)
    names = [spec.name for spec in install.topic_specs()]
    read = [name for name in names if ".changelog." not in name and name not in _LATER_STEPS]
    total = sum(sum(topic.ends) for topic in admin.describe(read))
    reader = reader_of(install, codec_of(install))
    links: list[Link] = []
    with Progress(console=stderr(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Reading the log", total=total)
        async for entries in reader.follow(read):
            links += [link for entry in entries if (link := link_of(entry, opener))]
            progress.advance(task, len(entries))
            if not entries:
                return links
    return links
