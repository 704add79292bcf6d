"""The day's files in their order, before they get names and times, with the faults put in.

A drop's place `at` is measured in facts since the day's start, so that pacing is one division.
Guarantees: pure and seeded; no document is lost by a fault.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from omnihub_demo.play import Document, Transaction, TransactionKey


@dataclass(frozen=True, slots=True)
class Drop:
    """A file to be."""

    at: float
    documents: tuple[Document, ...]
    half_written: bool = False

    @property
    def store(self) -> str:
        """Return the store whose file this is."""
        return self.documents[0].key.store


def in_order(files: Iterable[Sequence[Document]]) -> list[Drop]:
    """Return the files one after another, each as far after the one before as it has facts."""
    drops, at = [], 0.0
    for file in files:
        at += max(1, sum(document.facts for document in file))
        drops.append(Drop(at, tuple(file)))
    return drops


def scattered(files: Iterable[Sequence[Document]], length: float, random: Random) -> list[Drop]:
    """Return the files anywhere in a day that is `length` facts long."""
    return [Drop(random.uniform(0, length), tuple(file)) for file in files]


def bundled(drops: list[Drop], share: float, random: Random) -> list[Drop]:
    """Put some files into the next file of their store, with the documents in any order."""
    result: list[Drop] = []
    waiting: dict[str, Drop] = {}
    for drop in drops:
        held = waiting.pop(drop.store, None)
        if held is not None:
            both = [*held.documents, *drop.documents]
            result.append(Drop(drop.at, tuple(random.sample(both, len(both)))))
        elif random.random() < share:
            waiting[drop.store] = drop
        else:
            result.append(drop)
    return [*result, *waiting.values()]


def returns_first(drops: list[Drop], share: float, random: Random) -> list[Drop]:
    """Move some returns to just before the sale that they bring back."""
    at = {document.key: drop.at for drop in drops for document in drop.documents}
    return [
        replace(drop, at=max(0.0, at[sale] - random.uniform(1, 60)))
        if (sale := _brought_back(drop)) in at and random.random() < share
        else drop
        for drop in drops
    ]


def delayed(drops: list[Drop], share: float, length: float, random: Random) -> list[Drop]:
    """Move some files back by up to a tenth of the day, behind others of their store."""
    return [
        replace(drop, at=min(length, drop.at + random.uniform(0.01, 0.1) * length))
        if random.random() < share
        else drop
        for drop in drops
    ]


def told_twice(drops: list[Drop], share: float, length: float, random: Random) -> list[Drop]:
    """Repeat some files under another name, and some documents inside a later file."""
    chosen = random.sample(drops, max(2, round(share * len(drops))))
    copies, stowaways = chosen[::2], chosen[1::2]
    again = [replace(d, at=min(length, d.at + random.uniform(0, 0.1) * length)) for d in copies]
    return [*_with_stowaways(drops, stowaways, random), *again]


def half_written(drops: list[Drop], files: int, random: Random) -> list[Drop]:
    """Mark some files to be written in two halves."""
    marked = set(random.sample(range(len(drops)), min(files, len(drops))))
    return [replace(d, half_written=True) if i in marked else d for i, d in enumerate(drops)]


def _brought_back(drop: Drop) -> TransactionKey | None:
    first = drop.documents[0]
    if not isinstance(first, Transaction) or first.lines[0].origin is None:
        return None
    return first.lines[0].origin[0]


def _with_stowaways(drops: list[Drop], stowaways: list[Drop], random: Random) -> list[Drop]:
    by_store: dict[str, list[int]] = defaultdict(list)
    for i, drop in enumerate(drops):
        by_store[drop.store].append(i)
    result = list(drops)
    for stowaway in stowaways:
        later = [i for i in by_store[stowaway.store] if drops[i].at > stowaway.at]
        if later:
            host = random.choice(later)
            documents = (*result[host].documents, stowaway.documents[0])
            result[host] = replace(result[host], documents=documents)
    return result
