"""Records that cannot be read, processed or written, and handlers that take their time."""

import time

from confluent_kafka.admin import AdminClient

from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor, came_true, wait_until
from chaos.trial import Trial, load, settle, strike, warm_up
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster

UNREADABLE = (b"\x07not ours", b"\x00\x00\x0f\x42\x3fbody", b"\x00\x00", b"{}", b"")
"""A bad magic byte, an unknown schema id, a frame cut short, another format, nothing at all."""


@scenario(
    faults="bad magic byte, unknown schema id, cut frame, garbage, under load and a kill -9",
    bug=Bug("swallows-unreadable", Kind.WRONG),
    is_smoke=True,
)
def test_poison_record(trial: Trial) -> Verdict:
    """Each is parked with what comes after it under its key; the others go on."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        for number, value in enumerate(UNREADABLE):
            installation.append_raw(value, f"t:sku-{number}")
            load(installation, workers, 0.2)
        strike(installation, workers, "a", trial.stage("KILL"))
        return settle(installation, workers)


@scenario(
    faults="the handler raises on some records in the middle of batches, and a kill -9",
    bug=Bug("keeps-failed-rows", Kind.WRONG),
)
def test_handler_raises(trial: Trial) -> Verdict:
    """Only that record is parked, and nothing of what it had written stays."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        for sku in range(6):
            load(installation, workers, 0.1)
            installation.append_one("bug", sku)
        strike(installation, workers, "a", trial.stage("KILL"))
        return settle(installation, workers)


@scenario(
    faults="the registry does not answer for five seconds",
    bug=Bug("parks-outages", Kind.WRONG),
)
def test_registry_outage(trial: Trial) -> Verdict:
    """An outage is waited out: nothing is parked for it."""
    installation, outage = trial.installation(), trial.folder / "outage"
    with Supervisor(installation) as workers:
        workers.add("a", extra=("--outage", str(outage)))
        warm_up(installation, workers)
        outage.touch()
        load(installation, workers, 5)
        outage.unlink()
        verdict = settle(installation, workers)
    return verdict.expect("UnknownSchema" in installation.told(), "the outage was not noticed")


@scenario(
    faults="a record of 10 MiB",
    bug=Bug("small-fetch", Kind.STALLED),
)
def test_huge_input_record(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        text = trial.dice.randbytes(5 * 1024 * 1024).hex()  # Not to be compressed to nothing.
        installation.append_one(text, sku=1)
        load(installation, workers, 1)
        return settle(installation, workers)


@scenario(
    faults="outputs larger than the broker takes",
    bug=Bug("no-size-check", Kind.STALLED),
)
def test_huge_output_record(trial: Trial) -> Verdict:
    """The record that would spoil the transaction is parked before it can."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        for sku in (1, 2):
            installation.append_one("huge", sku)
            load(installation, workers, 0.5)
        return settle(installation, workers)


@scenario(
    faults="an output topic is deleted under load, and made again eight seconds later",
    bug=Bug("outputs-outside", Kind.LOST),
)
def test_output_topic_deleted(trial: Trial) -> Verdict:
    """No transaction is half committed; work goes on when the topic is back."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        installation.append_one(None, 1)
        installation.flush()
        wait_until(lambda: any(installation.totals()))
        delete_topic(installation, installation.rules[0].events)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            installation.append_one(trial.dice.choice(["reject", None]))
            time.sleep(0.02)
            workers.tend()
        TopicAdmin(Cluster(installation.bootstrap)).ensure_topics(installation.specs)
        return settle(installation, workers)


@scenario(
    faults="one batch takes more than twice the session time-out, and than a worker may be silent",
    bug=Bug("no-slices", Kind.UNEXPECTED),
)
def test_slow_handler(trial: Trial) -> Verdict:
    """The worker keeps its partitions, and commits slice by slice."""
    installation = trial.installation()
    silent = ("--poll-interval-ms", "9000")
    with Supervisor(installation) as workers:
        for name in ("a", "b"):
            workers.add(name, extra=silent)
        warm_up(installation, workers)
        wait_until(lambda: set(installation.owners().values()) == {"a", "b"})
        owners, before = installation.owners(), len(installation.told())
        for _ in range(30):  # Half a second each.
            installation.append_one("slow", sku=1)
        installation.flush()
        is_same, until = True, time.monotonic() + 25
        while installation.lag() and time.monotonic() < until:
            workers.tend()
            is_same = is_same and installation.owners() == owners
        verdict = settle(installation, workers)
    return verdict.expect(is_same, "partitions moved").expect(
        "rolled back" not in installation.told()[before:], "it was rolled back"
    )


@scenario(
    faults="no input for twice the transaction time-out, with timers pending",
    bug=Bug("begins-early", Kind.STUCK, Kind.UNEXPECTED),
)
def test_idle_input(trial: Trial) -> Verdict:
    """No transaction stays open, nobody is fenced, and timers still fire."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        for _ in range(20):
            installation.append_one("remind later")
        installation.flush()
        wait_until(lambda: installation.lag() == 0)
        held_back = []
        for _ in range(10):
            time.sleep(1)
            workers.tend()
            held_back += [end for end in installation.ends() if end.stable < end.end]
        has_fired = came_true(
            lambda: sum(map(len, installation.read(installation.rules[0].events))) == 20
        )
        installation.append(100)
        verdict = settle(installation, workers)
    told = installation.told()
    return (
        verdict.expect(not held_back, f"open while idle: {held_back[:2]}")
        .expect(has_fired, "not all timers fired")
        .expect(workers.deaths == 0, f"{workers.deaths} workers ended")
        .expect("rolled back" not in told, "a transaction failed")
    )


def delete_topic(installation: Installation, topic: str) -> None:
    """Delete a topic, as an operator should not."""
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    admin.delete_topics([topic])[topic].result(10)
