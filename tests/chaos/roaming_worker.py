"""A worker that leaves its group right after a commit, and joins it again: its partitions move.

It is a dynamic member, so that leaving moves them at once. Every opening is told as a line
`opened <nanoseconds> <slot> <partitions>`.
"""

import json
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.worker import make_worker, parser
from omnihub.engine import worker as engine
from omnihub.engine.observer import Unobserved
from omnihub.engine.worker import Worker

COMMITS = 4
"""The first batch takes two: it is announced."""
HEARTBEAT_MS = 20


class Rounds(Unobserved):
    """Tells which partitions were opened, and ends the round after some commits."""

    def __init__(self, slot: str) -> None:
        self.slot = slot
        self.worker: Worker | None = None
        self.stop = threading.Event()
        self.commits = 0

    def assigned(self, partitions: int) -> None:
        """See `EngineObserver`."""
        if self.worker is not None and partitions:
            opened = json.dumps(self.worker.partitions)
            print(f"opened {time.time_ns()} {self.slot} {opened}", flush=True)

    def stage(self, at: str) -> None:
        """Leave right after a commit."""
        self.commits += at == "committed"
        if self.commits >= COMMITS:
            self.stop.set()


def dynamic(settings):
    """Make the consumer's settings those of a member that the group forgets when it leaves."""

    def changed(*arguments: object) -> dict[str, object]:
        its = {**settings(*arguments), "heartbeat.interval.ms": HEARTBEAT_MS}
        return {name: value for name, value in its.items() if name != "group.instance.id"}

    return changed


def main() -> None:
    """Work in rounds until SIGTERM."""
    options = parser().parse_args()
    engine.worker_consumer = dynamic(engine.worker_consumer)
    is_over = False
    rounds = Rounds(options.slot)

    def end(*_: object) -> None:
        nonlocal is_over
        is_over = True
        rounds.stop.set()

    signal.signal(signal.SIGTERM, end)
    while not is_over:
        rounds = Rounds(options.slot)
        if is_over:  # Told so while nobody listened to the new round's stop.
            break
        rounds.worker = make_worker(options, stage=rounds.stage, observer=rounds)
        rounds.worker.run(rounds.stop)


if __name__ == "__main__":
    main()
