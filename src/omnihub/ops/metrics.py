"""Every metric of OmniHub, declared once. The only place that imports prometheus_client.

Guarantees: base units, bounded labels (never a key, a path or an id), one owner a figure. Names
are what alerts and dashboards refer to; they change only with a release note.
Does not: hold global state; each process makes one `Metrics` and passes it down.
"""

import platform
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FRESHNESS_S = (*LATENCY_S, 15.0, 30.0, 60.0, 300.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def omnihub_version() -> str:
    """Return the installed version."""
    try:
        return version("omnihub")
    except PackageNotFoundError:
        return "0.0.0"


class Metrics:
    """The metrics of one process. Attributes are named like the metric without its prefix.

    `codec` is what encodes and decodes in it: `native` or `python`.
    """

    def __init__(self, codec: str = "python") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._declare_flow()
        self._declare_engine()
        self._declare_hospital()
        self._declare_connectors()
        self._declare_http()
        build = self._gauge("build_info", "Which code is running.", "version", "python", "codec")
        build.labels(omnihub_version(), platform.python_version(), codec).set(1)

    def render(self) -> bytes:
        """Return the text exposition (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _declare_flow(self) -> None:
        self.events_received = self._counter(
            "events_received", "Deliveries that reached the hub.", "source", "kind"
        )
        self.events_accepted = self._counter(
            "events_accepted", "Deliveries made durable.", "source", "kind"
        )
        self.events_rejected = self._counter(
            "events_rejected", "Deliveries and events refused.", "source", "reason"
        )
        self.events_consumed = self._counter(
            "events_consumed", "Records read from an inbox.", "flow"
        )
        self.events_processed = self._counter(
            "events_processed", "Records processed, by what became of them.", "flow", "outcome"
        )
        self.event_process_duration_seconds = self._histogram(
            "event_process_duration_seconds", "Time in a rule, a batch.", LATENCY_S, "flow"
        )
        self.event_freshness_seconds = self._histogram(
            "event_freshness_seconds",
            "From acceptance of the oldest event covered to the effect acknowledged.",
            FRESHNESS_S,
            "flow",
        )
        self.last_event_processed_timestamp_seconds = self._gauge(
            "last_event_processed_timestamp_seconds", "When a flow last moved.", "flow"
        )
        self.duplicates_suppressed = self._counter(
            "duplicates_suppressed", "Repetitions that had no effect.", "flow"
        )

    def _declare_engine(self) -> None:
        self.consumer_lag_records = self._gauge(
            "consumer_lag_records", "Records not yet read.", "group", "topic", "partition"
        )
        self.live_lag_seconds = self._gauge(
            "live_lag_seconds", "How long ago nothing live was left to read.", "group"
        )
        self.bulk_lag_records = self._gauge(
            "bulk_lag_records", "Records of backfill not yet read.", "group"
        )
        self.partitions_paused = self._gauge(
            "partitions_paused", "Partitions that may not be read now, and why.", "group", "cause"
        )
        self.commit_duration_seconds = self._histogram(
            "commit_duration_seconds", "Time of a transaction's commit.", LATENCY_S, "group"
        )
        self.commits_failed = self._counter(
            "commits_failed", "Transactions that were aborted.", "group", "cause"
        )
        self.rebalances = self._counter("rebalances", "Assignments received.", "group")
        self.assigned_partitions = self._gauge(
            "assigned_partitions", "Partitions this worker owns.", "group"
        )
        self.fenced_writes = self._counter(
            "fenced_writes", "Times another holder of the slot was proven.", "flow"
        )
        self.unknown_schema = self._counter(
            "unknown_schema", "Records whose schema the registry does not know.", "subject"
        )
        self.restored_rows = self._counter(
            "restored_rows", "Rows restored from a changelog.", "flow"
        )
        self.restore_remaining_records = self._gauge(
            "restore_remaining_records", "Changelog records still to be read at a start.", "group"
        )
        self.restore_duration_seconds = self._histogram(
            "restore_duration_seconds", "Time to restore a task partition.", FRESHNESS_S, "flow"
        )
        self.alarms = self._counter(
            "alarms", "Things that must not happen, seen and survived.", "flow", "what"
        )
        self.process_restarts = self._counter(
            "process_restarts", "Times the supervisor restarted a process.", "process"
        )

    def _declare_hospital(self) -> None:
        self.hospital_parked = self._counter("hospital_parked", "Records parked.", "flow")
        self.hospital_backlog_records = self._gauge(
            "hospital_backlog_records", "Records that are parked now.", "flow"
        )
        self.hospital_oldest_timestamp_seconds = self._gauge(
            "hospital_oldest_timestamp_seconds", "When the oldest of them was parked.", "flow"
        )

    def _declare_connectors(self) -> None:
        self.connector_up = self._gauge("connector_up", "1 while it works.", "connector")
        self.connector_requests = self._counter(
            "connector_requests", "Requests to the system.", "connector", "code"
        )
        self.connector_request_duration_seconds = self._histogram(
            "connector_request_duration_seconds", "Time of a request.", LATENCY_S, "connector"
        )
        self.connector_rate_limited = self._counter(
            "connector_rate_limited", "Times the system asked for patience.", "connector"
        )
        self.connector_wait_seconds = self._counter(
            "connector_wait_seconds", "Time spent waiting for a budget.", "connector", "reason"
        )
        self.source_position_timestamp_seconds = self._gauge(
            "source_position_timestamp_seconds",
            "Until when everything of a stream is accepted.",
            "connector",
            "stream",
        )
        self.backfill_running = self._gauge(
            "backfill_running",
            "1 while a stream is read from its beginning.",
            "connector",
            "stream",
        )
        self.backfill_deliveries = self._counter(
            "backfill_deliveries", "Pages accepted by backfills.", "connector", "stream"
        )
        self.retries = self._counter("retries", "Calls tried again.", "flow", "reason")
        self.commands_finished = self._counter(
            "commands_finished", "Commands by outcome.", "connector", "outcome"
        )
        self.observations_dropped = self._counter(
            "observations_dropped",
            "Levels told by a system that does not own stock: observations, never counts.",
            "source",
        )

    def _declare_http(self) -> None:
        self.http_requests = self._counter(
            "http_requests", "Requests answered.", "route", "method", "code"
        )
        self.http_request_duration_seconds = self._histogram(
            "http_request_duration_seconds", "Time to the answer.", LATENCY_S, "route", "method"
        )
        self.http_in_flight = self._gauge("http_in_flight", "Requests being answered.")
        self.sse_clients = self._gauge("sse_clients", "Open event streams.")

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"omnihub_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"omnihub_{name}", help_text, labels, registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"omnihub_{name}", help_text, labels, buckets=buckets, registry=self.registry
        )
