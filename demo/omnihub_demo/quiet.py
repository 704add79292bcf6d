"""Waits until nothing moves any more, and says what still does when it takes too long.

Guarantees: quiet means that for a while no file waited, no record was unread, no command was
unanswered (its topic is read and its result is, too) and nothing was parked.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from omnihub.connect.runtime import commands_groups, commands_topic
from omnihub.wiring.installation import Installation
from omnihub_demo.backlog import WORKER_GROUP, Backlog
from omnihub_demo.folders import Folders
from omnihub_demo.hub import Hub

LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Quiet:
    """How the wait ended: `since` is the moment (monotonic) from which nothing moved."""

    is_reached: bool
    since: float
    moving: str = ""


def inputs_of(install: Installation) -> Mapping[str, Sequence[str]]:
    """Return the topics that each consumer group of the hub reads."""
    sinks = {
        group: [commands_topic(instance)]
        for instance in install.instances.values()
        for group in commands_groups(instance).values()
    }
    return {WORKER_GROUP: sorted(install.tasks().values()), **sinks}


@dataclass(frozen=True)
class Calm:
    """Looks at one run of the demo."""

    hub: Hub
    backlog: Backlog
    folders: Folders
    is_desk_idle: Callable[[], bool]

    async def reached(self, stable_s: float, timeout_s: float) -> Quiet:
        """Return when nothing moved for `stable_s`, or after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        since: float | None = None
        while True:
            looked_at = time.monotonic()
            moving = await self._moving()
            since = None if moving else since or looked_at
            if since is not None and time.monotonic() - since >= stable_s:
                return Quiet(True, since)
            if time.monotonic() > deadline:
                return Quiet(False, time.monotonic(), moving)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _moving(self) -> str:
        files = sum(1 for _ in self.folders.incoming.iterdir())
        if files:
            return f"{files} files in the spool"
        if not self.is_desk_idle():
            return "acts on the ERP's desk"
        if records := await asyncio.to_thread(self.backlog.records):
            return f"{records} records unread"
        if parked := await self.hub.parked():
            return f"{parked} records parked"
        return ""
