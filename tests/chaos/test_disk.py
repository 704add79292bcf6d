"""The broker's disk is full; the log no longer holds what a task had not read."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from chaos import checker
from chaos.brokers import load_while, refusal_of_an_append
from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor, wait_until
from chaos.trial import Trial, load, settle, warm_up
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.errors import BrokerError
from omnihub.model.records import StockMoved

DISK_MB = 96


class SmallDisk:
    """A file system of its own for the broker's log, which can be filled up and freed."""

    def __init__(self, path: Path) -> None:
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave not one page free."""
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65_536)

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """The disk of `kafka_on_it`; needs the right to mount."""
    path = tmp_path / "small" / "data"
    path.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(path)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here ({mounted.stderr.strip()}): run as root")
    yield SmallDisk(path)
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def kafka_on_it(tmp_path: Path, disk: SmallDisk) -> Iterator[EmbeddedKafka]:
    """A broker whose log lies on the small disk."""
    kafka = EmbeddedKafka(tmp_path / "small")
    kafka.start()
    yield kafka
    kafka.kill()


@scenario(
    faults="the broker's disk full under load, space again after 8 s",
    bug=Bug("acknowledged-too-early", Kind.LOST),
)
def test_disk_full(trial: Trial, disk: SmallDisk, kafka_on_it: EmbeddedKafka) -> Verdict:
    running = kafka_on_it.status().broker
    assert running is not None
    installation = trial.installation(running.bootstrap)
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        load(installation, workers, 1.0)
        disk.fill()
        # A broker whose only disk fails ends, and says why; its supervisor tries again in vain.
        load_while(installation, workers, lambda: _wait_for_the_end(kafka_on_it))
        refusal = refusal_of_an_append(installation)
        if trial.plant is None:
            load_while(installation, workers, lambda: _start_in_vain(kafka_on_it))
        disk.free()
        kafka_on_it.kill()
        load_while(installation, workers, kafka_on_it.start)
        verdict = settle(installation, workers)
    said = Path(running.log).read_text()
    return (
        verdict.expect(os.strerror(errno.ENOSPC) in said, "the broker did not say why it ended")
        .expect(refusal is not None, "the appender took a record that no disk could hold")
        .expect("rolled back" in installation.log.read_text(), "no worker said it rolled back")
    )


def _wait_for_the_end(kafka: EmbeddedKafka) -> None:
    wait_until(lambda: not kafka.status().running, 40, "the broker works on with a full disk")


def _start_in_vain(kafka: EmbeddedKafka) -> None:
    with contextlib.suppress(BrokerError):
        kafka.start(timeout_s=5)


@scenario(
    faults="retention passes records that nobody had read; the group's offset lies before the log",
    bug=Bug("jumps-over-gaps", Kind.UNEXPECTED),
)
def test_retention_passed(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        installation.append(500)
        settle(installation, workers)
    installation.append(400)
    installation.flush()
    gaps = _let_retention_pass(installation)
    with Supervisor(installation, "a") as workers:
        installation.append(300)
        verdict = settle(installation, workers)
    told = installation.log.read_text().count("records lost to retention")
    return verdict.expect(told == gaps > 0, f"{told} of {gaps} gaps were told")


def _let_retention_pass(installation: Installation) -> int:
    """Delete the older half of what waits in each partition; return in how many of them."""
    topic = installation.inboxes[0][0]
    offsets, lanes = installation.offsets(), installation.read(topic)
    cuts = [_middle(lane, offset) for lane, offset in zip(lanes, offsets, strict=True)]
    places = [TopicPartition(topic, at, cut) for at, cut in enumerate(cuts)]
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    for deleted in admin.delete_records(places).values():
        deleted.result(10)
    installation.taken[topic] = [_before(lane, at) for lane, at in zip(lanes, offsets, strict=True)]
    lost = {
        seen.record.movement_id
        for lane, offset, cut in zip(lanes, offsets, cuts, strict=True)
        for seen in lane
        if offset <= seen.offset < cut and isinstance(seen.record, StockMoved)
    }
    sent = installation.sent.acknowledged
    sent[:] = [(key, name) for key, name in sent if name not in lost]
    return sum(offset < cut for offset, cut in zip(offsets, cuts, strict=True))


def _middle(lane: list[checker.Seen], offset: int) -> int:
    waiting = [seen.offset for seen in lane if seen.offset >= offset]
    return waiting[len(waiting) // 2] if waiting else offset


def _before(lane: list[checker.Seen], offset: int) -> list[checker.Seen]:
    return [seen for seen in lane if seen.offset < offset]
