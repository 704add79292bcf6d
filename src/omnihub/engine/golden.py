"""Golden logs: recorded inboxes, and what the rules of the day made of them, byte for byte.

Guarantees: `fold` runs the real task over a recorded inbox and returns every byte it wrote: outputs
and changelog, and the rows these leave. Inputs bring the schemas that wrote them, so they stay as
they were recorded while schemas go on; a schema's id follows from its content, so another record's
arrival changes no byte. Does not: record timers coming due; those that came are in the inbox.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from omnihub.contracts.avsc import Schema
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.engine.driver import TestDriver
from omnihub.rules.rule import Handler

COUNTS = {"default": 1, "raw": 1, "single": 1}
"""One partition of everything: what is recorded is order, not placement."""
INPUT_FILE, RESULT_FILE = "log.json", "result.json"
Line = tuple[str, str, str]
"""One record written: topic, key, value in base64 (empty for a tombstone)."""


@dataclass(frozen=True)
class GoldenLog:
    """One recorded inbox: `rows` are changelog records that were there before."""

    task: str
    schemas: Mapping[int, Schema]
    records: Sequence[tuple[int, str, bytes]]
    rows: Sequence[tuple[str, bytes]] = field(default_factory=tuple)

    @classmethod
    def read(cls, path: Path) -> "GoldenLog":
        """Read a recorded log."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            task=told["task"],
            schemas={int(number): schema for number, schema in told["schemas"].items()},
            records=[(at_ms, key, _bytes(value)) for at_ms, key, value in told["records"]],
            rows=[(key, _bytes(value)) for key, value in told["rows"]],
        )

    def write(self, path: Path) -> None:
        """Write it, one record a line, so that a change can be read."""
        told = {
            "task": self.task,
            "schemas": {str(number): schema for number, schema in self.schemas.items()},
            "records": [[at_ms, key, _text(value)] for at_ms, key, value in self.records],
            "rows": [[key, _text(value)] for key, value in self.rows],
        }
        path.write_text(_one_a_line(told), encoding="utf-8")

    def codec(self) -> Codec:
        """Return a codec that reads what was recorded and writes as today."""
        return Codec(SchemaIds.by_content(self.schemas), Sealer(MemoryVault(), seals_bodies=False))


@dataclass(frozen=True)
class Folded:
    """What a task made of a log: `outputs` and `changelog` as written, `rows` as they are left."""

    outputs: Sequence[Line]
    changelog: Sequence[Line]
    rows: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Folded":
        """Read a recorded result."""
        told = json.loads(path.read_text(encoding="utf-8"))
        outputs, changelog = (
            [(*line,) for line in told[name]] for name in ("outputs", "changelog")
        )
        return cls(outputs, changelog, told["rows"])

    def write(self, path: Path) -> None:
        """Write it, one record a line."""
        told = {"outputs": self.outputs, "changelog": self.changelog, "rows": self.rows}
        path.write_text(_one_a_line(told), encoding="utf-8")


def fold(log: GoldenLog, handler: Handler) -> Folded:
    """Run the task over a recorded inbox as a worker would after restoring `log.rows`."""
    topics, codec = Topics.load(counts=COUNTS), log.codec()
    driver = TestDriver([handler], topics, codec=codec)
    (task,) = driver.tasks
    for key, value in log.rows:
        driver.log.write(task.changelog, 0, key.encode(), value, 0)
    driver.restart()
    for at_ms, key, value in log.records:
        driver.log.write(task.inbox, 0, key.encode(), value, at_ms)
    driver.run()
    changelog = driver.log.read(task.changelog, 0, len(log.rows))
    outputs = [
        (topic, stored.key.decode(), _text(stored.value))
        for topic in driver.log.names()
        if topic not in (task.changelog, task.inbox)
        for stored in driver.log.read(topic, 0)
    ]
    rows = {key: json.loads(msgspec.json.encode(row)) for key, row in driver.rows(log.task).items()}
    written = [(task.changelog, each.key.decode(), _text(each.value)) for each in changelog]
    return Folded(outputs, written, dict(sorted(rows.items())))


def differences(was: Folded, now: Folded, codec: Codec) -> list[str]:
    """Return in words what differs, at most a few of each kind; nothing when no byte does."""
    found: list[str] = []
    for name in ("outputs", "changelog"):
        old, new = getattr(was, name), getattr(now, name)
        pairs = [(at, *pair) for at, pair in enumerate(zip(old, new, strict=False))
                 if tuple(pair[0]) != tuple(pair[1])]  # fmt: skip
        found += [f"{name}[{at}]: {_shown(a, codec)}\n  now: {_shown(b, codec)}"
                  for at, a, b in pairs[:3]]  # fmt: skip
        if len(old) != len(new):
            found.append(f"{name}: {len(old)} records before, {len(new)} now")
    if was.rows != now.rows:
        keys = sorted(was.rows.keys() | now.rows.keys())
        changed = [key for key in keys if was.rows.get(key) != now.rows.get(key)]
        found += [f"rows[{key}]: {was.rows.get(key)}\n  now: {now.rows.get(key)}"
                  for key in changed[:3]]  # fmt: skip
    return found


def _shown(line: Line, codec: Codec) -> str:
    topic, key, value = line
    try:
        told = str(codec.decode(_bytes(value))) if value else "a tombstone"
    except Undecodable:
        told = "(bytes of another schema)"
    return f"{topic} {key} {told}"


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _text(value: bytes | None) -> str:
    return base64.b64encode(value or b"").decode()


def _one_a_line(told: Mapping[str, Any]) -> str:
    parts = []
    for name, value in told.items():
        if isinstance(value, str):
            parts.append(f"{json.dumps(name)}: {json.dumps(value)}")
            continue
        entries = (
            [f"{json.dumps(key)}: {json.dumps(each)}" for key, each in value.items()]
            if isinstance(value, Mapping)
            else [json.dumps(each) for each in value]
        )
        left, right = "{}" if isinstance(value, Mapping) else "[]"
        body = ",\n".join(entries)
        parts.append(f"{json.dumps(name)}: {left}\n{body}\n{right}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
