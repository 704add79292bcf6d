"""One broker is stopped, killed, or not there yet, while the workers go on asking."""

from chaos.brokers import OUTAGE_S, load_while
from chaos.findings import Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, settle, warm_up
from omnihub.broker.embedded import EmbeddedKafka

HASTY = Bug("acknowledged-too-early", Kind.LOST)


@scenario(
    faults="broker stopped by SIGTERM under load, back after 8 s",
    bug=Bug(HASTY.name, *HASTY.shows, proved_by="broker-restart-hard"),
)
def test_broker_restart_clean(trial: Trial, own_kafka: EmbeddedKafka) -> Verdict:
    return _restarted(trial, own_kafka, own_kafka.stop)


@scenario(faults="broker killed by SIGKILL under load, back after 8 s", bug=HASTY)
def test_broker_restart_hard(trial: Trial, own_kafka: EmbeddedKafka) -> Verdict:
    return _restarted(trial, own_kafka, own_kafka.kill)


def _restarted(trial: Trial, kafka: EmbeddedKafka, end) -> Verdict:
    installation = trial.installation(_bootstrap(kafka))
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        load(installation, workers, 1.0)
        load_while(installation, workers, end)
        load(installation, workers, OUTAGE_S)
        load_while(installation, workers, kafka.start)
        return settle(installation, workers).expect(
            "rolled back" in installation.log.read_text(), "no worker said that it rolled back"
        )


@scenario(
    faults="broker absent when the workers start, back after 5 s",
    bug=Bug("starts-at-the-end", Kind.LOST, Kind.WRONG),
)
def test_broker_absent_at_start(trial: Trial, own_kafka: EmbeddedKafka) -> Verdict:
    installation = trial.installation(_bootstrap(own_kafka))
    installation.append(500)
    installation.flush()
    own_kafka.stop()
    with Supervisor(installation, "a", "b") as workers:
        load(installation, workers, 5.0)
        load_while(installation, workers, own_kafka.start)
        return settle(installation, workers)


def _bootstrap(kafka: EmbeddedKafka) -> str:
    running = kafka.status().broker
    assert running is not None
    return running.bootstrap
