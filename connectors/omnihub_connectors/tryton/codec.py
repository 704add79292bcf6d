"""Tryton's typed JSON: decimals, dates and times as objects that carry their class.

Guarantees: what Tryton encodes is decoded to the Python value it stood for, and back; times are
naive UTC, as Tryton keeps them. Does not: carry `bytes` or unknown classes (they stay objects).
"""

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_CLASS = "__class__"
_DATE = ("year", "month", "day")
_TIME = ("hour", "minute", "second", "microsecond")


def encode(value: Any) -> bytes:
    """Return `value` as Tryton's JSON.

    Raises:
        TypeError: it holds something that Tryton's JSON has no word for.
    """
    return json.dumps(value, default=_typed, separators=(",", ":")).encode()


def decode(text: bytes | str) -> Any:
    """Return the value of Tryton's JSON.

    Raises:
        ValueError: it is no JSON, or a typed value is malformed.
    """
    try:
        return json.loads(text, object_hook=_value)
    except (KeyError, ArithmeticError, TypeError) as error:
        raise ValueError(f"malformed typed value: {error!r}") from None


def _typed(value: object) -> dict[str, object]:
    if isinstance(value, Decimal):
        return {_CLASS: "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        return _parts("datetime", value, _DATE + _TIME)
    if isinstance(value, date):
        return _parts("date", value, _DATE)
    if isinstance(value, time):
        return _parts("time", value, _TIME)
    if isinstance(value, timedelta):
        return {_CLASS: "timedelta", "seconds": value.total_seconds()}
    raise TypeError(f"Tryton's JSON has no word for {type(value).__name__}")


def _parts(name: str, value: object, parts: tuple[str, ...]) -> dict[str, object]:
    return {_CLASS: name, **{part: getattr(value, part) for part in parts}}


def _value(node: dict[str, Any]) -> Any:
    match node.get(_CLASS):
        case "Decimal":
            return Decimal(node["decimal"])
        case "datetime":
            return datetime(*(node[part] for part in _DATE + _TIME))  # noqa: DTZ001 (UTC by contract)
        case "date":
            return date(*(node[part] for part in _DATE))
        case "time":
            return time(*(node[part] for part in _TIME))
        case "timedelta":
            return timedelta(seconds=node["seconds"])
    return node
