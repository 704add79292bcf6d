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


_WARM = (
    *(f"omnihub.wiring.{role}" for role in ("registry", "worker", "views", "api", "connector")),
    "omnihub.views.keys",
)


def nursery(context: typer.Context) -> None:
    """Load what every process needs, then fork one for each role that the supervisor asks for."""
    become_child()
    import httpx

    from omnihub.cli.main import app_for
    from omnihub.contracts.inline import own_schemas
    from omnihub.ops.nursery import await_role, take_standard_output

    answers = take_standard_output()
    for each in _WARM:
        import_module(each)
    # What a start reads is read once before: contract, configuration, its connectors' code.
    options_of(context).installation()
    own_schemas()
    for command in ("worker", "connectors"):
        app_for([command])
    # The first TLS context of a process takes as long as all others of the hub together.
    httpx.Client().close()
    # What was imported lives for ever: the collector need not look at it again.
    gc.freeze()
    if (arguments := await_role(answers)) is not None:
        app_for(arguments)(arguments)
