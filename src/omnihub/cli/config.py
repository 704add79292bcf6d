"""`omnihub init` and `omnihub config`: the configuration, without a broker."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import print_json, print_rows, stderr
from omnihub.model.errors import ConfigurationError
from omnihub.settings import TEMPLATE, json_schema

app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("omnihub.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False,
) -> None:
    """Write a commented configuration, and its JSON Schema for editors beside it."""
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists. Name another file, or use --force.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE, encoding="utf-8")
    schema = path.parent / "omnihub.schema.json"
    schema.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    stderr().print(f"Wrote {path} and {schema.name}. Next: `omnihub config check`, `omnihub up`.")


@app.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check everything that can be checked without a broker: form, references, connectors."""
    install = options_of(context).installation()
    install.topic_specs()
    install.stock_policy()
    install.order_policy()
    if as_json:
        print_json({"path": install.loaded.path, "ok": True, "connectors": list(install.instances)})
    else:
        stderr().print(f"{install.loaded.path} is right: {len(install.instances)} connectors.")


@app.command()
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show every value with its origin; secrets are references and stay so."""
    loaded = options_of(context).load()
    values = loaded.settings.model_dump(mode="json")
    rows = [
        {"setting": ".".join(map(str, at)), "value": value, "from": _origin(loaded.origins, at)}
        for at, value in _leaves(values, ())
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("setting", "value", "from"), "Nothing is set.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    print_json(json_schema())


def _leaves(node: Any, at: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict) and node:
        return [leaf for key, part in node.items() for leaf in _leaves(part, (*at, key))]
    return [(at, json.dumps(node) if isinstance(node, list | dict) else node)]


def _origin(origins: Mapping[tuple[str | int, ...], str], at: tuple[str, ...]) -> str:
    for length in range(len(at), 0, -1):
        if origin := origins.get(at[:length]):
            return origin
    return "default"
