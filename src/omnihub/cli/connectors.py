"""`omnihub connectors`: which there are, whether they work, and running one."""

import asyncio
from typing import Annotated, Any

import typer

from omnihub.cli.backfill import backfill, backfills
from omnihub.cli.context import JsonOption, OpsPort, become_child, options_of
from omnihub.cli.output import Exit, print_json, print_rows, stderr
from omnihub.model.errors import ConfigurationError

app = typer.Typer(help="Connected systems.", no_args_is_help=True)
app.command()(backfill)
app.command()(backfills)
Name = Annotated[str, typer.Argument(help="Instance name in omnihub.yaml.")]


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List installed connector types and configured instances."""
    from omnihub.connect.registry import connector, connector_names

    options = options_of(context)
    try:
        sections = options.load().settings.connectors
    except ConfigurationError as error:
        stderr().print(f"{error}\nShowing installed types only.")
        sections = {}
    rows: list[dict[str, Any]] = []
    for name in connector_names():
        used = [instance for instance, section in sections.items() if section.type == name]
        fields = ", ".join(connector(name).config_type.model_fields)
        rows.append({"type": name, "instances": ", ".join(used), "config": fields})
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("type", "instances", "config"), "No connector is installed.")


@app.command()
def check(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Test credentials, rights and clock of an instance, without side effects."""
    from omnihub.connect.sdk import Health
    from omnihub.wiring.connector import check_connector

    findings = asyncio.run(check_connector(options_of(context).installation().instance(name)))
    rows = [
        {"point": one.point, "health": one.health.value, "detail": one.detail, "cure": one.cure}
        for one in findings
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("point", "health", "detail", "cure"), "The connector checks nothing.")
    if any(one.health is Health.FAILED for one in findings):
        raise typer.Exit(Exit.FAILED)


@app.command()
def run(context: typer.Context, name: Name, ops_port: OpsPort = 0) -> None:
    """Run one instance: poll, write, tend."""
    become_child()
    from omnihub.wiring.connector import run_connector

    run_connector(options_of(context).installation(), name, ops_port)
