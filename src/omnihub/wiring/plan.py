"""Which processes `omnihub up` runs, where they listen, and in which order they start.

Guarantees: every port is settled and proven free before anything starts, with an error that names
the setting to change; children get the settled values by environment variables.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omnihub.broker import tcp
from omnihub.broker.datadir import DataDir
from omnihub.broker.embedded import kafka_status
from omnihub.ops.childhood import TOKEN_VARIABLE
from omnihub.ops.nursery import PYTHON_MODULE
from omnihub.ops.server import PortTaken
from omnihub.ops.supervise import ProcessSpec
from omnihub.settings.load import CONFIG_VARIABLE
from omnihub.wiring.installation import Installation, kafka_dir

HOST = "127.0.0.1"
KAFKA, REGISTRY, REST = 0, 1, 2
# What comes from the nursery, by its command; the broker starts before there is one.
WARM = frozenset({"registry", "worker", "views", "api", "connectors"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run and where everything will be."""

    specs: tuple[ProcessSpec, ...]
    environ: Mapping[str, str]
    bootstrap: str
    registry_url: str
    api_url: str
    token: str
    own_port: int


def plan_run(install: Installation) -> Plan:
    """Settle every port and name every process.

    Raises:
        PortTaken: a configured port is in use.
    """
    settings, taken = install.settings, _Ports()
    bootstrap, kafka_environ = _kafka(install, taken)
    registry_url, registry_port = _registry(install, taken)
    api_port = taken.settle("api.port", settings.api.host, settings.api.port)
    token = secrets.token_urlsafe(24)
    environ = {
        **install.environ,
        CONFIG_VARIABLE: str(install.loaded.path),
        TOKEN_VARIABLE: token,
        "OMNIHUB_KAFKA__BOOTSTRAP": bootstrap,
        "OMNIHUB_REGISTRY__URL": registry_url,
        "OMNIHUB_REGISTRY__PORT": str(registry_port),
        "OMNIHUB_API__PORT": str(api_port),
    }
    specs: list[ProcessSpec] = []
    if kafka_environ is not None:
        kafka = _spec("kafka", ("kafka", "run"), KAFKA, taken, kafka_environ, grace_s=35.0)
        specs.append(kafka)
    if settings.registry.url is None:
        specs.append(_spec("registry", ("registry",), REGISTRY, taken))
    specs += _rest(install, taken)
    return Plan(
        specs=tuple(specs),
        environ=environ,
        bootstrap=bootstrap,
        registry_url=registry_url,
        api_url=settings.api.public_url or f"http://{settings.api.host}:{api_port}",
        token=token,
        own_port=taken.free(),
    )


def _rest(install: Installation, taken: "_Ports") -> Iterator[ProcessSpec]:
    for slot in range(install.settings.workers.count):
        yield _spec(f"worker-{slot}", ("worker", "--slot", str(slot)), REST, taken)
    yield _spec("views", ("views",), REST, taken)
    yield _spec("api", ("api",), REST, taken)
    for name in install.instances:
        yield _spec(f"connector-{name}", ("connectors", "run", name), REST, taken)


def _spec(
    name: str,
    arguments: tuple[str, ...],
    stage: int,
    taken: "_Ports",
    environ: Mapping[str, str] | None = None,
    grace_s: float = 10.0,
) -> ProcessSpec:
    port = taken.free()
    command = (*PYTHON_MODULE, *arguments, "--ops-port", str(port))
    is_warm = arguments[0] in WARM
    return ProcessSpec(name, command, port, stage, environ or {}, is_warm, stop_grace_s=grace_s)


def _kafka(install: Installation, taken: "_Ports") -> tuple[str, Mapping[str, str] | None]:
    """Return the bootstrap, and the environment of our own Kafka unless another one is used."""
    settings = install.settings
    if settings.kafka.bootstrap:
        return settings.kafka.bootstrap, None
    running = kafka_status(kafka_dir(settings)).broker
    if running is not None:
        return running.bootstrap, None
    known = DataDir(kafka_dir(settings)).identity()
    if known is not None:
        taken.avoid(known.controller_port)
    wanted = settings.kafka.port or (known.port if known else 0)
    port = taken.settle("kafka.port", HOST, wanted)
    return f"{HOST}:{port}", {"OMNIHUB_KAFKA__BOOTSTRAP": "", "OMNIHUB_KAFKA__PORT": str(port)}


def _registry(install: Installation, taken: "_Ports") -> tuple[str, int]:
    registry = install.settings.registry
    if registry.url is not None:
        return registry.url, registry.port
    port = taken.settle("registry.port", HOST, registry.port)
    return f"http://{HOST}:{port}", port


class _Ports:
    """Hands out ports, none twice."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def free(self) -> int:
        port = tcp.choose_free(HOST, self._given)
        self._given.add(port)
        return port

    def avoid(self, port: int) -> None:
        """Leave a port to a process that chose it itself."""
        self._given.add(port)

    def settle(self, setting: str, host: str, wanted: int) -> int:
        """Return `wanted` if it is free, any free port for 0."""
        if wanted == 0:
            return self.free()
        if wanted in self._given or not tcp.is_free(host, wanted):
            raise PortTaken(
                f"{setting} is {wanted}: {host}:{wanted} is in use by another program. "
                f"End it, or set {setting} to another port (0 = any)."
            )
        self._given.add(wanted)
        return wanted
