"""Python source under construction, for the functions that `reading` and `writing` make.

Guarantees: what is compiled comes from checked schemas of this package alone: names of fields and
types are identifiers, values travel as objects and never as text.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import PRIMITIVES, full_name
from omnihub.model import records
from omnihub.model.record import Record

KINDS: dict[str, type[Record]] = {kind.AVRO_NAME: kind for kind in records.RECORDS}
ENUMS: dict[str, type[StrEnum]] = {
    f"{NAMESPACE}.{name}": value
    for name, value in vars(records).items()
    if isinstance(value, type) and issubclass(value, StrEnum) and value is not StrEnum
}


class Names:
    """The named types of one schema, as far as they have been met."""

    def __init__(self) -> None:
        self._known: dict[str, Schema] = {}

    def learn(self, schemas: Mapping[str, Schema]) -> None:
        """Add types by full name."""
        self._known.update(schemas)

    def resolve(self, kind: Any) -> tuple[str, Schema]:
        """Return the Avro type name of `kind` and its schema, names looked up."""
        if isinstance(kind, str) and kind in PRIMITIVES:
            return kind, {"type": kind}
        if isinstance(kind, str):
            kind = self._known[kind if "." in kind else f"{NAMESPACE}.{kind}"]
        if isinstance(kind, list):
            return "union", {"type": "union", "of": kind}
        if "name" in kind:
            self._known[full_name(kind, NAMESPACE)] = kind
        return kind["type"], kind


class Source:
    """Lines of one function, its indentation and the objects it refers to.

    `is_earlier` says that it is for the schema of an earlier release.
    """

    def __init__(self, *, is_earlier: bool = False, **objects: Any) -> None:
        self.is_earlier = is_earlier
        self.objects: dict[str, Any] = objects
        self.names = Names()
        self.resolve = self.names.resolve
        self._lines: list[str] = []
        self._depth = 0
        self._count = 0

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add `head`; what follows inside lies one level deeper."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self) -> str:
        """Return a fresh variable name."""
        self._count += 1
        return f"x{self._count}"

    def keep(self, value: Any) -> str:
        """Make `value` known to the function; return the name it has there."""
        name = f"c{len(self.objects)}"
        self.objects[name] = value
        return name

    def compile(self, name: str) -> Callable[..., Any]:
        """Return the function called `name`."""
        code = compile("\n".join(self._lines), f"<contract {name}>", "exec")
        exec(code, self.objects)  # noqa: S102  (our own text, made from our own schemas)
        made: Callable[..., Any] = self.objects[name]
        return made


def record_class(schema: Schema, *, is_earlier: bool = False) -> type[Record]:
    """Return the record class of `schema`, once its fields are seen to agree.

    Those of an earlier release's schema need not: fields come and go.
    """
    name = full_name(schema, NAMESPACE)
    kind = KINDS.get(name)
    fields = {field["name"] for field in schema["fields"]}
    if kind is None or (not is_earlier and set(kind.__struct_fields__) != fields):
        raise ContractError(
            f"model/records.py and the schema of '{name}' differ. Run omnihub schemas generate."
        )
    return kind


def null_and_other(union: Schema) -> tuple[int, Any]:
    """Return the index of null in a nullable union and the other branch's type."""
    branches = union["of"]
    if len(branches) != 2 or "null" not in branches:
        raise ContractError(f"Union {branches} is not [null, type]. The contract allows no other.")
    null = branches.index("null")
    return null, branches[1 - null]
