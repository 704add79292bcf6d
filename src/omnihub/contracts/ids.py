"""Which registry id stands for which schema, both ways.

Guarantees: ids of our own schemas are known when the process starts; a foreign id is asked for
once and remembered. Registries give ids in ascending order, so of two versions of one record the
newer one has the higher id. Does not: register anything (see `registry_client`).
"""

from collections.abc import Callable, Mapping
from zlib import crc32

from fastavro.schema import to_parsing_canonical_form

from omnihub.contracts.avsc import Schema
from omnihub.contracts.errors import ContractError, Undecodable
from omnihub.contracts.inline import own_schemas

Lookup = Callable[[int], Schema]


def _nowhere(schema_id: int) -> Schema:
    raise Undecodable(
        f"schema id {schema_id} is not one of ours and no registry is connected",
        cure="Set OMNIHUB_REGISTRY__URL to the registry that gave the id, then retry.",
    )


class SchemaIds:
    """The registry's answers: `ids` maps full name to id, `lookup` fetches a schema by id.

    `earlier` maps full name to the id and schema of the release before, where they differ.
    `lookup` raises `UnknownSchema` when the registry does not answer and `Undecodable` when it
    does not know the id.
    """

    def __init__(
        self,
        ids: Mapping[str, int],
        schemas: Mapping[str, Schema],
        lookup: Lookup = _nowhere,
        earlier: Mapping[str, tuple[int, Schema]] | None = None,
    ) -> None:
        self._ids = dict(ids)
        self._earlier = dict(earlier or {})
        self._schemas = dict(self._earlier.values())
        self._schemas |= {ids[name]: schema for name, schema in schemas.items() if name in ids}
        self._lookup = lookup

    @classmethod
    def offline(cls) -> "SchemaIds":
        """Number our own schemas by name, from 1: for tests that need no registry."""
        schemas = own_schemas()
        return cls({name: at for at, name in enumerate(sorted(schemas), start=1)}, schemas)

    @classmethod
    def by_content(cls, others: Mapping[int, Schema] | None = None) -> "SchemaIds":
        """Number our own schemas by what they say: for golden logs, whose bytes hold the ids.

        A new record moves no other's id, a changed one gets a new id. `others` are the schemas of
        other releases by the ids that they had this way.
        """
        schemas, known = own_schemas(), dict(others or {})

        def lookup(schema_id: int) -> Schema:
            return known[schema_id] if schema_id in known else _nowhere(schema_id)

        return cls({name: content_id(schema) for name, schema in schemas.items()}, schemas, lookup)

    def earlier(self, full_name: str) -> tuple[int, Schema] | None:
        """Return id and schema of `full_name` in the release before, if it was another one."""
        return self._earlier.get(full_name)

    def id_of(self, full_name: str) -> int:
        """Return the id under which `full_name` is written."""
        try:
            return self._ids[full_name]
        except KeyError:
            raise ContractError(
                f"Record '{full_name}' has no schema id. Register it first (omnihub up does)."
            ) from None

    def schema_of(self, schema_id: int) -> Schema:
        """Return the writer's schema behind `schema_id`.

        Raises:
            UnknownSchema: the registry does not answer now.
            Undecodable: no registry knows the id.
        """
        found = self._schemas.get(schema_id)
        if found is None:
            found = self._schemas[schema_id] = self._lookup(schema_id)
        return found


def content_id(schema: Schema) -> int:
    """Return an id that follows from what a schema means: no comment or default changes it."""
    return crc32(to_parsing_canonical_form(schema).encode()) & 0x7FFF_FFFF
