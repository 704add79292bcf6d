"""What corrections would lead to: the rules of today, in memory, on the rows of now.

Guarantees: the very tasks of a worker over a log in memory; nothing leaves it. Does not: let time
pass (timers stay armed), hear systems answer, or spare memory: it holds the rows of every task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from omnihub.broker.bulkread import RawRecord
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.engine.store import SEPARATOR
from omnihub.model.record import Record
from omnihub.model.records import (
    CorrectEntity,
    EffectWithheld,
    ParkedRecord,
    Rejected,
    StockLevel,
    TaskAttempt,
    TaskPosition,
    TimerRow,
)
from omnihub.rules.rule import Handler

STOCK_TOPIC, WITHHELD_TOPIC = "omni.stock.state.v1", "omni.withheld.v1"
_OF_THE_WORKER = {kind.__name__ for kind in (TaskPosition, TaskAttempt, TimerRow)}
ReadChangelog = Callable[[str], Sequence[RawRecord]]


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One level before and after."""

    sku: str
    location: str
    old_milli: int | None
    new_milli: int


@dataclass(frozen=True, slots=True)
class Consequences:
    """What the rules would make of the corrections; commands are counted by instance and kind."""

    levels: Sequence[LevelChange]
    withheld: Sequence[EffectWithheld]
    rejected: Sequence[Rejected]
    parked: Sequence[ParkedRecord]
    commands: Mapping[str, int]


def consequences_of(
    requests: Mapping[str, Sequence[CorrectEntity]],
    handlers: Sequence[Handler],
    topics: Topics,
    codec: Codec,
    read: ReadChangelog,
) -> Consequences:
    """Let the rules of today take the corrections, on the rows that `read` gives."""
    if not any(requests.values()):
        return Consequences((), (), (), (), {})
    driver = TestDriver(handlers, topics, codec=codec)
    for name in {task.changelog for task in driver.tasks}:
        _load(driver, name, read(name))
    driver.restart()
    levels = _levels(driver, before=True)
    for name, all_of_it in requests.items():
        for request in all_of_it:
            at_us = request.requested_at_us
            driver.append(f"omni.entity.{name}.v1", request, at_us=at_us)
    driver.run()
    return _seen(driver, levels)


def _load(driver: TestDriver, changelog: str, records: Sequence[RawRecord]) -> None:
    """Write the newest of each row; positions and timers belong to the worker."""
    newest = {(each.partition, each.key or b""): each.value for each in records}
    for (partition, key), value in newest.items():
        if value is not None and key.decode().partition(SEPARATOR)[0] not in _OF_THE_WORKER:
            driver.log.write(changelog, partition, key, value, 0)


def _levels(driver: TestDriver, *, before: bool) -> dict[tuple[str, str], int]:
    found = driver.rows("stock").values() if before else driver.state(STOCK_TOPIC).values()
    return {(e.sku, e.location): e.on_hand_milli for e in found if isinstance(e, StockLevel)}


def _seen(driver: TestDriver, before: Mapping[tuple[str, str], int]) -> Consequences:
    after = _levels(driver, before=False)
    changed = [
        LevelChange(*place, before.get(place), milli)
        for place, milli in sorted(after.items())
        if before.get(place) != milli
    ]
    commands: dict[str, int] = {}
    withheld: list[EffectWithheld] = []
    rejected: list[Rejected] = []
    parked: dict[str, ParkedRecord] = {}
    for topic, record in _written(driver):
        if topic.startswith("omni.command."):
            name = f"{topic.split('.')[2]} {type(record).__name__}"
            commands[name] = commands.get(name, 0) + 1
        elif isinstance(record, EffectWithheld):
            withheld.append(record)
        elif isinstance(record, Rejected):
            rejected.append(record)
        elif isinstance(record, ParkedRecord):
            parked[f"{record.task}:{record.park_key}:{record.queue_index}"] = record
    return Consequences(changed, withheld, rejected, list(parked.values()), commands)


def _written(driver: TestDriver) -> Sequence[tuple[str, Record]]:
    found: list[tuple[str, Record]] = []
    for topic in driver.log.names():
        if ".changelog." in topic:
            continue
        for partition in range(len(driver.log.ends(topic))):
            for stored in driver.log.read(topic, partition):
                if stored.value is not None:
                    found.append((topic, driver.codec.decode(stored.value)))
    return found
