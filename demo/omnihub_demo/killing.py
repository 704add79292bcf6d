"""Kills a worker with SIGKILL while it owns partitions and has work in hand.

Guarantees: the lag is counted after the fact and exactly: committed records that were in the
worker's partitions before the kill and behind the offsets it had committed when it died.
"""

import asyncio
import os
import signal
import time
from dataclasses import dataclass

from omnihub.broker.ports import Partition
from omnihub_demo.backlog import WORKER_GROUP, Backlog, Behind
from omnihub_demo.hub import Hub
from omnihub_demo.player import Player

HOLD_S = 0.25
AIM_S = 8.0
ENOUGH = 8
TRIES = 3


@dataclass(frozen=True, slots=True)
class Kill:
    """One worker killed."""

    worker: str
    pid: int
    partitions_owned: int
    lag_at_kill: int


async def kill_busy_worker(hub: Hub, backlog: Backlog, player: Player) -> list[Kill]:
    """Kill until one was hit while it had lag; the tills keep back some files before."""
    kills: list[Kill] = []
    for number in range(TRIES):
        kills.append(await _kill(hub, backlog, player, number % len(hub.workers())))
        if kills[-1].lag_at_kill and kills[-1].partitions_owned:
            break
        await asyncio.sleep(5.0)
    return kills


async def _kill(hub: Hub, backlog: Backlog, player: Player, slot: int) -> Kill:
    owned = await asyncio.to_thread(backlog.owned, slot)
    player.hold(HOLD_S)
    await asyncio.sleep(HOLD_S * 0.8)
    idle = await asyncio.to_thread(backlog.behind, WORKER_GROUP, owned)
    before = await _busy(backlog, owned, sum(idle.offsets.values()))
    worker = hub.workers()[slot]
    pid = worker.pid or 0
    os.kill(pid, signal.SIGKILL)
    after = await asyncio.to_thread(backlog.behind, WORKER_GROUP, owned)
    left = await asyncio.to_thread(backlog.unread, Behind(after.committed, before.ends))
    return Kill(worker.name, pid, len(owned), len(left))


async def _busy(backlog: Backlog, owned: list[Partition], idle_offsets: int) -> Behind:
    """Return where the worker stands once it is behind by more than markers."""
    deadline = time.monotonic() + AIM_S
    while True:
        behind = await asyncio.to_thread(backlog.behind, WORKER_GROUP, owned)
        is_busy = sum(behind.offsets.values()) >= idle_offsets + ENOUGH
        if is_busy or time.monotonic() > deadline:
            return behind
