"""The write loop of one lane of an instance: commands in, effects at the system, results out.

Guarantees: a command's offset is committed only after its result is durable, so every command is
answered and a crash means it is asked again (connectors find their effects again). Outages are
waited out in place: the same commands come again and nothing overtakes them. A command that never
will succeed is REFUSED with its cure, and its neighbours go on.
Does not: decide what to send, or in which order targets change (the outbound rule does).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from omnihub.broker.ports import Appender, Entry, GroupReader
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.effects import Attempt, Crashed, attempt_write, plan
from omnihub.connect.errors import AuthFailed, Refused
from omnihub.connect.observer import Observer
from omnihub.connect.pace import Backoff, Time
from omnihub.connect.sdk import Command, Connector
from omnihub.model.errors import OmniHubError, RetryableError
from omnihub.model.ids import CommandId
from omnihub.model.records import (
    CommandResult,
    DeliveryKind,
    Outcome,
    Refetch,
)
from omnihub.model.time import SECOND_US

RESULT_TOPIC = "omni.result.v1"
CRASHES_UNTIL_REFUSED = 3
_IDLE_S = 0.5
_GATHER_SHARE, _GATHER_MOST_S = 0.1, 0.1
"""A system that took long is worth waiting a tenth of that for more: the reader has one fetch."""
_REPORT_BUG = "report it to the connector's author; mend the system or skip the command"


class Sink:
    """Executes the commands of one lane of an instance; it reads over those of other lanes."""

    def __init__(
        self,
        connector: Connector[Any],
        group: GroupReader,
        acceptance: Acceptance,
        appender: Appender,
        observer: Observer,
        time: Time,
        open_record: Callable[[Any], Any] = lambda record: record,
        lane: str = "",
    ) -> None:
        self.lane = lane
        self.fault: str | None = None
        self._connector = connector
        self._group = group
        self._acceptance = acceptance
        self._appender = appender
        self._observer = observer
        self._time = time
        self._open_record = open_record
        self._backoff = Backoff(time)
        self._crashes: Counter[CommandId] = Counter()
        self._gather_s = 0.0
        self._taken: list[Entry] = []
        self._is_sorted_out = False
        self._waiting: list[Command] = []
        self._superseded: list[Command] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Execute commands until `stop`."""
        while not stop.is_set():
            try:
                await self.step(stop)
            except RetryableError as error:
                await self._wait(error, stop)

    async def step(self, stop: asyncio.Event) -> None:
        """Execute what is pending now; returns without committing when stopped in between.

        Raises:
            RetryableError: the log is away; the next step goes on with the same commands.
        """
        if not self._is_sorted_out:
            await self._take()
            self._sort_out()
        began_s = self._time.monotonic_s()
        if not await self._settle(stop):
            return
        took_s = self._time.monotonic_s() - began_s
        self._gather_s = min(_GATHER_MOST_S, _GATHER_SHARE * took_s)
        if self._taken:
            await self._group.commit(self._taken)
        self._taken, self._is_sorted_out = [], False

    async def _take(self) -> None:
        """Take everything that waits, up to the connector's limit: bigger writes, fewer calls."""
        limit, wait_s = self._connector.write_limit, _IDLE_S
        while len(self._taken) < limit:
            more = await self._group.batch(limit - len(self._taken), wait_s)
            if not more:
                return
            # The reader will not give these again: they are ours until they are committed.
            self._taken += more
            wait_s = self._gather_s

    def _sort_out(self) -> None:
        records = [e.record for e in self._taken if isinstance(e.record, Command)]
        planned = plan([each for each in records if self._connector.lane_of(each) == self.lane])
        self._waiting = [*planned.writes, *planned.refetches]
        self._superseded = planned.superseded
        self._is_sorted_out = True

    async def _settle(self, stop: asyncio.Event) -> bool:
        """Bring every command to its result; False when stopped before that."""
        await self._report([self._result(c, Outcome.SUPERSEDED) for c in self._superseded])
        self._superseded = []
        while self._waiting and not stop.is_set():
            attempt = await self._attempt(self._waiting)
            await self._report(self._results(self._waiting, attempt))
            self._waiting = attempt.again
            if self._waiting:
                await self._wait(attempt.error or Crashed("no progress"), stop)
        if not self._waiting:
            self._backoff.reset()
            self.fault = None
        return not self._waiting

    async def _attempt(self, commands: Sequence[Command]) -> Attempt:
        # A sink has the right to read whom it writes to; nobody before it had.
        writes = [self._open_record(each) for each in commands if not isinstance(each, Refetch)]
        attempt = await attempt_write(self._connector, writes)
        for command in commands:
            if isinstance(command, Refetch):
                attempt.add(await self._refetch(command))
        if isinstance(attempt.error, Crashed):
            self._give_up(attempt, attempt.error)
        return attempt

    def _give_up(self, attempt: Attempt, crash: Crashed) -> None:
        """Refuse what crashed too often."""
        self._crashes.update(each.command_id for each in attempt.again)
        hopeless = [
            each
            for each in attempt.again
            if self._crashes[each.command_id] >= CRASHES_UNTIL_REFUSED
        ]
        for command in hopeless:
            del self._crashes[command.command_id]
            attempt.refused[command.command_id] = crash
            attempt.again.remove(command)

    async def _refetch(self, command: Refetch) -> Attempt:
        try:
            found = await self._connector.refetch(command)
        except (RetryableError, AuthFailed) as error:
            return Attempt(again=[command], error=error)
        except NotImplementedError:
            cure = "compare the entity by hand, then skip; the connector cannot read one entity"
            return Attempt(refused={command.command_id: Refused("it cannot refetch", cure)})
        except OmniHubError as error:
            return Attempt(refused={command.command_id: error})
        raw = [
            self._acceptance.polled(
                "refetch", command.command_id, replace(each, kind=DeliveryKind.REFETCH)
            )
            for each in found
        ]
        await self._appender.append_many(self._acceptance.topic, raw)
        return Attempt(done={command.command_id: f"{len(raw)} deliveries"})

    def _results(self, commands: Sequence[Command], attempt: Attempt) -> list[CommandResult]:
        results = []
        for command in commands:
            if (reference := attempt.done.get(command.command_id)) is not None:
                results.append(self._result(command, Outcome.DONE, reference))
            elif (error := attempt.refused.get(command.command_id)) is not None:
                results.append(self._result(command, Outcome.REFUSED, error=error))
        return results

    def _result(
        self,
        command: Command,
        outcome: Outcome,
        reference: str | None = None,
        error: OmniHubError | None = None,
    ) -> CommandResult:
        return CommandResult(
            command_id=command.command_id,
            tenant=command.tenant,
            instance=command.instance,
            target=command.target,
            outcome=outcome,
            error_class=type(error).__name__ if error else None,
            message=str(error) if error else None,
            cure=getattr(error, "cure", _REPORT_BUG) if error else None,
            external_ref=reference,
            accepted_at_us=command.accepted_at_us,
            finished_at_us=self._time.now_us(),
        )

    async def _report(self, results: list[CommandResult]) -> None:
        if not results:
            return
        await self._appender.append_many(RESULT_TOPIC, results)
        for result in results:
            late_us = result.finished_at_us - result.accepted_at_us
            self._observer.written(result.instance, result.outcome, late_us / SECOND_US)

    async def _wait(self, error: Exception, stop: asyncio.Event) -> None:
        self.fault = f"write: {error}"
        self._observer.failed(self._acceptance.instance, "write", type(error).__name__)
        await self._time.pause(stop, self._backoff.after(error))
