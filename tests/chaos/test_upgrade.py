"""Releases side by side, a way back, a refusal, and writers that changed their schema."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from io import BytesIO
from itertools import zip_longest
from typing import Any

import fastavro
import msgspec
import pytest
from unit.contracts.releases import NOTE, next_release, second_release

from chaos import reading
from chaos.findings import Finding, Kind, Verdict
from chaos.releases import NO_FAULT, Fleet
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, settle, strike, warm_up
from omnihub.broker.clients import Cluster
from omnihub.cli.output import Exit
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import own_schemas
from omnihub.contracts.registry_client import RegistryClient
from omnihub.engine.observer import Unobserved
from omnihub.engine.store import MemoryStore
from omnihub.engine.task import Task
from omnihub.model.record import Record
from omnihub.model.records import StockMoved

RegistryOn = Callable[[Cluster, str], AbstractContextManager[str]]
LIMIT_S = 25.0


@contextmanager
def fleet(trial: Trial, registry_on: RegistryOn) -> Iterator[Fleet]:
    """An installation whose schemas are in a registry."""
    with registry_on(Cluster(trial.kafka()), f"{trial.mark}.schemas") as url:
        installation = Fleet(trial.kafka(), trial.mark, trial.folder, trial.dice, plant=trial.plant)
        installation.connect(url)
        with closing(installation):
            yield installation


@scenario(
    faults="a newer release beside the old, both killed and stopped in turn; then back to the old",
    bug=Bug("new-schema-at-once", Kind.WRONG),
    timeout_s=300,
)
def test_upgrade_and_back(trial: Trial, registry_on: RegistryOn) -> Verdict:
    newer = next_release(trial.folder / "newer")
    with fleet(trial, registry_on) as installation:
        with Supervisor(installation, "a", "b") as workers:
            warm_up(installation, workers)
            installation.releases["b"] = newer
            strike(installation, workers, "b", trial.stage("KILL"))
            strike(installation, workers, "b", trial.stage("STOP"))  # Its share goes to the old…
            strike(installation, workers, "a", trial.stage("STOP"))  # …and all goes to the new.
            strike(installation, workers, "a", trial.stage("KILL"))
            del installation.releases["b"]
            strike(installation, workers, "b", trial.stage("KILL"))
            verdict = settle(installation, workers)
        verdict = verdict.also(other_bytes(installation))
    is_real = installation.told(f"running {newer.root / 'src' / 'omnihub'}")
    return verdict.expect(is_real, "the newer release never ran")


@scenario(
    faults="a release two ahead writes rows, then the old one gets its partitions",
    bug=Bug("newer-rows-admitted", Kind.UNEXPECTED),
    timeout_s=240,
)
def test_upgrade_refused(trial: Trial, registry_on: RegistryOn) -> Verdict:
    ahead = second_release(trial.folder / "ahead")
    with fleet(trial, registry_on) as installation, Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        installation.releases["a"] = ahead
        workers["a"].relaunch(NO_FAULT)
        wrote_ahead = loaded_until(installation, workers, lambda: has_newer_rows(installation))
        for slot in workers.slots.values():
            slot.is_restarted = False
        workers["a"].kill()
        code = ended(installation, workers, "b")
        workers.slots.pop("b").kill()
        workers["a"].relaunch(NO_FAULT)
        workers["a"].is_restarted = True
        load(installation, workers, 1.0)
        verdict = settle(installation, workers)
    verdict = verdict.expect(wrote_ahead, "the release two ahead wrote no row")
    verdict = verdict.expect(code == Exit.REFUSED, f"the old release ended with {code}")
    for text in (
        "TaskRefused: omni.changelog.",
        "'omnihub.StockLevel' under schema id ",
        "A newer release wrote it: run that one again. Nothing was changed.",
        "docs/upgrade.md",
    ):
        verdict = verdict.expect(installation.told(text), f"its error does not say '{text}'")
    return verdict


def ended(installation: Fleet, workers: Supervisor, name: str) -> int | None:
    """Return the exit code of a worker that ends by itself, None if it does not in time."""
    is_over = loaded_until(installation, workers, lambda: not workers[name].is_alive)
    return workers[name].stop() if is_over else None


def loaded_until(
    installation: Fleet, workers: Supervisor, is_true: Callable[[], bool], limit_s: float = LIMIT_S
) -> bool:
    """Go on under load until something is true; tell whether it came true in time."""
    for _ in range(round(limit_s / 0.5)):
        load(installation, workers, 0.5)
        if is_true():
            return True
    return False


def has_newer_rows(installation: Fleet) -> bool:
    """Tell whether the ledger's changelog holds what the checkout does not write."""
    rule, partitions = installation.rules[0], installation.partitions[0]
    frames = installation.own_frames()
    lanes = raw(installation, f"omni.changelog.{rule.name}.v1", partitions)
    return any(seen.record and seen.record[:5] not in frames for lane in lanes for seen in lane)


@scenario(
    faults="a writer adds and drops fields while workers are killed; another breaks the rules",
    bug=Bug("writer-schema-ignored", Kind.LOST),
    timeout_s=180,
)
def test_input_evolves(trial: Trial, registry_on: RegistryOn) -> Verdict:
    with fleet(trial, registry_on) as installation:
        with Supervisor(installation, "a", "b") as workers:
            warm_up(installation, workers)
            ours = installation.codec
            installation.codec = Evolved(ours, installation.client)  # type: ignore[assignment]
            strike(installation, workers, "a", trial.stage("KILL"))
            with pytest.raises(ContractError, match=r"refuses POST .* Make the change compatible"):
                Evolved(ours, installation.client, quantity="string")
            load(installation, workers, 1.0)
            installation.codec = ours
            load(installation, workers, 0.5)
            verdict = settle(installation, workers)
        return verdict.also(other_bytes(installation))


class Evolved:
    """A writer of movements with one field more and one less."""

    def __init__(self, codec: Codec, client: RegistryClient, quantity: str = "long") -> None:
        self.decode = codec.decode
        schema = json.loads(json.dumps(own_schemas()[StockMoved.AVRO_NAME]))
        schema["fields"] = [f for f in schema["fields"] if f["name"] != "order_id"]
        for field in schema["fields"]:
            if field["name"] == "quantity_milli":
                field["type"] = quantity
        schema["fields"].insert(1, NOTE)
        body = {"schema": json.dumps(schema)}
        subject = f"/subjects/{StockMoved.AVRO_NAME}"
        answer = client._ask("POST", f"{subject}/versions", body)
        self._frame = b"\0" + answer["id"].to_bytes(4, "big")
        self._schema = fastavro.parse_schema(schema)

    def encode(self, record: Record) -> bytes:
        """Return a movement as the writer writes it."""
        buffer = BytesIO()
        plain = msgspec.to_builtins(record) | {"note": "unknown to the hub"}
        fastavro.schemaless_writer(buffer, self._schema, plain)
        return self._frame + buffer.getvalue()


# -- byte for byte -------------------------------------------------------------------------------

ByKey = dict[tuple[str, str], list[bytes | None]]


class _Raw:
    """Reads values as they are."""

    decode = staticmethod(lambda value: value)


def other_bytes(installation: Fleet) -> list[Finding]:
    """Return where outputs and rows are not the bytes that the checkout alone would write."""
    outputs, rows = recomputed(installation)
    findings = []
    for (topic, key), found in sorted(committed(installation).items()):
        pairs = zip_longest(outputs[topic, key], found)
        if wrong := sum(one != other for one, other in pairs):
            findings.append(Finding(Kind.WRONG, f"bytes of {topic} {key}", wrong))
    for rule, partitions in zip(installation.rules, installation.partitions, strict=True):
        changelog = f"omni.changelog.{rule.name}.v1"
        for at, lane in enumerate(raw(installation, changelog, partitions)):
            ours = rows[changelog, at]
            kept = {seen.key: seen.record for seen in lane}
            if wrong := sum(ours.get(key) != kept.get(key) for key in {*ours, *kept}):
                findings.append(Finding(Kind.WRONG, f"bytes of rows in {changelog}[{at}]", wrong))
    return findings


def recomputed(installation: Fleet) -> tuple[ByKey, dict[tuple[str, int], dict[str, bytes]]]:
    """Run the checkout's tasks over the committed inboxes, without a broker."""
    outputs: ByKey = defaultdict(list)
    rows: dict[tuple[str, int], dict[str, bytes]] = {}
    codec, topics = Codec(installation.codec._ids), installation.topics
    for rule, partitions in zip(installation.rules, installation.partitions, strict=True):
        for at, lane in enumerate(raw(installation, rule.inbox, partitions)):
            task = Task(rule, at, MemoryStore(codec), codec, topics, Unobserved(), "recomputed")
            task.open(0)
            for seen in lane:
                task.process(seen.offset, seen.timestamp_ms, seen.key.encode(), seen.record)
            for topic, _, key, value, *_ in task.outputs.staged:
                outputs[topic, stream(codec, topic, key.decode(), value)].append(value)
            changes = task.changes() if lane else []
            rows[task.changelog, at] = {k.decode(): v for k, v in changes if v is not None}
    return outputs, rows


def committed(installation: Fleet) -> ByKey:
    """Return the outputs in the log, by topic and key."""
    found: ByKey = defaultdict(list)
    inbox = installation.rules[0].inbox
    for spec in installation.specs:
        if spec.name == inbox or ".changelog." in spec.name:
            continue
        for lane in raw(installation, spec.name, spec.partitions):
            for seen in lane:
                if installation.mark in spec.name or installation.mark in seen.key:
                    key = stream(installation.codec, spec.name, seen.key, seen.record)
                    found[spec.name, key].append(seen.record)
    return found


def stream(codec: Codec, topic: str, key: str, value: bytes | None) -> str:
    """Return what an output is in order with: SKUs of several partitions meet at a location."""
    if value is None or not topic.endswith(".tally.inbox.v1"):
        return key
    return f"{key} {getattr(codec.decode(value), 'sku', '')}"


def raw(installation: Fleet, topic: str, partitions: int) -> Any:
    return reading.read(installation.bootstrap, topic, partitions, _Raw())  # type: ignore[arg-type]
