"""The suites that use a system: sources with offsets, folders, sinks.

Guarantees: as in `suites`. Connectors are started anew for every poll, so hidden positions show.
"""

import json
from typing import Any

import pytest

from omnihub.connect.errors import PartialWrite, Refused
from omnihub.connect.kit.subject import Subject
from omnihub.connect.sdk import Connector, Delivery, Offset, Stream

_POLLS_MAX = 1_000


class SourceSuite:
    """Polling: a function of the offset, resumable anywhere."""

    async def test_the_same_offset_gives_the_same_batch(self, subject: Subject) -> None:
        """Polled twice without acknowledging, by two connectors."""
        for stream in await _streams(subject):
            one, other = await _opened(subject), await _opened(subject)
            for at in [None, *[offset for offset, _ in await _walk(subject, stream)]]:
                batch = await one.poll(stream, at, subject.poll_limit)
                assert batch == await one.poll(stream, at, subject.poll_limit)
                assert batch == await other.poll(stream, at, subject.poll_limit)

    async def test_resuming_at_every_offset_gives_the_exact_suffix(self, subject: Subject) -> None:
        """No delivery is lost or repeated, wherever the process was restarted."""
        for stream in await _streams(subject):
            steps = await _walk(subject, stream)
            assert sum(len(found) for _, found in steps) > subject.poll_limit, (
                "the system holds too little: the samples must take several polls"
            )
            for index, (offset, _) in enumerate(steps):
                rest = [each for _, found in steps[index + 1 :] for each in found]
                resumed = await _walk(subject, stream, offset)
                assert [each for _, found in resumed for each in found] == rest

    async def test_an_offset_survives_json(self, subject: Subject) -> None:
        """Offsets are kept as JSON."""
        for stream in await _streams(subject):
            for offset, _ in await _walk(subject, stream):
                assert json.loads(json.dumps(offset)) == offset


class FolderSuite:
    """Sources whose position is the system itself: what is acknowledged is gone."""

    async def test_nothing_is_gone_before_it_is_acknowledged(self, subject: Subject) -> None:
        """Polling alone changes nothing."""
        for stream in await _streams(subject):
            connector = await _opened(subject)
            batch = await connector.poll(stream, None, subject.poll_limit)
            assert batch.deliveries
            assert batch == await (await _opened(subject)).poll(stream, None, subject.poll_limit)

    async def test_draining_gives_every_delivery_once(self, subject: Subject) -> None:
        """Poll, acknowledge, poll: everything comes, nothing twice."""
        for stream in await _streams(subject):
            connector = await _opened(subject)
            everything = await connector.poll(stream, None, _POLLS_MAX)
            drained: list[Delivery] = []
            for _ in range(_POLLS_MAX):
                batch = await connector.poll(stream, None, subject.poll_limit)
                await connector.ack(stream, batch)
                drained += batch.deliveries
                if not batch.deliveries:
                    break
            assert len(everything.deliveries) > subject.poll_limit
            assert drained == list(everything.deliveries)


class SinkSuite:
    """Writing: one command, one effect."""

    async def test_every_command_is_reported_with_its_reference(self, subject: Subject) -> None:
        """Nothing is forgotten."""
        done = await (await _opened(subject)).write(subject.commands)
        assert set(done) == {command.command_id for command in subject.commands}

    async def test_the_same_batch_twice_has_one_effect(self, subject: Subject) -> None:
        """Also by another process and in other groupings, as after a crash."""
        before = await subject.effects()
        done = await (await _opened(subject)).write(subject.commands)
        after = await subject.effects()
        assert after != before, "the commands have no visible effect"
        connector = await _opened(subject)
        assert await connector.write(subject.commands) == done
        for command in subject.commands:
            await connector.write([command])
        assert await subject.effects() == after

    async def test_a_refused_command_does_not_take_its_neighbours_along(
        self, subject: Subject
    ) -> None:
        """Those before and behind it are done, it alone is refused with a cure."""
        if subject.refused is None:
            pytest.skip("the subject names no command that its system refuses")
        first, *rest = subject.commands
        with pytest.raises(PartialWrite) as caught:
            await (await _opened(subject)).write([first, subject.refused, *rest])
        assert set(caught.value.done) == {command.command_id for command in subject.commands}
        failure = caught.value.failed[subject.refused.command_id]
        assert isinstance(failure, Refused)
        assert failure.cure


async def _opened(subject: Subject) -> Connector[Any]:
    connector = subject.start()
    await connector.open()
    return connector


async def _streams(subject: Subject) -> list[Stream]:
    streams = (await _opened(subject)).streams()
    assert streams, "the connector has no streams"
    return streams


async def _walk(
    subject: Subject, stream: Stream, at: Offset | None = None
) -> list[tuple[Offset | None, tuple[Delivery, ...]]]:
    """Poll from `at` to the end; return each offset reached with what led to it."""
    steps: list[tuple[Offset | None, tuple[Delivery, ...]]] = []
    for _ in range(_POLLS_MAX):
        batch = await (await _opened(subject)).poll(stream, at, subject.poll_limit)
        if batch.deliveries and batch.next == at:
            raise AssertionError(f"{stream.name} gave deliveries but stays at {at}: never ends")
        if not batch.deliveries and batch.next == at:
            return steps
        steps.append((batch.next, batch.deliveries))
        at = batch.next
    raise AssertionError(f"{stream.name} does not end after {_POLLS_MAX} polls")
