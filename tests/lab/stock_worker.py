"""A worker process that runs the stock rule alone, with faults on demand.

`--fault produced:4:KILL` sends the process that signal when it reaches the stage for the 4th time.
"""

import argparse
import os
import signal
import threading
from collections.abc import Callable

from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.ids import ChannelId, LocationId
from omnihub.rules.policy import Channel, StockPolicy
from omnihub.rules.stock import StockRule

GROUP = "stock-lab"
WEB, SHOP = ChannelId("WEB"), LocationId("shop")
POLICY = StockPolicy(channels=(Channel(WEB, frozenset({SHOP})),))
COUNTS = {"default": 4}


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--slot", required=True)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--fault", default="never:0:KILL")
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    cluster = Cluster(options.bootstrap)
    worker = Worker(
        WorkerSettings(cluster, GROUP, options.slot, batch_records=options.batch),
        [StockRule(POLICY)],
        Codec.offline(),
        Topics.load(counts=COUNTS),
        stage=fault(options.fault),
    )
    worker.run(stop)


if __name__ == "__main__":
    main()
