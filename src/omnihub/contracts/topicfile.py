"""Reads and checks schemas/topics.yaml.

Guarantees: what it returns is complete and consistent: known records, key fields that exist, known
partition counts, a cleanup policy with its retention, no name twice. Every complaint names the
path inside the file, the value and the cure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from omnihub.contracts.errors import ContractError
from omnihub.model.record import Record
from omnihub.model.records import RECORDS

Cleanup = Literal["delete", "compact"]
Lane = Literal["live", "bulk"]
PLACEHOLDERS = ("connector", "instance", "task")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_KEY_FIELD = re.compile(r"\{([^{}]*)\}")
_TOPIC_KEYS = {
    *("name", "records", "partition_by", "partitions", "cleanup", "retention_hours", "lane"),
}


@dataclass(frozen=True)
class TopicPattern:
    """One entry of topics.yaml; `name` may hold one placeholder, `records` maps name to key."""

    name: str
    records: Mapping[str, str]
    partitions: str
    cleanup: Cleanup
    retention_hours: int | None
    partition_by: str | None
    lane: Lane = "live"

    @cached_property
    def placeholder(self) -> str | None:
        """The placeholder in the name: connector, instance, task or None."""
        found = _PLACEHOLDER.search(self.name)
        return found.group(1) if found else None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        fixed = _PLACEHOLDER.split(self.name)
        return re.compile("[A-Za-z0-9_-]+".join(re.escape(part) for part in fixed[::2]))

    def matches(self, name: str) -> bool:
        """Say whether `name` is an instance of this pattern."""
        return self._regex.fullmatch(name) is not None


@lru_cache
def read_topics(path: Path) -> tuple[list[TopicPattern], dict[str, int]]:
    """Return the topics and the partition counts of `path`.

    Raises:
        ContractError: the file is missing, no YAML, or wrong in the place that the error names.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise ContractError(f"{path} cannot be read: {error}. Restore the file.") from error
    reader = _Checker(path)
    reader.mapping(document, "the document", {"partition_counts", "topics"})
    counts = reader.counts(document.get("partition_counts"))
    entries = document.get("topics")
    if not isinstance(entries, list) or not entries:
        raise reader.error("topics", entries, "it must be a list of topics", "Add at least one.")
    topics = [reader.topic(entry, f"topics[{at}]", counts) for at, entry in enumerate(entries)]
    names = [topic.name for topic in topics]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise reader.error(f"topics[{at}].name", name, "it is declared twice", "Remove one.")
    return topics, counts


@dataclass(frozen=True)
class _Checker:
    source: Path

    def error(self, path: str, value: object, why: str, cure: str) -> ContractError:
        return ContractError(f"{path} is {value!r} (from {self.source}): {why}. {cure}")

    def mapping(self, value: Any, path: str, allowed: set[str]) -> None:
        if not isinstance(value, dict):
            raise self.error(
                path, value, "it must be a mapping", f"Use the keys {sorted(allowed)}."
            )
        for key in value:
            if key not in allowed:
                raise self.error(
                    f"{path}.{key}", value[key], "no such key", f"Use {sorted(allowed)}."
                )

    def counts(self, value: Any) -> dict[str, int]:
        if not isinstance(value, dict):
            raise self.error(
                "partition_counts", value, "it must be a mapping", "Map names to counts."
            )
        for name, count in value.items():
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                path = f"partition_counts.{name}"
                raise self.error(path, count, "it is no positive integer", "Set 1 or more.")
        return dict(value)

    def topic(self, entry: Any, path: str, counts: Mapping[str, int]) -> TopicPattern:
        self.mapping(entry, path, _TOPIC_KEYS)
        name = self.name(entry.get("name"), f"{path}.name")
        records = entry.get("records")
        if not isinstance(records, dict):
            raise self.error(
                f"{path}.records", records, "it must be a mapping", "Map record names to keys."
            )
        for record, key in records.items():
            self.key(record, key, f"{path}.records.{record}")
            if (part := entry.get("partition_by")) is not None:
                self.key(record, part, f"{path}.partition_by")
                self.prefix(part, key, f"{path}.partition_by")
        partitions = entry.get("partitions")
        if partitions not in {*counts, "inbox"}:
            cure = f"Use inbox or one of partition_counts: {sorted(counts)}."
            raise self.error(f"{path}.partitions", partitions, "no such count", cure)
        cleanup, hours = self.retention(entry, path)
        lane = self.lane(entry.get("lane", "live"), f"{path}.lane")
        part = entry.get("partition_by")
        return TopicPattern(name, records, partitions, cleanup, hours, part, lane)

    def lane(self, lane: Any, path: str) -> Lane:
        for known in get_args(Lane):
            if lane == known:
                found: Lane = known
                return found
        raise self.error(path, lane, "no such lane", "Use live or bulk.")

    def name(self, name: Any, path: str) -> str:
        if not isinstance(name, str) or not re.fullmatch(r"omni\.[a-z0-9.{}]+\.v[0-9]+", name):
            raise self.error(
                path, name, "it is no topic name", "Write omni.<area>.<what>.v<number>."
            )
        marks = _PLACEHOLDER.findall(name)
        if len(marks) > 1 or not set(marks) <= set(PLACEHOLDERS):
            cure = f"Use at most one of {PLACEHOLDERS}."
            raise self.error(path, name, f"placeholders {marks} are not allowed", cure)
        return name

    def key(self, record: str, template: Any, path: str) -> None:
        kinds: dict[str, type[Record]] = {kind.__name__: kind for kind in RECORDS}
        if record not in kinds:
            raise self.error(path, record, "no .avsc defines this record", "Fix the name.")
        fields = _KEY_FIELD.findall(template) if isinstance(template, str) else []
        if not fields:
            raise self.error(path, template, "it names no field", 'Write for example "{sku}".')
        for field in fields:
            self.key_field(kinds[record], field, path)

    def prefix(self, partition_by: str, key: str, path: str) -> None:
        if not key.startswith(f"{partition_by}:"):
            why = f"a tombstone's partition must follow from its key, which is '{key}'"
            raise self.error(path, partition_by, why, "Let the key start with partition_by.")

    def key_field(self, kind: type[Record], dotted: str, path: str) -> None:
        owner: Any = kind
        for part in dotted.split("."):
            hints = get_type_hints(owner) if isinstance(owner, type) else {}
            if part not in hints or part == "AVRO_NAME":
                why = f"{kind.__name__} has no field '{dotted}'"
                raise self.error(path, dotted, why, f"Use a field of {kind.__name__}.")
            owner = hints[part]
        if type(None) in get_args(owner):
            why = f"field '{dotted}' may be null, and a key may not"
            raise self.error(path, dotted, why, "Use a field that is always set.")

    def retention(self, entry: Mapping[str, Any], path: str) -> tuple[Cleanup, int | None]:
        cleanup, hours = entry.get("cleanup"), entry.get("retention_hours")
        if cleanup == "compact" and hours is None:
            return "compact", None
        if cleanup == "delete" and isinstance(hours, int) and hours > 0:
            return "delete", hours
        if cleanup not in get_args(Cleanup):
            raise self.error(f"{path}.cleanup", cleanup, "no such policy", "Use delete or compact.")
        why = "delete needs retention_hours of 1 or more, compact takes none"
        raise self.error(f"{path}.retention_hours", hours, why, "Add or remove it.")
