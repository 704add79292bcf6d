"""Finds connectors: every installed distribution may bring some, by entry point.

Guarantees: `pip install` makes a connector appear; two of the same name, or one that cannot be
imported, is an error that names the distribution. Does not: import a connector nobody asks for.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from omnihub.connect.sdk import Connector
from omnihub.model.errors import ConfigurationError

GROUP = "omnihub.connectors"


def connector_names(found: Iterable[EntryPoint] | None = None) -> list[str]:
    """Return the names of all installed connectors, sorted."""
    return sorted({point.name for point in _points(found)})


def connector(name: str, found: Iterable[EntryPoint] | None = None) -> type[Connector[Any]]:
    """Return the connector called `name`.

    Raises:
        ConfigurationError: there is none, or two, or it cannot be imported.
    """
    points = _points(found)
    named = [point for point in points if point.name == name]
    if not named:
        known = ", ".join(connector_names(points)) or "none"
        raise ConfigurationError(
            f"connector type '{name}' is not installed (installed: {known}). "
            "Install the wheel that brings it, or correct the name."
        )
    if len({point.value for point in named}) > 1:
        values = ", ".join(sorted(_described(point) for point in named))
        raise ConfigurationError(
            f"connector type '{name}' is installed twice ({values}). Uninstall one of them."
        )
    return _load(named[0])


def _points(found: Iterable[EntryPoint] | None) -> list[EntryPoint]:
    return list(entry_points(group=GROUP) if found is None else found)


def _load(point: EntryPoint) -> type[Connector[Any]]:
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"connector {_described(point)} cannot be imported: {error}. Reinstall its wheel."
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Connector)):
        raise ConfigurationError(
            f"connector {_described(point)} is no Connector. Correct the entry point."
        )
    return loaded


def _described(point: EntryPoint) -> str:
    return f"{point.name} = {point.value} (from {point.dist.name if point.dist else 'unknown'})"
