"""The way to the broker is slow, is cut, or swallows the answer to a commit."""

import time
from collections.abc import Iterator

import pytest

from chaos.brokers import proxied_kafka
from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.network import Network, Proxy
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import STAGES, Trial, load, settle, strike, warm_up
from omnihub.broker.node import HOST

REPEATING = Bug("unknown-commits-repeat", Kind.DUPLICATED, Kind.WRONG)
SHORT_S, LONG_S = 3.0, 12.0
"""Longer than a slow commit; longer than any commit is waited for, and than the group waits."""
ROUNDS = 12
Proxied = tuple[str, Proxy]


@pytest.fixture
def proxied(trial: Trial, bad_network: Network) -> Iterator[Proxied]:
    """A broker's own address, and the proxy before its other door."""
    with proxied_kafka(trial.folder, bad_network) as both:
        yield both


@scenario(
    faults="answers to a commit swallowed for 3 and 12 s (toxiproxy): it arrived, and nobody knows",
    bug=REPEATING,
)
def test_commit_answer_lost(trial: Trial, proxied: Proxied) -> Verdict:
    installation, proxy = _behind(trial, proxied)
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        for swallowed_s in (SHORT_S, SHORT_S if trial.plant else LONG_S):
            _swallow_a_commit(installation, workers, proxy, swallowed_s)
        verdict = settle(installation, workers)
    told = installation.log.read_text()
    return verdict.expect("rolled back" in told, "no worker said that it rolled back")


@pytest.fixture
def older(trial: Trial, bad_network: Network) -> Iterator[Proxied]:
    """As `proxied`, for a cluster that lacks the second half of KIP-890."""
    with proxied_kafka(trial.folder, bad_network, ("transaction.version=1",)) as both:
        yield both


@scenario(
    faults="kill -9 at each commit stage, SIGSTOP past the session, connections cut, a commit's "
    "answer swallowed (toxiproxy); a cluster with transaction.version 1, as before Kafka 4",
    bug=REPEATING,
)
def test_older_cluster(trial: Trial, older: Proxied) -> Verdict:
    installation, proxy = _behind(trial, older)
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        for stage in STAGES:
            strike(installation, workers, "b", f"{stage}:{trial.dice.randrange(1, 10)}:KILL")
        strike(installation, workers, "b", "begun:10:STOP")
        for stream in ("upstream", "downstream"):
            with proxy.toxic("reset_peer", stream, timeout=0):
                load(installation, workers, 0.5)
            load(installation, workers, 1.0)
        workers.retire("b")
        _swallow_a_commit(installation, workers, proxy, SHORT_S)
        verdict = settle(installation, workers)
    told = installation.told()
    return verdict.expect("rolled back" in told, "no worker said that it rolled back").expect(
        "version=1" in told and "version=2" not in told, "it was no older cluster"
    )


def _swallow_a_commit(
    installation: Installation, workers: Supervisor, proxy: Proxy, swallowed_s: float
) -> None:
    """Stop the worker before it ends a transaction; when it goes on, no answer comes back."""
    slot = workers["a"]
    slot.relaunch("offsets sent:15:STOP")
    until = time.monotonic() + 20
    while not slot.is_stopped:
        assert time.monotonic() < until, "the worker never stopped"
        installation.append(50)
        time.sleep(0.05)
    with proxy.toxic("timeout", timeout=int(swallowed_s * 1000)):
        slot.wake()
        load(installation, workers, swallowed_s)


@scenario(
    faults="latency, resets and stalls at random moments under load (toxiproxy)",
    bug=Bug(REPEATING.name, *REPEATING.shows, proved_by="commit-answer-lost"),
)
def test_bad_network(trial: Trial, proxied: Proxied) -> Verdict:
    installation, proxy = _behind(trial, proxied)
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        for _ in range(ROUNDS):
            load(installation, workers, trial.dice.uniform(0.2, 1.0))
            _spoil(trial, installation, workers, proxy)
        return settle(installation, workers)


def _spoil(trial: Trial, installation: Installation, workers: Supervisor, proxy: Proxy) -> None:
    stream = trial.dice.choice(["upstream", "downstream"])
    match trial.dice.choice(["latency", "reset", "slow commit", "stall"]):
        case "latency":
            with proxy.toxic("latency", stream, latency=200, jitter=150):
                load(installation, workers, 1.5)
        case "slow commit":
            with proxy.toxic("latency", "downstream", latency=1_500):
                load(installation, workers, 2.0)
        case "stall":
            with proxy.toxic("timeout", stream, timeout=1_500):
                load(installation, workers, 1.6)
        case "reset":
            with proxy.toxic("reset_peer", stream, timeout=0):
                load(installation, workers, 0.5)


def _behind(trial: Trial, proxied: Proxied) -> tuple[Installation, Proxy]:
    """The workers meet the bad network; the load and the checker do not."""
    bootstrap, proxy = proxied
    installation = trial.installation(bootstrap)
    installation.workers_bootstrap = f"{HOST}:{proxy.port}"
    return installation, proxy
