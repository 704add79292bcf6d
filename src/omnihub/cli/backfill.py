"""`omnihub connectors backfill` and `backfills`: read streams again, beside what happens now."""

import asyncio
import json
from typing import Annotated, Any

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import moment, print_json, print_rows, stderr
from omnihub.connect.sdk import Offset
from omnihub.model.errors import ConfigurationError
from omnihub.model.records import Backfill
from omnihub.wiring.installation import Installation

Name = Annotated[str, typer.Argument(help="Instance name in omnihub.yaml.")]
StreamName = Annotated[str | None, typer.Argument(help="Stream to read again; all, if not told.")]
From = Annotated[
    str | None,
    typer.Option("--from", help="Where to begin: JSON, in the connector's own words."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be read; ask nothing.")]


def backfill(
    context: typer.Context,
    name: Name,
    stream: StreamName = None,
    start: From = None,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Read streams of an instance again from their beginning; live polls go on beside it."""
    found = asyncio.run(
        _ask(options_of(context).installation(), name, stream, _offset(start), dry_run=dry_run)
    )
    if as_json:
        print_json(found)
        return
    print_rows(found, ("stream", "from", "live poll stands at"), "Nothing to read.")
    told = (
        "Nothing was asked (--dry-run)." if dry_run else "Asked; see omnihub connectors backfills"
    )
    stderr().print(told)


def backfills(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show first loads and backfills with how far they are."""
    found = asyncio.run(_list(options_of(context).installation()))
    if as_json:
        print_json(found)
        return
    rows = [
        {
            "instance": each.instance,
            "stream": each.stream,
            "why": "asked for" if each.is_asked else "listing",
            "deliveries": each.deliveries,
            "begun": moment(each.begun_at_us),
            "finished": moment(each.finished_at_us) if each.finished_at_us else "running",
        }
        for each in found
    ]
    columns = ("instance", "stream", "why", "deliveries", "begun", "finished")
    print_rows(rows, columns, "Nothing was ever read from its beginning.")


def _offset(text: str | None) -> Offset | None:
    if text is None:
        return None
    try:
        offset = json.loads(text)
    except ValueError:
        offset = None
    if not isinstance(offset, dict):
        raise ConfigurationError(
            "--from is no JSON object. Give an offset as the connector writes it, for example "
            '\'{"after": "2026-11-01T00:00:00"}\'.'
        )
    return offset


async def _ask(
    install: Installation,
    name: str,
    stream: str | None,
    start: Offset | None,
    *,
    dry_run: bool,
) -> list[dict[str, Any]]:
    from omnihub.wiring.backfill import ask_backfill, plan_backfill
    from omnihub.wiring.log import appender_of, codec_of, reader_of

    instance, codec = install.instance(name), codec_of(install)
    async with appender_of(install, codec) as appender:
        reader = reader_of(install, codec)
        planned = await plan_backfill(instance, stream, start, reader, appender)
        if not dry_run:
            await ask_backfill(instance, planned, appender)
    return [
        {
            "stream": each.stream,
            "from": "the beginning" if each.start is None else json.dumps(each.start),
            "live poll stands at": "the beginning" if each.live is None else json.dumps(each.live),
        }
        for each in planned
    ]


async def _list(install: Installation) -> list[Backfill]:
    from omnihub.wiring.backfill import backfills_of
    from omnihub.wiring.log import codec_of, reader_of

    return await backfills_of(reader_of(install, codec_of(install)))
