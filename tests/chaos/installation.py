"""One run's topics, what was appended to them, and what was committed."""

import random
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from chaos import checker, reading
from chaos.rules import CONTRACT, Ledger, Tally
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import EventId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import EventMeta, MovementKind, StockMoved

WORKER = Path(__file__).with_name("worker.py")
SKUS, SHOPS = 60, 5
SENT_ONCE = {"enable.idempotence": False, "retries": 0, "log_level": 0}
"""The load is sent once: unacknowledged it may be there, but never twice. (An idempotent producer
whose records time out takes a new id, and sends the others again under it: they were there 2 to 10
times after an outage of two brokers of three.)"""
TOO_EARLY = "acknowledged-too-early"
PARTITIONS = (4, 3)


class Installation:
    """The two rules on topics of their own; `mark` is in every name, also that of the group."""

    def __init__(
        self,
        bootstrap: str,
        mark: str,
        folder: Path,
        dice: random.Random,
        *,
        plant: str | None = None,
        partitions: tuple[int, int] = PARTITIONS,
        replication: int = 1,
    ) -> None:
        self.bootstrap, self.mark, self.plant, self.dice = bootstrap, mark, plant, dice
        self.workers_bootstrap, self.program = bootstrap, WORKER
        self.taken: dict[str, checker.Lanes] = {}
        """What retention took from a topic after it was processed; `read` puts it back."""
        self.partitions = partitions
        self.contract = folder / "topics.yaml"
        first, second = partitions
        self.contract.write_text(CONTRACT.format(mark=mark, first=first, second=second))
        self.log = folder / "workers.log"
        self.topics = Topics.load(self.contract)
        self.rules = (Ledger(mark), Tally(mark))
        self.codec = Codec.offline()
        self.sent = checker.Sent()
        self._count = 0
        self._producer = Producer({**plain_producer(Cluster(bootstrap)), **SENT_ONCE})
        tasks = {rule.name: rule.inbox for rule in self.rules}
        self.specs = self.topics.all([], [], tasks)
        TopicAdmin(Cluster(bootstrap), replication).ensure_topics(self.specs)

    @property
    def inboxes(self) -> list[tuple[str, int]]:
        """Return both inboxes with their partition counts."""
        return [(rule.inbox, n) for rule, n in zip(self.rules, self.partitions, strict=True)]

    # -- the load ------------------------------------------------------------------------------

    def append(self, count: int) -> None:
        """Append movements; a few ask for a refusal, a parking or a timer."""
        for _ in range(count):
            self.append_one(*self.dice.choices([None, "reject", "park", "remind"], [94, 2, 2, 2]))

    def append_one(self, reason: str | None = None, sku: int | None = None) -> None:
        """Append one movement of any SKU, or of a given one; see `rules` for reasons."""
        moved = movement(self._count, self.dice.randrange(SKUS) if sku is None else sku, reason)
        self._count += 1
        spec = self.topics.spec(self.rules[0].inbox)
        key = spec.key_of(moved)

        if self.plant == TOO_EARLY:
            self.sent.acknowledged.append((key, moved.movement_id))

        def delivered(error: KafkaError | None, _: Message) -> None:
            if self.plant == TOO_EARLY:
                return
            place = self.sent.maybe if error else self.sent.acknowledged
            place.append((key, moved.movement_id))

        self.append_raw(self.codec.encode(moved), key, delivered)

    def append_raw(self, value: bytes, key: str, on_delivery: object = None) -> None:
        """Append any bytes to the ledger's inbox."""
        inbox, partitions = self.inboxes[0]
        self._producer.produce(
            inbox,
            value,
            key.encode(),
            partition_for(key.encode(), partitions),
            on_delivery,
            timestamp=time.time_ns() // 1_000_000,
        )
        self._producer.poll(0)

    def flush(self, timeout_s: float = 20) -> None:
        """Wait until every append is acknowledged or given up."""
        assert self._producer.flush(timeout_s) == 0

    # -- what is committed ---------------------------------------------------------------------

    def offsets(self, inbox: int = 0) -> list[int]:
        """Return what the group has committed of the first or second inbox."""
        return reading.committed(self.bootstrap, self.mark, *self.inboxes[inbox])

    def lag(self) -> int:
        """Return how many committed inbox records the group has not processed."""
        both = zip(self.inboxes, (self.offsets(0), self.offsets(1)), strict=True)
        return sum(reading.waiting(self.bootstrap, topic, at) for (topic, _), at in both)

    def read(self, topic: str) -> checker.Lanes:
        """Return what is committed on a topic."""
        spec = next(spec for spec in self.specs if spec.name == topic)
        lanes = reading.read(self.bootstrap, topic, spec.partitions, self.codec)
        taken = self.taken.get(topic, [[] for _ in lanes])
        return [before + lane for before, lane in zip(taken, lanes, strict=True)]

    def states(self) -> checker.Lanes:
        """Return the ledger's levels."""
        return self.read(f"omni.{self.mark}.state.v1")

    def totals(self) -> checker.Lanes:
        """Return the tally's levels."""
        return self.read(f"omni.{self.mark}.tally.state.v1")

    def history(self) -> checker.History:
        """Return everything that is committed."""
        ledger, tally = self.rules
        return checker.History(
            inbox=self.read(ledger.inbox),
            events=self.read(ledger.events),
            state=self.states(),
            tally_inbox=self.read(tally.inbox),
            tally_state=self.totals(),
            ledger_changelog=self.read(f"omni.changelog.{ledger.name}.v1"),
            tally_changelog=self.read(f"omni.changelog.{tally.name}.v1"),
            ledger_offsets=self.offsets(0),
            tally_offsets=self.offsets(1),
        )

    def ends(self) -> list[checker.End]:
        """Return where every topic ends, for a read_committed reader and for the log."""
        return reading.ends(self.bootstrap, [(spec.name, spec.partitions) for spec in self.specs])

    def told(self) -> str:
        """Return what the workers have logged."""
        return self.log.read_text()

    def owners(self) -> dict[tuple[str, int], str]:
        """Return which slot the group has given each input partition."""
        return reading.owners(self.bootstrap, self.mark)

    # -- workers -------------------------------------------------------------------------------

    def start_worker(
        self, slot: str, fault: str | None, extra: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start one worker process; `extra` are more of its options."""
        options = {"bootstrap": self.workers_bootstrap, "mark": self.mark, "slot": slot}
        options |= {"contract": str(self.contract)}
        options |= {"fault": fault} if fault else {}
        options |= {"plant": self.plant} if self.plant else {}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with self.log.open("ab") as log:
            command = [sys.executable, str(self.program), *words, *extra]
            return subprocess.Popen(command, stdout=log, stderr=log)


def movement(number: int, sku: int, reason: str | None) -> StockMoved:
    """Return the movement with this number."""
    name = f"m{number}"
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(name),
        cause_id=name,
        source=InstanceId("test"),
        entity=name,
        occurred_at_us=number,
        accepted_at_us=number,
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(name),
        sku=Sku(f"sku-{sku}"),
        kind=MovementKind.RECEIPT,
        to_location=LocationId(f"shop-{sku % SHOPS}"),
        quantity_milli=(number % 97 + 1) * 1000,
        reason=reason,
    )
