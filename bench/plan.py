"""What a benchmark is to the command that runs them all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.entry import Entry
from bench.lab import Lab


@dataclass(frozen=True, slots=True)
class Options:
    """How thorough a run is; `events` None leaves each benchmark its own number."""

    rounds: int = 3
    events: int | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark by the name it is asked for, and about how long it takes."""

    name: str
    expected_s: int
    play: Callable[[Lab, Options], Iterator[Entry]] | Callable[..., Any]
