"""What every command knows from the global options."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnihub.ops.childhood import die_with_supervisor
from omnihub.settings import Loaded, find_config, load

if TYPE_CHECKING:
    from omnihub.wiring.installation import Installation

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OpsPort = Annotated[
    int, typer.Option("--ops-port", help="Port of /live, /ready, /metrics (0 = any free).")
]


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command."""

    config: Path | None = None
    debug: bool = False

    def load(self) -> Loaded:
        """Read the configuration alone."""
        return load(find_config(self.config, os.environ), os.environ)

    def installation(self) -> "Installation":
        """Read the configuration and the connectors it names."""
        from omnihub.wiring.installation import open_installation

        return open_installation(self.config, dict(os.environ))


def options_of(context: typer.Context) -> Options:
    """Return the options before the command."""
    found: Options = context.find_root().obj or Options()
    return found


def become_child(number: signal.Signals = signal.SIGKILL) -> None:
    """Tie this process to the supervisor that started it, if one did.

    Workers and connectors survive kill -9 by design; the broker gets the gentler signal.
    """
    die_with_supervisor(os.environ, number)
