"""`omnihub topics`: what is in the log."""

import asyncio
from typing import Annotated, Any

import typer

from omnihub.broker.ports import Entry
from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import moment, print_json, print_json_line, print_rows, stdout
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import admin_of, codec_of, reader_of

app = typer.Typer(help="Topics of the log.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List topics with partitions, retention and how much was written."""
    install = options_of(context).installation()
    admin = admin_of(install)
    found = admin.describe(name for name in admin.names() if name.startswith("omni."))
    rows = [
        {
            "topic": topic.name,
            "partitions": topic.partitions,
            "cleanup": topic.cleanup,
            "written": sum(topic.ends),
        }
        for topic in found
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("topic", "partitions", "cleanup", "written"), "No topics yet.")


@app.command()
def tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="Topic name.")],
    decode: Annotated[bool, typer.Option("--decode", help="Show the records' fields.")] = False,
    last: Annotated[int, typer.Option("--last", min=0, help="Show so many, newest last.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the newest records of a topic."""
    install = options_of(context).installation()
    asyncio.run(_tail(install, topic, last, follow, _Printer(decode, as_json)))


async def _tail(
    install: Installation, topic: str, last: int, follow: bool, show: "_Printer"
) -> None:
    install.topics.spec(topic)
    reader = reader_of(install, codec_of(install))
    kept: list[Entry] = []
    caught_up = False
    # Compaction and transaction markers leave holes, so counting back from the end is not enough.
    async for entries in reader.follow([topic]):
        if caught_up:
            show(entries)
        elif entries:
            kept = [*kept, *entries][-last:] if last else []
        else:
            show(sorted(kept, key=lambda entry: entry.timestamp_ms))
            caught_up = True
            if not follow:
                return


class _Printer:
    def __init__(self, decode: bool, as_json: bool) -> None:
        self._decode = decode
        self._as_json = as_json

    def __call__(self, entries: list[Entry]) -> None:
        for entry in entries:
            if self._as_json:
                print_json_line(self._row(entry))
            else:
                self._print(entry)

    def _row(self, entry: Entry) -> dict[str, Any]:
        row = {
            "partition": entry.at.partition,
            "offset": entry.at.offset,
            "timestamp_ms": entry.timestamp_ms,
            "key": entry.key,
            "type": type(entry.record).__name__ if entry.record else None,
        }
        return {**row, "record": entry.record} if self._decode else row

    def _print(self, entry: Entry) -> None:
        kind = type(entry.record).__name__ if entry.record else "(removed)"
        place = f"{entry.at.partition}/{entry.at.offset}"
        text = str(entry.record) if self._decode and entry.record else kind
        line = f"{place:>10}  {moment(entry.timestamp_ms * 1000)}  {entry.key}  {text}"
        stdout().print(line, markup=False, highlight=False)
