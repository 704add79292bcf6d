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
