"""Speaks to any Confluent-compatible schema registry, ours or another, by URL.

Guarantees: after `register_all` every schema of this release has an id; an unknown id is asked for
when it is first met. Tolerates registries that stray from Confluent's documentation where it does
no harm (extra fields, ids with gaps). Does not: change compatibility levels.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote

import httpx

from omnihub.contracts.avsc import Schema
from omnihub.contracts.errors import ContractError, Undecodable, UnknownSchema
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import own_schemas, self_contained
from omnihub.contracts.released import earlier_schemas
from omnihub.contracts.topics import INBOX_RECORDS, TopicSpec

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = 404
_CONFLICT = 409


def subjects_of(
    topics: Iterable[TopicSpec], schemas: Mapping[str, Schema]
) -> Iterator[tuple[str, str]]:
    """Return subject and full name of every schema on every topic: `<topic>-<full name>`.

    Schemas on no topic (task state, held in changelogs) get the subject `<full name>`.
    """
    placed: set[str] = set()
    for topic in topics:
        kinds = {*topic.records, *INBOX_RECORDS} if ".inbox." in topic.name else set(topic.records)
        for name in sorted(kind.AVRO_NAME for kind in kinds):
            placed.add(name)
            yield f"{topic.name}-{name}", name
    for name in sorted(set(schemas) - placed):
        yield name, name


class RegistryClient:
    """A client used at process start, and for foreign schema ids later (synchronous)."""

    def __init__(
        self, url: str, *, timeout_s: float = 5.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url
        self._schemas = own_schemas()
        self._timeout_s, self._transport = timeout_s, transport

    @cached_property
    def _http(self) -> httpx.Client:
        """The connections, made when first needed: most processes have noted ids and ask nothing.

        Each client reads the certificates, 30 ms of a killed worker's way back.
        """
        return httpx.Client(
            base_url=self._url.rstrip("/"),
            timeout=self._timeout_s,
            transport=self._transport,
            headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; ids handed out can then ask for no foreign schema."""
        if "_http" in self.__dict__:
            self._http.close()

    def register_all(
        self, topics: Sequence[TopicSpec] = (), schemas: Mapping[str, Schema] | None = None
    ) -> SchemaIds:
        """Register every schema under its subjects; return the ids.

        Raises:
            ContractError: the registry refuses one (incompatible, say) and tells why.
            UnknownSchema: the registry does not answer.
        """
        wanted = self_contained(schemas) if schemas is not None else self._schemas
        earlier = earlier_schemas() if schemas is None else {}
        before = self._register(topics, earlier)  # First: the newer one has the higher id.
        ids = self._register(topics, wanted)
        pairs = {name: (before[name], schema) for name, schema in earlier.items()}
        return SchemaIds(ids, wanted, self.schema, pairs)

    def _register(
        self, topics: Sequence[TopicSpec], schemas: Mapping[str, Schema]
    ) -> dict[str, int]:
        ids: dict[str, int] = {}
        for subject, name in subjects_of(topics, schemas):
            if name in schemas:
                ids[name] = self._ask("POST", f"{_path(subject)}/versions", _body(schemas[name]))[
                    "id"
                ]
        return ids

    def ids(self) -> SchemaIds:
        """Return the ids of this release's schemas, which were registered before.

        Raises:
            ContractError: one is not registered.
            UnknownSchema: the registry does not answer.
        """
        subject_of = {subject.rpartition("-")[2]: subject for subject in self._subjects()}

        def id_of(name: str, schema: Schema) -> int:
            if name not in subject_of:
                raise ContractError(
                    f"Schema '{name}' is not registered at {self._url}. "
                    "Start the hub (omnihub up), which registers all of its release."
                )
            found: int = self._ask("POST", _path(subject_of[name]), _body(schema))["id"]
            return found

        ids = {name: id_of(name, schema) for name, schema in self._schemas.items()}
        earlier = earlier_schemas().items()
        pairs = {name: (id_of(name, schema), schema) for name, schema in earlier}
        return SchemaIds(ids, self._schemas, self.schema, pairs)

    def schema(self, schema_id: int) -> Schema:
        """Return the schema behind `schema_id`.

        Raises:
            Undecodable: the registry does not know the id.
            UnknownSchema: the registry does not answer.
        """
        try:
            schema = json.loads(self._ask("GET", f"/schemas/ids/{schema_id}")["schema"])
        except ContractError as error:
            raise Undecodable(
                f"schema id {schema_id} is unknown to {self._url}",
                cure="Connect the registry that gave the id, or skip this record.",
            ) from error
        return schema if isinstance(schema, dict) else {"type": schema}

    def wait_ready(self, patience_s: float) -> None:
        """Return once the registry answers.

        Raises:
            UnknownSchema: it did not within `patience_s`.
        """
        until = time.monotonic() + patience_s
        while True:
            try:
                self._subjects()
            except UnknownSchema:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def _subjects(self) -> list[str]:
        answer: list[str] = self._ask("GET", "/subjects")
        return answer

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body)
        try:
            answer = self._http.request(method, path, content=content)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._silent(type(error).__name__) from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._silent(f"HTTP {answer.status_code}")
        if answer.is_error:
            code = told.get("error_code", answer.status_code)
            raise ContractError(
                f"The registry at {self._url} refuses {method} {path} ({code}): "
                f"{told.get('message', '')}. {_cure(answer.status_code)}"
            )
        return told

    def _silent(self, why: str) -> UnknownSchema:
        return UnknownSchema(
            f"The schema registry at {self._url} does not answer ({why}). "
            "Start it (omnihub up does), or correct registry.url.",
            retry_after_s=1.0,
        )


def _path(subject: str) -> str:
    return f"/subjects/{quote(subject, safe='')}"


def _body(schema: Schema) -> Mapping[str, str]:
    return {"schema": json.dumps(schema, separators=(",", ":"))}


def _cure(status: int) -> str:
    if status == _CONFLICT:
        return "Make the change compatible (omnihub schemas check names the field)."
    if status == _NOT_FOUND:
        return "Register this release's schemas (omnihub up does)."
    return "Correct the request or registry.url."
