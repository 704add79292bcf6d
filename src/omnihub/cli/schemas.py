"""`omnihub schemas`: the contract."""

from pathlib import Path

import typer

from omnihub.cli.output import Exit, stderr

app = typer.Typer(help="Schemas and generated records.", no_args_is_help=True)


@app.command()
def check() -> None:
    """Fail on drift between schemas and records, and on an incompatible change."""
    from omnihub.contracts.check import check_contract

    faults = check_contract()
    for fault in faults:
        stderr().print(f"[bold red]error:[/] {fault}")
    if faults:
        raise typer.Exit(Exit.FAILED)
    stderr().print("Schemas, records and released versions agree.")


@app.command()
def generate() -> None:
    """Write the records that follow from the schemas (source checkout only)."""
    import omnihub.model.records
    from omnihub.contracts.generate import generate as generated

    path = Path(str(omnihub.model.records.__file__))
    path.write_text(generated(), encoding="utf-8")
    stderr().print(f"Wrote {path}.")


@app.command()
def release(
    version: str = typer.Argument(help="Of the release that writes them, such as 1.2.0."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only tell what would be written."),
) -> None:
    """Keep today's schemas as those of a release (source checkout only).

    Until the release after it, records are written under them where they can hold them: a step of
    cutting a release, see docs/upgrade.md.
    """
    from omnihub.contracts.avsc import schemas_dir
    from omnihub.contracts.released import keep_release

    kept = keep_release(schemas_dir(), version, is_dry_run=dry_run)
    act = "Would keep" if dry_run else "Kept"
    stderr().print(
        f"{act} {kept.files} schemas in {kept.folder}; {kept.changed} are new or changed."
    )
