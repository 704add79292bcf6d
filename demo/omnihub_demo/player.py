"""Plays a timetable: drops the tills' files and works at the ERP's desk, each at its time.

Guarantees: nothing is left out, whatever the hub does; a document counts as dropped when its file
is whole in the spool. The desk works one act after another, as Tryton's database has one writer,
so its acts may come later than their time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from omnihub_demo.erp import Erp
from omnihub_demo.folders import Folders
from omnihub_demo.play import Play, Product, TransactionKey
from omnihub_demo.poslog import drop, drop_slowly, render
from omnihub_demo.schedule import Act, DropFile, Phase, PostCount, PostReceipt, Timetable

HALF_WRITTEN_S = 0.3


@dataclass
class Desk:
    """The ERP's desk: does what is put on it, in order."""

    erp: Erp
    eve: date
    waiting: "asyncio.Queue[PostCount | PostReceipt]" = field(default_factory=asyncio.Queue)
    unfinished: int = 0

    def put(self, act: PostCount | PostReceipt) -> None:
        """Put an act on the desk."""
        self.unfinished += 1
        self.waiting.put_nowait(act)

    async def work(self) -> None:
        """Work until cancelled."""
        while True:
            act = await self.waiting.get()
            if isinstance(act, PostCount):
                await self.erp.count(act.count.key.store, self.eve, act.count.lines)
            else:
                receipt = act.receipt
                await self.erp.receive(receipt.place, receipt.day, receipt.lines)
            self.unfinished -= 1


@dataclass
class Till:
    """All tills together: they write into the spool."""

    folders: Folders
    products: Mapping[str, Product]
    dropped: Counter[TransactionKey] = field(default_factory=Counter)
    forgotten: set[str] = field(default_factory=set)
    """Names of files that a planted bug puts straight into the archive."""

    async def put(self, act: DropFile) -> None:
        """Put one file into the spool."""
        body = render(act.documents, self.products)
        if act.name in self.forgotten:
            drop(self.folders.archive, act.name, body)
        elif act.half_written:
            pause = lambda: time.sleep(HALF_WRITTEN_S)  # noqa: E731
            await asyncio.to_thread(drop_slowly, self.folders.incoming, act.name, body, pause)
        else:
            drop(self.folders.incoming, act.name, body)
        self.dropped.update(document.key for document in act.documents)


class Player:
    """Plays one timetable."""

    def __init__(self, play: Play, timetable: Timetable, folders: Folders, erp: Erp) -> None:
        self.till = Till(folders, play.products)
        self.desk = Desk(erp, play.first_day - timedelta(days=1))
        self.opened = asyncio.Event()
        self._timetable = timetable
        self._slow: set[asyncio.Task[None]] = set()
        self._held_s = 0.0

    def hold(self, seconds: float) -> None:
        """Keep back what is due in the next seconds; then it all comes at once."""
        self._held_s = seconds

    async def play(self, phase: Phase) -> None:
        """Play one phase to its end; the desk may still have work then."""
        began = time.monotonic()
        for delivery in self._timetable.deliveries:
            if delivery.phase is phase:
                await asyncio.sleep(max(0.0, began + delivery.at_s - time.monotonic()))
                if self._held_s:
                    held_s, self._held_s = self._held_s, 0.0
                    await asyncio.sleep(held_s)
                await self._do(delivery.act)
        if self._slow:
            await asyncio.gather(*self._slow)

    async def _do(self, act: Act) -> None:
        if not isinstance(act, DropFile):
            self.desk.put(act)
        elif act.half_written:
            task = asyncio.create_task(self.till.put(act))
            self._slow.add(task)
            task.add_done_callback(self._slow.discard)
        else:
            await self.till.put(act)
