"""The same workload on the test driver: crashes at an exact stage, thousands of times."""

from collections.abc import Sequence
from pathlib import Path

from chaos import checker
from chaos.findings import Verdict
from chaos.installation import movement
from chaos.reading import decoded
from chaos.rules import CONTRACT, Ledger, Tally
from chaos.trial import Trial
from omnihub.broker.memory import Stored
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import Crash, TestDriver
from omnihub.engine.task import Task

MARK = "test"
CODEC = Codec.offline()


class Driven:
    """The two rules on a driver, what was appended, and what came of it."""

    def __init__(self, folder: Path, kind: type[TestDriver] = TestDriver) -> None:
        contract = folder / "topics.yaml"
        contract.write_text(CONTRACT.format(mark=MARK, first=4, second=3))
        topics = Topics.load(contract)
        self.rules = (Ledger(MARK), Tally(MARK))
        self.inbox = topics.spec(self.rules[0].inbox)
        self.driver = kind(
            self.rules, topics, codec=CODEC, resolver=lambda _: True, batch_records=2
        )
        self.sent = checker.Sent()
        self.crashes = 0

    def append(self, sku: int, reason: str | None) -> None:
        """Append one movement."""
        moved = movement(len(self.sent.acknowledged), sku, reason)
        self.driver.append(self.inbox.name, moved)
        self.sent.acknowledged.append((self.inbox.key_of(moved), moved.movement_id))

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass and work be done; restart after each crash."""
        self.driver.now_us += round(seconds * 1e6)
        while True:
            try:
                self.driver.run()
            except Crash:
                self.crashes += 1
                self.driver.restart()
            else:
                return

    def judge(self) -> Verdict:
        """Compare everything that is committed with a replay of the inboxes."""
        history = self.history()
        events = sum(map(len, history.inbox))
        return Verdict(events, tuple(checker.findings(history, self.sent)))

    def history(self) -> checker.History:
        """Return everything that is committed."""
        ledger, tally = self.rules
        ends = self.driver.log.ends
        return checker.History(
            inbox=self._lanes(ledger.inbox),
            events=self._lanes(ledger.events),
            state=self._lanes(f"omni.{MARK}.state.v1"),
            tally_inbox=self._lanes(tally.inbox),
            tally_state=self._lanes(f"omni.{MARK}.tally.state.v1"),
            ledger_changelog=self._lanes(f"omni.changelog.{ledger.name}.v1"),
            tally_changelog=self._lanes(f"omni.changelog.{tally.name}.v1"),
            ledger_offsets=list(ends(ledger.inbox)),
            tally_offsets=list(ends(tally.inbox)),
        )

    def _lanes(self, topic: str) -> checker.Lanes:
        log = self.driver.log
        return [
            [_seen(stored) for stored in log.read(topic, at)] for at in range(len(log.ends(topic)))
        ]


class TornDriver(TestDriver):
    """The planted bug: outputs are visible before rows and offsets are."""

    def _commit(self, dirty: Sequence[Task]) -> None:
        self._stage("begun")
        for task in dirty:
            for topic, partition, key, value, stamp_ms, headers in task.outputs.staged:
                self.log.write(topic, partition, key, value, stamp_ms, headers)
            task.outputs.staged.clear()
        super()._commit(dirty)


def driven(trial: Trial) -> Driven:
    """Return the workload, on a torn driver if the bug is planted."""
    return Driven(trial.folder, TornDriver if trial.plant == "torn-commit" else TestDriver)


def _seen(stored: Stored) -> checker.Seen:
    record = decoded(CODEC, stored.value)
    return checker.Seen(stored.offset, stored.timestamp_ms, stored.key.decode(), record)
