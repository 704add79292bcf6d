"""What a rule is: one inbox, pure handlers, effects through two small ports.

Guarantees: a handler is a function of the record, the rows and the time in the record; it reaches
nothing else, so the same inbox gives the same output byte for byte. Does not: do I/O, read a
clock, draw random numbers, or know that Kafka exists.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from omnihub.model.errors import InvariantBroken
from omnihub.model.record import Record
from omnihub.model.records import TimerDue

R = TypeVar("R", bound=Record)
E = TypeVar("E", bound=Record)
HandlerMethod = Callable[[Any, E, "Rows", "Out"], None]


class Rows(Protocol):
    """The rows of one partition; what a failed record wrote is never seen."""

    def get(self, kind: type[R], key: str) -> R | None:
        """Return the row of type `kind` under `key`, or None."""

    def put(self, key: str, row: Record) -> None:
        """Write `row`; its type and `key` together are its identity."""

    def delete(self, kind: type[Record], key: str) -> None:
        """Remove the row of type `kind` under `key`, if there is one."""


class Out(Protocol):
    """Where effects go; they become visible with the rows, or not at all."""

    @property
    def accepted_at_us(self) -> int:
        """The time of the record being handled (its log timestamp): the only clock of a rule."""

    @property
    def is_retry(self) -> bool:
        """True while a parked record is being replayed on request."""

    def emit(self, topic: str, record: Record) -> None:
        """Append `record` to `topic`; the contract decides key and partition."""

    def arm(self, name: str, key: str, timer_id: str, due_at_us: int) -> None:
        """Append `TimerDue(name, key, timer_id)` to this inbox partition once `due_at_us` passed.

        Arming the same name and timer_id again moves the timer.
        """

    def disarm(self, name: str, timer_id: str) -> None:
        """Forget a timer; one that is already in the inbox still arrives."""


class Handler(Protocol):
    """What the engine runs: rules, split and translate are all handlers."""

    @property
    def name(self) -> str:
        """Task name, part of the changelog's topic name; never changes once released."""

    @property
    def inbox(self) -> str:
        """The one input topic."""

    @property
    def rejects(self) -> str:
        """The topic for `Rejected` events."""

    def park_key(self, record: Record) -> str:
        """Return the key whose later records wait when this record cannot be processed.

        A handler that arms timers is asked about its `TimerDue`, too.
        """

    def handle(self, record: Record, rows: Rows, out: Out) -> None:
        """Process one record.

        Raises:
            RejectedError: becomes a `Rejected` event on the handler's reject topic.
            ParkError: the record is parked and its park key waits.
        """


def on(kind: type[E]) -> Callable[[HandlerMethod[E]], HandlerMethod[E]]:
    """Mark a method of a rule as the handler of records of type `kind`."""

    def mark(method: HandlerMethod[E]) -> HandlerMethod[E]:
        method.__dict__.setdefault("_handles", []).append(kind)
        return method

    return mark


def on_timer(name: str) -> Callable[[HandlerMethod[TimerDue]], HandlerMethod[TimerDue]]:
    """Mark a method of a rule as the handler of timers armed under `name`."""

    def mark(method: HandlerMethod[TimerDue]) -> HandlerMethod[TimerDue]:
        method.__dict__["_timer"] = name
        return method

    return mark


class Rule:
    """A business rule. Subclasses name the task and its topics and mark handlers with `on`.

    class StockRule(Rule):
        name = "stock"
        inbox = "omni.stock.inbox.v1"
        events = "omni.stock.event.v1"     # public events and rejections go here

        @on(StockMoved)
        def on_movement(self, event: StockMoved, rows: Rows, out: Out) -> None: ...
    """

    name: ClassVar[str]
    inbox: ClassVar[str]
    events: ClassVar[str]
    _by_type: ClassVar[dict[type[Record], str]] = {}
    _by_timer: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the marked methods once, at class creation."""
        cls._by_type, cls._by_timer = dict(cls._by_type), dict(cls._by_timer)
        for attribute, method in vars(cls).items():
            for kind in getattr(method, "_handles", ()):
                cls._by_type[kind] = attribute
            if timer := getattr(method, "_timer", None):
                cls._by_timer[timer] = attribute

    @property
    def rejects(self) -> str:
        """Refusals are public events of the aggregate."""
        return self.events

    def park_key(self, record: Record) -> str:
        """Return the key whose later records wait behind a failed one; rules override it."""
        raise NotImplementedError(f"{type(self).__name__} must say what waits behind a failure")

    def handle(self, record: Record, rows: Rows, out: Out) -> None:
        """Dispatch by record type, timers by their name."""
        if isinstance(record, TimerDue):
            method = self._by_timer.get(record.name)
        else:
            method = self._by_type.get(type(record))
        if method is None:
            raise InvariantBroken(f"{self.name} got {type(record).__name__}, which it never reads")
        getattr(self, method)(record, rows, out)
