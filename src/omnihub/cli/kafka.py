"""`omnihub kafka`: the embedded broker on its own."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from omnihub.cli.context import JsonOption, OpsPort, become_child, options_of
from omnihub.cli.output import Exit, print_json, stderr, stdout
from omnihub.model.errors import ConfigurationError
from omnihub.settings import Settings

app = typer.Typer(help="The Kafka that OmniHub starts itself.", no_args_is_help=True)
DataOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where its data is, without a configuration.")
]


@app.command()
def start(context: typer.Context, data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Start it and return when clients can use it."""
    from omnihub.wiring.kafka import kafka_of

    settings, data = _place(context, data_dir)
    with Progress(console=stderr(), transient=True) as progress:
        task = progress.add_task("Fetching Kafka's jars", total=None, visible=False)

        def fetched(done: int, total: int, _: str) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        running = kafka_of(settings, data).start(progress=fetched)
    if as_json:
        print_json(running)
    else:
        stdout().print(running.bootstrap)


@app.command()
def stop(context: typer.Context, data_dir: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop it, whoever started it."""
    from omnihub.broker.embedded import kafka_stop

    stopped = kafka_stop(_place(context, data_dir)[1])
    if as_json:
        print_json(stopped)
    else:
        stderr().print("Nothing ran." if stopped.pid is None else f"Stopped pid {stopped.pid}.")


@app.command()
def status(
    context: typer.Context, data_dir: DataOption = None, as_json: JsonOption = False
) -> None:
    """Tell whether it runs; exit 3 if it does not."""
    from omnihub.broker.embedded import kafka_status

    found = kafka_status(_place(context, data_dir)[1])
    if as_json:
        print_json(found)
    elif found.broker:
        stdout().print(f"{found.broker.bootstrap} (pid {found.broker.pid}, {found.data_dir})")
    else:
        stderr().print(f"No Kafka runs on {found.data_dir}.")
    if not found.running:
        raise typer.Exit(Exit.UNAVAILABLE)


@app.command("run")
def run(context: typer.Context, ops_port: OpsPort = 0) -> None:
    """Run it in the foreground until stopped."""
    become_child(signal.SIGTERM)
    from omnihub.wiring.kafka import run_kafka

    settings, data = _place(context, None)
    run_kafka(settings, data, os.environ, ops_port)


def _place(context: typer.Context, data_dir: Path | None) -> tuple[Settings, Path]:
    """Return the settings and Kafka's folder; without a configuration, defaults."""
    if data_dir is not None:
        return Settings(), data_dir
    settings = options_of(context).load().settings
    if settings.kafka.bootstrap:
        raise ConfigurationError(
            f"kafka.bootstrap is '{settings.kafka.bootstrap}': OmniHub does not run that cluster. "
            "Unset it, or use the cluster's own tools."
        )
    return settings, settings.data_dir / "kafka"
