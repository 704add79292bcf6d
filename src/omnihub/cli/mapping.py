"""`omnihub map`: which code of which system stands for what."""

import asyncio
import csv
import getpass
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import print_json, print_rows, stderr
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId
from omnihub.model.records import CrossReference, ParkedRecord
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of, reader_of

XREF_TOPIC = "omni.xref.v1"
HOSPITAL_TOPIC = "omni.hospital.state.v1"
COLUMNS = ("instance", "kind", "code", "canonical")
_BATCH = 500
app = typer.Typer(help="Cross-references between systems' codes and ours.", no_args_is_help=True)
Instance = Annotated[str, typer.Argument(help="Instance name.")]
Row = tuple[str, str, str, str]


@app.command("list")
def list_(
    context: typer.Context,
    instance: Annotated[str | None, typer.Option("--instance", help="Only this one.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List cross-references."""
    found = asyncio.run(_newest(options_of(context).installation(), XREF_TOPIC))
    rows = [
        {name: getattr(record, name) for name in (*COLUMNS, "set_by")}
        for record in found
        if isinstance(record, CrossReference)
        and instance in (None, record.instance)
        and kind in (None, record.kind)
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, (*COLUMNS, "set_by"), "No cross-references.")


@app.command("set")
def set_(
    context: typer.Context,
    instance: Instance,
    kind: Annotated[str, typer.Argument(help="sku, location, ...")],
    code: Annotated[str, typer.Argument(help="The system's own code.")],
    canonical: Annotated[str, typer.Argument(help="What it stands for here.")],
) -> None:
    """Set one code; records that were parked for want of it go on by themselves."""
    install = options_of(context).installation()
    asyncio.run(_write(install, [(instance, kind, code, canonical)]))
    stderr().print(f"{instance} {kind} '{code}' is {canonical}.")


@app.command("import")
def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="CSV with a header: instance,kind,code,canonical.")],
) -> None:
    """Set many codes from a CSV file."""
    rows = _read(path)
    asyncio.run(_write(options_of(context).installation(), rows))
    stderr().print(f"{len(rows)} cross-references set.")


@app.command()
def missing(context: typer.Context, as_json: JsonOption = False) -> None:
    """List codes that records wait for, with the command that sets each."""
    parked = asyncio.run(_newest(options_of(context).installation(), HOSPITAL_TOPIC))
    waiting: dict[str, int] = {}
    for record in parked:
        if isinstance(record, ParkedRecord) and record.error_class == "Unmapped":
            waiting[record.cure] = waiting.get(record.cure, 0) + 1
    rows = [{"records": count, "set it with": cure} for cure, count in sorted(waiting.items())]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("records", "set it with"), "No code is missing.")


def _read(path: Path) -> list[Row]:
    """Return the rows of a CSV file; every fault with its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigurationError(
                    f"{path} line 1 is '{','.join(reader.fieldnames or ())}'. "
                    f"Write the header {','.join(COLUMNS)}."
                )
            rows = [tuple((row[name] or "").strip() for name in COLUMNS) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Mend the file.") from error
    for line, row in enumerate(rows, start=2):
        if not all(row):
            raise ConfigurationError(f"{path} line {line} has an empty field. Fill all four.")
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def _write(install: Installation, rows: Sequence[Row]) -> None:
    for name in {row[0] for row in rows}:
        install.instance(name)
    records = [
        CrossReference(
            tenant=install.tenant,
            instance=InstanceId(instance),
            kind=kind,
            code=code,
            canonical=canonical,
            set_by=getpass.getuser(),
            set_at_us=time.time_ns() // 1000,
        )
        for instance, kind, code, canonical in rows
    ]
    starts = range(0, len(records), _BATCH)
    is_long = len(records) > _BATCH and sys.stderr.isatty()
    async with appender_of(install, codec_of(install)) as appender:
        for start in track(
            starts, "Writing", console=stderr(), transient=True, disable=not is_long
        ):
            await appender.append_many(XREF_TOPIC, records[start : start + _BATCH])


async def _newest(install: Installation, topic: str) -> list[object]:
    reader = reader_of(install, codec_of(install))
    newest = {entry.key: entry.record for entry in await reader.read_all([topic])}
    return [newest[key] for key in sorted(newest) if newest[key] is not None]
