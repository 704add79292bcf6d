"""Safety-relevant settings are pinned here: changing one must be a decision, not an accident."""

from typing import Any

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from omnihub.broker import clients
from omnihub.broker.clients import Cluster
from omnihub.broker.transactional import COMMIT_TIMEOUT_S
from omnihub.model.errors import ConfigurationError

CLUSTER = Cluster("127.0.0.1:9")
MIB = 1024 * 1024


def holds(settings: dict[str, Any], **expected: Any) -> None:
    wanted = {name.replace("__", "."): value for name, value in expected.items()}
    assert {name: settings.get(name, "absent") for name in wanted} == wanted


class TestEngine:
    """librdkafka, for the exactly-once loop."""

    def test_a_lost_answer_is_asked_for_again_within_a_transactions_time(self) -> None:
        settings = clients.session_client(CLUSTER)
        holds(settings, request_timeout_ms=2_000)
        assert 2 * settings["request_timeout_ms"] < 1_000 * COMMIT_TIMEOUT_S
        assert 1_000 * COMMIT_TIMEOUT_S < clients.TRANSACTION_TIMEOUT_MS == 5_000

    def test_the_plain_producer_is_durable_idempotent_and_hashes_as_java(self) -> None:
        settings = clients.plain_producer(CLUSTER)
        assert "transactional.id" not in settings
        holds(
            settings,
            acks="all",
            enable__idempotence=True,
            partitioner="murmur2_random",
            retry__backoff__ms=5,
            retry__backoff__max__ms=20,
            message__max__bytes=12 * MIB,
            allow__auto__create__topics=False,
        )

    def test_the_consumer_reads_committed_never_commits_and_keeps_its_place(self) -> None:
        holds(
            clients.worker_consumer(CLUSTER, "omnihub", "host-0-1"),
            isolation__level="read_committed",
            enable__auto__commit=False,
            enable__auto__offset__store=False,
            auto__offset__reset="error",
            group__protocol="classic",
            partition__assignment__strategy="range",
            group__instance__id="host-0-1",
            session__timeout__ms=6_000,
        )

    def test_a_restore_never_jumps_over_a_missing_offset(self) -> None:
        holds(
            clients.restore_consumer(CLUSTER, "stock"),
            isolation__level="read_committed",
            enable__auto__commit=False,
            auto__offset__reset="error",
        )

    def test_a_full_message_fits_through_every_limit(self) -> None:
        settings = clients.worker_consumer(CLUSTER, "g", "s")
        largest = clients.plain_producer(CLUSTER)["message.max.bytes"]
        assert largest <= settings["max.partition.fetch.bytes"] <= settings["fetch.max.bytes"]
        assert settings["receive.message.max.bytes"] >= settings["fetch.max.bytes"] + 512

    def test_librdkafka_knows_every_setting(self) -> None:
        quiet = {"log_level": 0}
        Producer(clients.plain_producer(CLUSTER) | quiet)
        for settings in (
            clients.worker_consumer(CLUSTER, "g", "s"),
            clients.restore_consumer(CLUSTER, "n"),
        ):
            Consumer(settings | quiet).close()
        AdminClient(clients.admin_client(CLUSTER) | quiet)


class TestAsyncio:
    """aiokafka, for connectors, ingress and views."""

    def test_the_producer_is_durable_and_idempotent(self) -> None:
        holds(
            clients.aio_producer(CLUSTER),
            acks="all",
            enable_idempotence=True,
            max_request_size=12 * MIB,
            request_timeout_ms=5_000,
            linger_ms=0,
        )

    def test_readers_see_committed_records_only_and_commit_nothing(self) -> None:
        for settings in (
            clients.aio_reader(CLUSTER),
            clients.aio_group_reader(CLUSTER, "omnihub.web", "web"),
        ):
            holds(
                settings,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=12 * MIB,
            )

    def test_a_sink_keeps_its_partitions_over_a_restart(self) -> None:
        holds(
            clients.aio_group_reader(CLUSTER, "omnihub.web", "web"),
            group_id="omnihub.web",
            group_instance_id="web",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=6_000,
        )


class TestAccess:
    """SASL and TLS reach both libraries from one place."""

    secured = Cluster(
        "kafka.example:9093",
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "hub",
            "sasl.password": "s3cret",
        },
    )

    def test_librdkafka_gets_them_as_they_are(self) -> None:
        holds(
            clients.worker_consumer(self.secured, "g", "s"),
            security__protocol="SASL_SSL",
            sasl__mechanism="SCRAM-SHA-512",
            sasl__password="s3cret",
        )

    @pytest.mark.parametrize("make", [clients.aio_producer, clients.session_client])
    def test_aiokafka_gets_its_own_names_and_a_checking_tls_context(self, make: Any) -> None:
        settings = make(self.secured)
        holds(
            settings,
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username="hub",
            sasl_plain_password="s3cret",
        )
        assert settings["ssl_context"].check_hostname is True

    def test_a_misspelt_setting_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'sasl\.pasword': no such setting"):
            Cluster("x:1", {"sasl.pasword": "s3cret"})

    def test_no_secret_is_printed(self) -> None:
        assert "s3cret" not in repr(self.secured)
