"""The one configuration: `omnihub.yaml`, overridden by `OMNIHUB_` environment variables.

Guarantees: unknown keys are errors; every error names path, value, origin and cure; a secret is
only ever a reference. Read once at the composition root and passed down.
Does not: look into a connector's own `config` (see `omnihub.connect.config`), or need a broker.
"""

from omnihub.settings.load import Loaded, find_config, load, load_text
from omnihub.settings.model import (
    ApiSettings,
    ChannelSettings,
    InstanceSettings,
    KafkaSettings,
    LogFormat,
    OpsSettings,
    RegistrySettings,
    SafetySettings,
    Settings,
    WorkerCount,
    json_schema,
)
from omnihub.settings.places import DAYS, Day, LocationSettings, spans_of
from omnihub.settings.secrets import is_reference, resolve
from omnihub.settings.template import TEMPLATE

__all__ = [
    "DAYS",
    "TEMPLATE",
    "ApiSettings",
    "ChannelSettings",
    "Day",
    "InstanceSettings",
    "KafkaSettings",
    "Loaded",
    "LocationSettings",
    "LogFormat",
    "OpsSettings",
    "RegistrySettings",
    "SafetySettings",
    "Settings",
    "WorkerCount",
    "find_config",
    "is_reference",
    "json_schema",
    "load",
    "load_text",
    "resolve",
    "spans_of",
]
