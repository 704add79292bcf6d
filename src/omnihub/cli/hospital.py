"""`omnihub hospital`: what is parked, why, and how to release it."""

import asyncio
import getpass
import time
from typing import Annotated, Any

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr
from omnihub.model.records import ParkedRecord, ReleaseAction, ReleaseParked
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of, reader_of

TOPIC = "omni.hospital.state.v1"
app = typer.Typer(help="Parked records.", no_args_is_help=True)
Task = Annotated[str, typer.Argument(help="Task, as listed.")]
Key = Annotated[str, typer.Argument(help="Park key, as listed.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept with the release.")]


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List what waits, with reason and cure."""
    found = asyncio.run(_parked(options_of(context).installation()))
    if as_json:
        print_json(found)
        return
    rows: list[dict[str, Any]] = [
        {
            "task": record.task,
            "park key": record.park_key,
            "#": record.queue_index,
            "since": moment(record.parked_at_us),
            "error": record.error,
            "cure": record.cure,
        }
        for record in found
    ]
    print_rows(rows, ("task", "park key", "#", "since", "error", "cure"), "Nothing is parked.")


@app.command()
def retry(context: typer.Context, task: Task, park_key: Key, reason: Reason = "retried") -> None:
    """Replay everything parked under a key, in order."""
    _release(context, ReleaseAction.RETRY, task, park_key, reason)


@app.command()
def skip(
    context: typer.Context,
    task: Task,
    park_key: Key,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the release.")],
) -> None:
    """Give up the first record parked under a key; those behind it go on."""
    _release(context, ReleaseAction.SKIP, task, park_key, reason)


def _release(
    context: typer.Context, action: ReleaseAction, task: str, park_key: str, reason: str
) -> None:
    install = options_of(context).installation()
    found = asyncio.run(_ask(install, action, task, park_key, reason))
    if found == 0:
        stderr().print(f"Nothing is parked under {task} {park_key}. See `omnihub hospital list`.")
        raise typer.Exit(Exit.FAILED)
    stderr().print(f"{action.value} was asked for {found} records of {task} {park_key}.")


async def _ask(
    install: Installation, action: ReleaseAction, task: str, park_key: str, reason: str
) -> int:
    parked = [one for one in await _parked(install) if (one.task, one.park_key) == (task, park_key)]
    if not parked:
        return 0
    request = ReleaseParked(
        task=task,
        park_key=park_key,
        action=action,
        requested_by=getpass.getuser(),
        reason=reason,
        requested_at_us=time.time_ns() // 1000,
    )
    async with appender_of(install, codec_of(install)) as appender:
        await appender.append(parked[0].topic, request, partition=parked[0].partition)
    return len(parked)


async def _parked(install: Installation) -> list[ParkedRecord]:
    reader = reader_of(install, codec_of(install))
    newest = {entry.key: entry.record for entry in await reader.read_all([TOPIC])}
    found = [record for record in newest.values() if isinstance(record, ParkedRecord)]
    return sorted(found, key=lambda record: (record.task, record.park_key, record.queue_index))
