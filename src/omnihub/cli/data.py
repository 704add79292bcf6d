"""`omnihub data`: the format of the data folder."""

from typing import Annotated

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import print_json, print_rows, stderr
from omnihub.wiring.datafolder import STEPS, mark_of, migrate, pending, release
from omnihub.wiring.up import sole_run

app = typer.Typer(help="The data folder.", no_args_is_help=True)


@app.command()
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Tell which format the folder has, who wrote it, and what it needs."""
    folder = options_of(context).load().settings.data_dir
    mark, steps = mark_of(folder), pending(folder)
    told = {
        "folder": folder,
        "format": mark.format if mark else None,
        "written by": mark.release if mark else None,
        "this release": release(),
        "its format": len(STEPS),
        "to do": [step.title for step in steps],
    }
    if as_json:
        print_json(told)
    else:
        print_rows([told], tuple(told), "")


@app.command("migrate")
def migrate_(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Bring the folder of an older release to this release's format; copy it before."""
    folder = options_of(context).load().settings.data_dir
    with sole_run(folder):
        steps = pending(folder) if dry_run else migrate(folder)
    for step in steps:
        stderr().print(f"{'to do' if dry_run else 'done'}: {step.title}")
    if not steps:
        stderr().print(f"{folder} has this release's format already.")
