"""`omnihub`: the command tree and how it ends.

Guarantees: an error of ours is a message with its cure and a documented exit code, never a stack
trace (unless --debug); commands import what they need when they run, so that each starts fast.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from omnihub.cli.context import Options
from omnihub.cli.output import Exit, exit_code, print_error, stderr
from omnihub.model.errors import OmniHubError
from omnihub.ops.childhood import SUPERVISOR_VARIABLE

COMMANDS_GROUP = "omnihub.commands"
COMMANDS = {
    "init": "config:init",
    "up": "up:up",
    "stock": "stock:stock",
    "explain": "explain:explain",
    "worker": "processes:worker",
    "views": "processes:views",
    "api": "processes:api",
    "registry": "processes:registry",
    "nursery": "processes:nursery",
}
HIDDEN = frozenset({"nursery"})
GROUPS = {
    "config": "config:app",
    "connectors": "connectors:app",
    "map": "mapping:app",
    "hospital": "hospital:app",
    "topics": "topics:app",
    "schemas": "schemas:app",
    "order": "order:app",
    "customer": "customer:app",
    "replay": "replay:app",
    "data": "data:app",
    "keys": "keys:app",
    "kafka": "kafka:app",
}


def build_app(wanted: str | None = None) -> typer.Typer:
    """Return the command tree: the branch of `wanted` alone if it is ours, else all of it."""
    app = typer.Typer(
        name="omnihub",
        help="OmniHub keeps stock, orders and customers the same in every system of a retailer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_options)
    is_ours = wanted in COMMANDS or wanted in GROUPS
    for name, place in COMMANDS.items():
        if not is_ours or name == wanted:
            app.command(name, hidden=name in HIDDEN)(_load(place))
    for name, place in GROUPS.items():
        if not is_ours or name == wanted:
            app.add_typer(_load(place), name=name)
    return app if is_ours else _with_extensions(app)


def _with_extensions(app: typer.Typer) -> typer.Typer:
    """Add the commands that other installed distributions bring."""
    for point in entry_points(group=COMMANDS_GROUP):
        try:
            app.add_typer(point.load(), name=point.name)
        except ModuleNotFoundError:
            app.command(point.name, hidden=True)(_missing(point.name))
    return app


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"omnihub.cli.{module}"), attribute)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the command tree, or the branch of it that `arguments` name."""
    return build_app(_command(arguments))


def run() -> None:
    """Entry point."""
    arguments = sys.argv[1:]
    try:
        app_for(arguments)()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, less) had enough.
        sys.stderr.close()
        sys.exit(Exit.OK)
    except Exception as error:  # noqa: BLE001  (the last resort: told, and the exit code says so)
        _end_with(error, arguments)


def _end_with(error: Exception, arguments: Sequence[str]) -> NoReturn:
    """End with the first error of ours inside `error`, or call it what it is: a bug."""
    first: BaseException = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    # A supervised process writes to a log, where the trace is wanted.
    if "--debug" in arguments or SUPERVISOR_VARIABLE in os.environ:
        traceback.print_exception(error)
    if isinstance(first, OmniHubError):
        print_error(first)
        sys.exit(exit_code(first))
    stderr().print(f"a bug of OmniHub: {type(first).__name__}: {first}", markup=False)
    stderr().print("Run the same with --debug before the command and report what it prints.")
    sys.exit(Exit.FAILED)


def _options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Configuration file.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show stack traces.")] = False,
) -> None:
    context.obj = Options(config, debug)


def _command(arguments: Sequence[str]) -> str | None:
    """Return the first word that is a command of ours; options before it may have values."""
    known = (one for one in arguments if one in COMMANDS or one in GROUPS)
    return next(known, None)


def _missing(name: str) -> Callable[[], None]:
    def missing() -> None:
        stderr().print(
            f"`omnihub {name}` is part of the source checkout, not of this installation."
        )
        raise typer.Exit(Exit.USAGE)

    return missing
