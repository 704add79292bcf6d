"""Adapters: what the engine and the connect layer report, as metrics.

Guarantees: each class fits the port of its layer (`omnihub.connect.observer`) by shape, so that
`ops` imports neither; labels are instances, streams, tasks and outcomes, never ids.
"""

from omnihub.model.ids import InstanceId
from omnihub.ops.metrics import Metrics


class ConnectMetrics:
    """`omnihub.connect.observer.Observer`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def judged(self, instance: InstanceId, verdict: str) -> None:
        """Translate judged one fact or state."""
        flow = f"translate-{instance}"
        self._metrics.events_processed.labels(flow, verdict).inc()
        if verdict == "duplicate":
            self._metrics.duplicates_suppressed.labels(flow).inc()
        elif verdict == "observation":
            self._metrics.observations_dropped.labels(instance).inc()
        elif verdict == "rejected":
            self._metrics.events_rejected.labels(instance, "translate").inc()

    def polled(self, instance: InstanceId, stream: str, deliveries: int, at_us: int) -> None:
        """A poll is durable and its cursor saved."""
        self._metrics.connector_up.labels(instance).set(1)
        self._metrics.events_accepted.labels(instance, "poll").inc(deliveries)
        position = self._metrics.source_position_timestamp_seconds.labels(instance, stream)
        position.set(at_us / 1e6)

    def listed(
        self, instance: InstanceId, stream: str, deliveries: int, *, is_running: bool
    ) -> None:
        """A page of a backfill is durable; the last one ends it."""
        self._metrics.backfill_running.labels(instance, stream).set(int(is_running))
        self._metrics.backfill_deliveries.labels(instance, stream).inc(deliveries)

    def failed(self, instance: InstanceId, part: str, error_class: str) -> None:
        """A poll, write or webhook failed and will be tried again."""
        self._metrics.connector_up.labels(instance).set(0)
        self._metrics.retries.labels(f"{instance}:{part}", error_class).inc()

    def written(self, instance: InstanceId, outcome: str, freshness_s: float) -> None:
        """A command got its result."""
        self._metrics.connector_up.labels(instance).set(1)
        self._metrics.commands_finished.labels(instance, outcome).inc()
        self._metrics.event_freshness_seconds.labels(instance).observe(max(0.0, freshness_s))

    def waited(self, instance: InstanceId, reason: str, seconds: float) -> None:
        """A call waited for its budget or between two attempts."""
        self._metrics.connector_wait_seconds.labels(instance, reason).inc(seconds)

    def webhook(self, instance: InstanceId, status: int) -> None:
        """A webhook was answered."""
        self._metrics.events_received.labels(instance, "webhook").inc()
        if status < 400:
            self._metrics.events_accepted.labels(instance, "webhook").inc()
        else:
            self._metrics.events_rejected.labels(instance, str(status)).inc()


class EngineMetrics:
    """`omnihub.engine.observer.EngineObserver`."""

    def __init__(self, metrics: Metrics, group: str) -> None:
        self._metrics = metrics
        self._group = group

    def processed(self, task: str, outcome: str, count: int) -> None:
        """Records were processed."""
        self._metrics.events_consumed.labels(task).inc(count)
        self._metrics.events_processed.labels(task, outcome).inc(count)
        self._metrics.last_event_processed_timestamp_seconds.labels(task).set_to_current_time()
        if outcome == "parked":
            self._metrics.hospital_parked.labels(task).inc(count)

    def committed(self, duration_s: float, records: int) -> None:
        """A transaction was committed."""
        self._metrics.commit_duration_seconds.labels(self._group).observe(duration_s)

    def aborted(self, cause: str) -> None:
        """A transaction was rolled back."""
        self._metrics.commits_failed.labels(self._group, cause).inc()

    def assigned(self, partitions: int) -> None:
        """So many input partitions are owned now."""
        self._metrics.rebalances.labels(self._group).inc()
        self._metrics.assigned_partitions.labels(self._group).set(partitions)

    def restoring(self, remaining: int) -> None:
        """So many changelog records are still to be read."""
        self._metrics.restore_remaining_records.labels(self._group).set(remaining)

    def restored(self, task: str, rows: int, duration_s: float) -> None:
        """A task's rows were read from its changelog."""
        self._metrics.restored_rows.labels(task).inc(rows)
        self._metrics.restore_duration_seconds.labels(task).observe(duration_s)

    def lagging(self, lags: dict[tuple[str, int], int]) -> None:
        """Records not yet read."""
        self._metrics.consumer_lag_records.clear()
        for (topic, partition), records in lags.items():
            gauge = self._metrics.consumer_lag_records.labels(self._group, topic, partition)
            gauge.set(records)

    def laned(self, live_lag_s: float, bulk_records: int, paused: int) -> None:
        """How long ago nothing live waited, and what of bulk does."""
        self._metrics.live_lag_seconds.labels(self._group).set(live_lag_s)
        self._metrics.bulk_lag_records.labels(self._group).set(bulk_records)
        self._metrics.partitions_paused.labels(self._group, "live_lag").set(paused)

    def parked(self, task: str, partition: int, records: int) -> None:
        """Not exported here: the views own the backlog's figure, over all partitions."""

    def alarmed(self, task: str, what: str) -> None:
        """Something that must not happen was seen and survived."""
        self._metrics.alarms.labels(task, what).inc()
