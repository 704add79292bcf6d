"""How commands print: tables for people, JSON for programs, the cure for every error.

Guarantees: data goes to stdout, messages to stderr; with --json stdout is one JSON document (or
one a line for streams); exit codes are those of docs/cli.md.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from omnihub.model.errors import (
    ConfigurationError,
    OmniHubError,
    ParkError,
    Refused,
    RetryableError,
)
from omnihub.model.time import from_us

PIPE_COLUMNS = 400


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


def exit_code(error: OmniHubError) -> Exit:
    """Return the exit code of an error."""
    if isinstance(error, ConfigurationError):
        return Exit.USAGE
    if isinstance(error, Refused):
        return Exit.REFUSED
    return Exit.UNAVAILABLE if isinstance(error, RetryableError) else Exit.FAILED


def stdout() -> Console:
    """Return the console for data; what is piped is never cut to a terminal's width."""
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False)


def stderr() -> Console:
    """Return the console for messages."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_error(error: OmniHubError) -> None:
    """Print what went wrong and what to do."""
    stderr().print(f"[bold red]error:[/] {_escaped(str(error))}")
    if isinstance(error, ParkError) and error.cure:
        stderr().print(f"[bold]cure:[/]  {_escaped(error.cure)}")


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line, at once."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print rows as a table; `empty` says what it means that there are none."""
    if not rows:
        stderr().print(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_escaped(shown(row.get(column))) for column in columns))
    stdout().print(table)


def shown(value: Any) -> str:
    """Return a value as a cell."""
    return "" if value is None else str(value)


def units(milli: int) -> str:
    """Return thousandths as units, without needless zeros."""
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def moment(at_us: int) -> str:
    """Return UTC micros as text."""
    return from_us(at_us).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    return str(value) if isinstance(value, Path) else value
