"""`omnihub up`: everything in one terminal."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from omnihub.cli.context import options_of
from omnihub.cli.output import stderr
from omnihub.ops.runfile import RunState

_COLOURS = {"ready": "green", "starting": "yellow", "waiting": "dim", "stopped": "dim"}


def up(context: typer.Context) -> None:
    """Start everything and keep it running until Ctrl-C."""
    from omnihub.wiring.up import run_up

    install = options_of(context).installation()
    live = Live(console=stderr(), auto_refresh=False) if sys.stderr.isatty() else None
    show: Callable[[RunState], None] = _Lines()
    if live is not None:
        show = lambda state: live.update(_table(state), refresh=True)  # noqa: E731
    shown: AbstractContextManager[object] = live or nullcontext()
    with shown:
        run_up(install, _print_key, show)


def _print_key(key: str) -> None:
    stderr().print(
        f"Admin API key (shown this once, only its hash is kept): [bold]{key}[/]\n"
        "Make others with `omnihub keys add`."
    )


class _Lines:
    """Prints a line at each change, for logs and pipes."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._ready = False

    def __call__(self, state: RunState) -> None:
        for row in state.processes:
            told = f"{row.name} {row.state}" + (f" ({row.failing})" if row.failing else "")
            if row.state != "waiting" and self._known.get(row.name) != told:
                self._known[row.name] = told
                stderr().print(told)
        if state.ready and not self._ready:
            self._ready = True
            stderr().print(f"ready: API {state.api_url}, Kafka {state.bootstrap}")


def _table(state: RunState) -> Group:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("process", "state", "pid", "restarts", ""):
        table.add_column(column)
    for row in state.processes:
        colour = _COLOURS.get(row.state, "red")
        mark = Text(row.state, style=colour)
        table.add_row(row.name, mark, str(row.pid or ""), str(row.restarts), row.failing)
    where = f"API {state.api_url}   Kafka {state.bootstrap}   registry {state.registry_url}"
    head = Text("ready   " if state.ready else "starting   ", style="bold")
    return Group(head + Text(where), table)
