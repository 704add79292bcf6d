"""The processes that `omnihub up` starts; each can be run on its own."""

import gc
from importlib import import_module
from typing import Annotated

import typer

from omnihub.cli.context import OpsPort, become_child, options_of


def worker(
    context: typer.Context,
    slot: Annotated[int, typer.Option("--slot", min=0, help="This worker's number on the host.")],
    ops_port: OpsPort = 0,
) -> None:
    """Run the rules over this slot's partitions."""
    become_child()
    from omnihub.wiring.worker import run_worker

    run_worker(options_of(context).installation(), slot, ops_port)


def views(context: typer.Context, ops_port: OpsPort = 0) -> None:
    """Fold the topics into the SQL views."""
    become_child()
    from omnihub.wiring.views import run_views

    run_views(options_of(context).installation(), ops_port)


def api(context: typer.Context, ops_port: OpsPort = 0) -> None:
    """Serve the HTTP API: stock, live events, webhooks."""
    become_child()
    from omnihub.wiring.api import run_api

    run_api(options_of(context).installation(), ops_port)


def registry(context: typer.Context, ops_port: OpsPort = 0) -> None:
    """Serve the embedded schema registry."""
    become_child()
    from omnihub.wiring.registry import run_registry

    run_registry(options_of(context).installation(), ops_port)


_IMPORTS = {
    "registry": "omnihub.wiring.registry",
    "worker": "omnihub.wiring.worker",
    "views": "omnihub.wiring.views",
    "api": "omnihub.wiring.api",
    "connectors": "omnihub.wiring.connector",
}


def spare(
    context: typer.Context, kind: Annotated[str, typer.Argument(help="What it may become.")]
) -> None:
    """Load what a process of a kind needs, then wait to be told to become one."""
    from omnihub.cli.main import build_app
    from omnihub.contracts.inline import own_schemas
    from omnihub.ops.spares import await_role

    import_module(_IMPORTS[kind])
    # What a start reads is read once before: contract, configuration, its connectors' code.
    options_of(context).installation()
    own_schemas()
    app = build_app(kind)
    # What was imported lives for ever: the collector need not look at it again.
    gc.freeze()
    if (arguments := await_role()) is not None:
        app(arguments)
