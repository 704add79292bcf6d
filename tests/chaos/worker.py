"""A worker process of the chaos suite: the two rules of `rules.py`, with faults on demand.

`--fault committed:40:KILL` sends the process that signal when it reaches the stage for the 40th
time. `--plant NAME` breaks it on purpose (see `plants.py`).
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.rules import Ledger, Tally
from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import UnknownSchema
from omnihub.contracts.topics import Topics
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.record import Record
from omnihub.rules.rule import Handler


def handlers_of(workload: str, mark: str) -> list[Handler]:
    """Return what this worker runs."""
    if workload == "ledger":
        return [Ledger(mark), Tally(mark)]
    from chaos.diary import translate_of  # Here, because a killed worker must be back quickly.

    return [translate_of(mark)]


def plant(name: str | None, poll_interval_ms: int | None) -> dict[str, Any]:
    """Break the engine as told; return what the worker must be made with."""
    if name is None and poll_interval_ms is None:
        return {}
    from chaos.plants import change_consumer
    from chaos.plants_of_rows import PLANTS

    if poll_interval_ms is not None:
        change_consumer({"max.poll.interval.ms": poll_interval_ms})
    return PLANTS[name]() if name else {}


def fault(text: str) -> Callable[[str], None]:
    """Return a stage hook for `stage:count:signal`."""
    stage, count, name = text.split(":")
    left, number = int(count), getattr(signal, f"SIG{name}")

    def reached(at: str) -> None:
        nonlocal left
        left -= at == stage
        if at == stage and left == 0:
            os.kill(os.getpid(), number)

    return reached


def codec_of(outage: Path | None) -> Codec:
    """Return a codec whose registry is down while a file exists."""
    codec = Codec.offline()
    if outage is not None:
        decode = codec.decode

        def decode_unless_down(value: bytes) -> Record:
            if outage.exists():
                raise UnknownSchema("the registry does not answer")
            return decode(value)

        codec.decode = decode_unless_down  # type: ignore[method-assign]
    return codec


def parser() -> argparse.ArgumentParser:
    """Return what a worker of the suite is told on its command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "mark", "slot", "contract"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--fault", default="never:0:KILL")
    parser.add_argument("--outage", type=Path, help="while this file exists, no schema is found")
    parser.add_argument("--workload", choices=["ledger", "diary"], default="ledger")
    parser.add_argument("--poll-interval-ms", type=int, help="how long a worker may be silent")
    parser.add_argument("--state", type=Path, help="keep rows there; in memory without it")
    parser.add_argument("--plant", help="the name of a bug")
    return parser


def make_worker(options: argparse.Namespace, **more: Any) -> Worker:
    """Return the worker of these options, with its bug if one is planted."""
    planted = plant(options.plant, options.poll_interval_ms)
    sound: dict[str, Any] = {"resolver": lambda _: True, "stage": fault(options.fault)}
    if options.state is not None:
        from omnihub.engine.disk import DiskStores

        sound["stores"] = DiskStores(options.state)
    return Worker(
        # Nearly always in a commit: that is where faults do harm.
        WorkerSettings(Cluster(options.bootstrap), options.mark, options.slot, commit_pause_s=0.0),
        handlers_of(options.workload, options.mark),
        codec_of(options.outage),
        Topics.load(Path(options.contract)),
        **{**sound, **more, **planted},
    )


def main() -> None:
    """Work until SIGTERM."""
    options = parser().parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    make_worker(options).run(stop)


if __name__ == "__main__":
    main()
