"""One worker of `bench.effects`: every handler of an installation, wired as `omnihub worker` does.

What it leaves out of that process are the registry (schema ids are those of the release) and the
thread that follows cross-references (its codes are canonical already).
"""

import signal
import sys
import threading
from pathlib import Path

from bench.effects import installation
from omnihub.connect.config import channels_of, maps_of
from omnihub.connect.refs import CrossReferences
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.ops.metrics import Metrics
from omnihub.ops.observers import ConnectMetrics, EngineMetrics
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.worker import handlers


def main() -> None:
    """Run until SIGTERM."""
    config, slot = Path(sys.argv[1]), sys.argv[2]
    install, group = installation(config), f"bench.{config.parent.name}"
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    refs = CrossReferences(maps_of(install.instances), channels_of(install.instances))
    sealer, metrics = Sealer(vault := vault_of(install)), Metrics()
    Worker(
        WorkerSettings(install.cluster(), group, slot),
        handlers(install, refs, ConnectMetrics(metrics), tokens_of(install, vault), sealer),
        Codec(SchemaIds.offline(), sealer),
        install.topics,
        resolver=refs.resolves,
        observer=EngineMetrics(metrics, group),
    ).run(stop)


if __name__ == "__main__":
    main()
