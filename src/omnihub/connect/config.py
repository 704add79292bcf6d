"""Turns the `connectors` section of omnihub.yaml into instances that can be started.

Guarantees: every fault of an instance is told at once, each with path, value and cure; secrets
come from references only and are never repeated in a message.
Does not: read the file (see `omnihub.settings`) or talk to any system.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from omnihub.connect.personal import Tokens
from omnihub.connect.refs import CrossReferences, Maps
from omnihub.connect.sdk import Connector, ConnectorConfig
from omnihub.connect.understanding import Understanding, Understandings
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import ChannelId, InstanceId, TenantId
from omnihub.settings.explain import explain
from omnihub.settings.model import InstanceSettings
from omnihub.settings.secrets import is_reference, resolve

Find = Callable[[str], type[Connector[Any]]]


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured system: who it is, which connector speaks to it, what it gets."""

    tenant: TenantId
    id: InstanceId
    connector: type[Connector[Any]]
    config: ConnectorConfig
    settings: InstanceSettings

    @property
    def owns(self) -> frozenset[str]:
        """What it is the authority for."""
        return frozenset(self.settings.owns)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a configuration lies: its folder resolves relative files, its name tells origin."""

    folder: Path
    file: str = "omnihub.yaml"


def configure(
    tenant: TenantId,
    sections: Mapping[str, InstanceSettings],
    find: Find,
    environ: Mapping[str, str],
    place: Place,
) -> dict[InstanceId, Instance]:
    """Return the instances of a configuration; `find` gives a connector by its type.

    Raises:
        ConfigurationError: all faults of all instances, one line each.
    """
    instances: dict[InstanceId, Instance] = {}
    faults: list[str] = []
    for name, settings in sections.items():
        instance = InstanceId(name)
        try:
            connector = find(settings.type)
            config = _config(connector, name, settings.config, environ, place)
            instances[instance] = Instance(tenant, instance, connector, config, settings)
        except ConfigurationError as error:
            faults.append(_located(str(error), f"connectors.{name}"))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return instances


def maps_of(instances: Mapping[InstanceId, Instance]) -> Maps:
    """Return how each instance resolves its codes."""
    return {name: instance.settings.map for name, instance in instances.items()}


def channels_of(instances: Mapping[InstanceId, Instance]) -> dict[InstanceId, ChannelId]:
    """Return the channel of each instance whose orders belong to one."""
    return {
        name: ChannelId(instance.settings.orders.channel)
        for name, instance in instances.items()
        if instance.settings.orders
    }


def understandings(
    instances: Mapping[InstanceId, Instance],
    connector: str,
    refs: CrossReferences,
    tokens: Tokens | None = None,
) -> Understandings:
    """Return what split and translate of one connector type need, per instance."""
    return {
        name: Understanding(
            instance.connector.mapping_type(instance.config, tokens), refs.of(name), instance.owns
        )
        for name, instance in instances.items()
        if instance.settings.type == connector
    }


def _located(fault: str, path: str) -> str:
    return fault if fault.startswith(path) else f"{path}: {fault}"


def _config(
    connector: type[Connector[Any]],
    name: str,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    place: Place,
) -> ConnectorConfig:
    path = f"connectors.{name}.config"
    model = connector.config_type
    resolved, faults = _resolved(given, path, environ, place.folder)
    if faults:
        raise ConfigurationError("\n".join(faults))
    try:
        config = model.model_validate(resolved)
    except ValidationError as error:
        lines = explain(error, model, {}, place.file).splitlines()
        raise ConfigurationError("\n".join(f"{path}.{line}" for line in lines)) from None
    if literals := list(_literal_secrets(config, given, path)):
        raise ConfigurationError("\n".join(literals))
    return config


def _resolved(
    node: Any, path: str, environ: Mapping[str, str], folder: Path
) -> tuple[Any, list[str]]:
    """Return `node` with references replaced by `SecretStr`, and what went wrong."""
    if isinstance(node, Mapping):
        parts = {key: _resolved(v, f"{path}.{key}", environ, folder) for key, v in node.items()}
        found = [fault for _, faults in parts.values() for fault in faults]
        return {key: value for key, (value, _) in parts.items()}, found
    if isinstance(node, list):
        items = [_resolved(v, f"{path}.{index}", environ, folder) for index, v in enumerate(node)]
        return [value for value, _ in items], [fault for _, faults in items for fault in faults]
    if not (isinstance(node, str) and is_reference(node)):
        return node, []
    try:
        return resolve(node, environ, folder), []
    except ConfigurationError as error:
        return node, [f"{path} is {error}"]


def _literal_secrets(value: Any, given: Any, path: str) -> Iterator[str]:
    """Yield a line for every secret that was written down instead of referred to."""
    if isinstance(value, SecretStr):
        if isinstance(given, str) and not is_reference(given):
            yield f"{path} is a secret given in clear. Write ${{env:NAME}} or ${{file:PATH}}."
    elif isinstance(value, BaseModel) and isinstance(given, Mapping):
        for name in type(value).model_fields:
            yield from _literal_secrets(getattr(value, name), given.get(name), f"{path}.{name}")
    elif isinstance(value, Mapping) and isinstance(given, Mapping):
        for name, part in value.items():
            yield from _literal_secrets(part, given.get(name), f"{path}.{name}")
    elif isinstance(value, list | tuple) and isinstance(given, list):
        for index, (part, told) in enumerate(zip(value, given, strict=False)):
            yield from _literal_secrets(part, told, f"{path}.{index}")
