"""`omnihub keys`: who may use the API."""

from typing import Annotated

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import print_json, print_rows, stderr, stdout
from omnihub.ops.keys import KeyRing, Scope

app = typer.Typer(
    help="API keys. A key is shown once; only its hash is kept.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A name of your own.")]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeatable.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once."""
    scopes = scope or [Scope.READ]
    key = _ring(context).add(name, *scopes)
    if as_json:
        print_json({"name": name, "scope": " ".join(scopes), "key": key})
    else:
        stdout().print(key)


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List names and scopes."""
    rows = [{"name": one.name, "scope": one.scope} for one in _ring(context).entries()]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("name", "scope"), "No key yet; the first `omnihub up` makes one.")


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Forget a key; it is refused from now on."""
    _ring(context).remove(name)
    stderr().print(f"Key '{name}' is refused from now on.")


def _ring(context: typer.Context) -> KeyRing:
    return KeyRing(options_of(context).load().settings.data_dir)
