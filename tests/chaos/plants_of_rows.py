"""Planted bugs of rows on disk; see `plants`, in whose list they are."""

import contextlib
import time
from collections.abc import Callable, Mapping

from rocksdict import WriteBatch

from chaos.plants import PLANTS, Options, plant
from omnihub.engine import disk
from omnihub.engine import restore as restoring
from omnihub.engine.disk import DiskStore, DiskStores
from omnihub.engine.errors import StoreUnusable
from omnihub.engine.restore import Restore
from omnihub.engine.store import Change, Changelog
from omnihub.engine.task import Task

__all__ = ["PLANTS"]
_CHANGES = Task.changes


def _write_early(task: Task) -> list[Change]:
    changes, store = _CHANGES(task), task.store
    if isinstance(store, DiskStore):
        mark = store._mark
        store.apply(dict(task.overlay.staged), changes, 1)
        store._mark = mark  # It will be counted again when it is committed.
    return changes


@plant
def writes_early() -> Options:
    """Write rows before their commit: what was aborted stays."""
    Task.changes = _write_early  # type: ignore[method-assign]
    return {}


@plant
def stops_early() -> Options:
    """Take a restore for complete in the middle of the changelog."""
    begin = Restore.__init__

    def short(restore: Restore, known: Mapping[Task, Changelog]) -> None:
        restoring.BATCH_RECORDS = 10
        ends = {task: changelog.end // 2 for task, changelog in known.items()}
        begin(restore, {t: Changelog(c.topic_id, c.low, ends[t]) for t, c in known.items()})

    Restore.__init__ = short  # type: ignore[method-assign]
    return {}


@plant
def wipes_and_forgets() -> Options:
    """Vouch for rows that were just wiped."""
    wipe = DiskStore._wipe

    def wipe_only(store: DiskStore, changelog: Changelog) -> None:
        wipe(store, Changelog(changelog.topic_id, changelog.end, changelog.end))

    DiskStore._wipe = wipe_only  # type: ignore[method-assign]
    return _resuming(lambda store, _: store._mark.next_offset)


@plant
def no_tail() -> Options:
    """Take whatever rows are found for complete."""
    return _resuming(lambda _, changelog: changelog.end)


def _resuming(at: Callable[[DiskStore, Changelog], int]) -> Options:
    resume = DiskStore.resume

    def resumed(store: DiskStore, changelog: Changelog) -> int:
        resume(store, changelog)
        return at(store, changelog)

    DiskStore.resume = resumed  # type: ignore[method-assign]
    return {}


@plant
def waits_for_the_lock() -> Options:
    """Take rows that another process has for a passing trouble."""
    disk.SlotTaken = StoreUnusable  # type: ignore[assignment,misc]
    return {}


def _is_open(stores: DiskStores) -> bool:
    with contextlib.suppress(StoreUnusable):
        stores.open()
        return True
    return False


@plant
def swallows_full_disk() -> Options:
    """Wait for room, and go on with what is there: what could not be written is forgotten."""
    write = DiskStores.write

    def write_or_not(stores: DiskStores, batch: WriteBatch) -> None:
        try:
            write(stores, batch)
        except StoreUnusable:
            while not _is_open(stores):
                time.sleep(0.2)

    DiskStores.write = write_or_not  # type: ignore[method-assign]
    return {}
