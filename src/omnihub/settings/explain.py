"""Says what is wrong with a configuration: path, value, origin and cure, one line each.

Guarantees: a misspelt key is answered with the nearest known one; a secret is never repeated.
"""

import difflib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from omnihub.settings.secrets import LITERAL_FAULT

Location = tuple[str | int, ...]


def explain(
    error: ValidationError, model: type[BaseModel], origins: Mapping[Location, str], file: str
) -> str:
    """Return one line for every fault that `model` found."""
    return "\n".join(_line(fault, model, origins, file) for fault in error.errors())


def _line(
    fault: ErrorDetails, model: type[BaseModel], origins: Mapping[Location, str], file: str
) -> str:
    at = tuple(part for part in fault["loc"] if part != "[key]")
    path = ".".join(map(str, at)) or file
    origin = _origin(at, origins)
    if fault["type"] == "extra_forbidden":
        return f"{path}{origin} is not a setting.{_nearest(model, at)}"
    if fault["type"] == "missing":
        return f"{path} is missing{origin}.{_purpose(model, at)}"
    if fault["type"] == LITERAL_FAULT:
        return f"{path}{origin} {fault['msg']}."
    if not at:
        return f"{fault['msg']}."
    return f"{path} is {_shown(fault['input'])}{origin}: {fault['msg']}.{_purpose(model, at)}"


def _origin(at: Location, origins: Mapping[Location, str]) -> str:
    for length in range(len(at), 0, -1):
        if found := origins.get(at[:length]):
            return f" (from {found})"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "empty" if value is None else f"'{str(value)[:80]}'"


def _nearest(model: type[BaseModel], at: Location) -> str:
    parent = _model_at(model, at[:-1])
    known = sorted(parent.model_fields) if parent else []
    near = difflib.get_close_matches(str(at[-1]), known, n=1, cutoff=0.5)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known here: {', '.join(known)}." if known else " Remove it."


def _purpose(model: type[BaseModel], at: Location) -> str:
    field = _field_at(model, at)
    return f" It is: {field.description}" if field and field.description else ""


def _field_at(model: type[BaseModel], at: Location) -> FieldInfo | None:
    for length in range(len(at), 0, -1):
        parent = _model_at(model, at[: length - 1])
        field = parent.model_fields.get(str(at[length - 1])) if parent else None
        if field:
            return field
    return None


def _model_at(model: type[BaseModel], at: Location) -> type[BaseModel] | None:
    """Return the model that describes what lies at `at`; mappings are looked through."""
    kind: Any = model
    for part in at:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = _unwrapped(field.annotation) if field else None
        elif get_origin(kind) in (dict, tuple):
            kind = _unwrapped(get_args(kind)[-1 if get_origin(kind) is dict else 0])
        else:
            return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _unwrapped(kind: Any) -> Any:
    """Return X of `X | None`, anything else as it is."""
    options = [option for option in get_args(kind) if option is not type(None)]
    return options[0] if type(None) in get_args(kind) and len(options) == 1 else kind
