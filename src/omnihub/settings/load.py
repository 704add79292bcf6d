"""Reads `omnihub.yaml`, lays the environment over it and remembers where each value came from.

Guarantees: all errors of a file are told at once, each with path, value, origin and cure.
Environment: `OMNIHUB_KAFKA__BOOTSTRAP=host:9092` sets `kafka.bootstrap`; values are read as YAML.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from omnihub.model.errors import ConfigurationError
from omnihub.settings.explain import explain
from omnihub.settings.model import Settings

PREFIX = "OMNIHUB_"
CONFIG_VARIABLE = "OMNIHUB_CONFIG"
DEFAULT_NAME = "omnihub.yaml"
Path_ = tuple[str | int, ...]
Origins = dict[Path_, str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, the file they came from and the origin of every value that was given."""

    settings: Settings
    path: Path
    origins: Mapping[Path_, str]

    @property
    def folder(self) -> Path:
        """What relative paths in the configuration are relative to."""
        return self.path.parent


def find_config(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the file to read: the given one, OMNIHUB_CONFIG, or ./omnihub.yaml.

    Raises:
        ConfigurationError: none of them exists; names every place looked at.
    """
    named = given or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = (named or Path(DEFAULT_NAME)).absolute()
    if path.is_file():
        return path
    places = f"{path}" if named else f"--config, {CONFIG_VARIABLE}, {path}"
    raise ConfigurationError(
        f"No configuration found (looked at: {places}). Write one with `omnihub init`."
    )


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read `path` and the environment.

    Raises:
        ConfigurationError: unreadable, not YAML, or not what `Settings` describes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Mend the file.") from error
    return load_text(text, path.absolute(), environ)


def load_text(text: str, path: Path, environ: Mapping[str, str]) -> Loaded:
    """Like `load`, from text that lies (or would lie) at `path`."""
    origins: Origins = {}
    data = _plain(_parse(text, path), (), path.name, origins)
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} is not a mapping. Start with `version: 1`.")
    _overlay(data, environ, origins)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(explain(error, Settings, origins, path.name)) from error
    absolute = path.parent / settings.data_dir.expanduser()
    return Loaded(settings.model_copy(update={"data_dir": absolute}), path, origins)


@lru_cache(maxsize=1)
def _parse(text: str, path: Path) -> Any:
    """Return ruamel's nodes; a process that was forked has those of the same text already."""
    try:
        return YAML(typ="rt").load(text) or CommentedMap()
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError(
            f"{path.name} line {line} is not YAML: {error.problem}. Mend the line."
        ) from error
    except YAMLError as error:
        raise ConfigurationError(f"{path.name} is not YAML: {error}. Mend the file.") from error


def _plain(node: Any, at: Path_, file: str, origins: Origins) -> Any:
    """Turn ruamel's nodes into plain Python and note the line of every key."""
    if isinstance(node, CommentedMap):
        for key in node:
            origins[(*at, str(key))] = f"{file} line {node.lc.key(key)[0] + 1}"
        return {str(key): _plain(node[key], (*at, str(key)), file, origins) for key in node}
    if isinstance(node, CommentedSeq):
        return [_plain(item, (*at, index), file, origins) for index, item in enumerate(node)]
    return node


def _overlay(data: dict[str, Any], environ: Mapping[str, str], origins: Origins) -> None:
    for name, path in _variables(environ):
        section, at = data, path
        real: list[str] = []
        for part in at:
            key = next((known for known in section if known.lower() == part), part)
            real.append(key)
            if len(real) < len(at):
                section = _section(section, key, name)
        section[real[-1]] = YAML(typ="safe").load(environ[name]) if environ[name] else None
        origins[tuple(real)] = f"environment {name}"


def _section(parent: dict[str, Any], key: str, variable: str) -> dict[str, Any]:
    if parent.get(key) is None:
        parent[key] = {}
    child = parent[key]
    if not isinstance(child, dict):
        raise ConfigurationError(f"{variable} goes below '{key}', which has no parts. Unset it.")
    return child


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the variables that are settings; a near miss of a setting is an error."""
    known = list(Settings.model_fields)
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        parts = name.removeprefix(PREFIX).lower().split("__")
        if parts[0] in known:
            yield name, parts
            continue
        near = difflib.get_close_matches(parts[0], known, n=1, cutoff=0.8)
        if near or len(parts) > 1:
            guess = f" Did you mean {PREFIX}{near[0].upper()}?" if near else " Unset it."
            raise ConfigurationError(f"{name} is set, but '{parts[0]}' is no setting.{guess}")
