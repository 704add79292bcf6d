"""One installation: its configuration, its instances, its topics and tasks, its cluster.

Guarantees: everything wrong with a configuration is told here, before any process or client
starts; needs no broker.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omnihub.broker import datalock
from omnihub.broker.clients import Cluster
from omnihub.broker.datadir import DataDir
from omnihub.connect.config import Instance, Place, configure
from omnihub.connect.lanes import tasks_of
from omnihub.connect.registry import connector
from omnihub.contracts.topics import Topics, TopicSpec
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import ChannelId, InstanceId, LocationId, TenantId
from omnihub.ops.runfile import RunState, read_run
from omnihub.rules.carts import CartRule
from omnihub.rules.customers import CustomerRule
from omnihub.rules.identity import IdentityRule
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.orders import OrderRule
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.places import StoreLocation
from omnihub.rules.policy import Channel, LevelRoute, MovementRoute, StockPolicy
from omnihub.rules.product import ProductRule
from omnihub.rules.profiles import ProfileRule
from omnihub.rules.results import ResultsRule
from omnihub.rules.stock import StockRule
from omnihub.settings import (
    Loaded,
    Settings,
    find_config,
    load,
    resolve,
)
from omnihub.wiring.order_routes import order_routes
from omnihub.wiring.places import store_locations

RULES = (
    ProductRule,
    StockRule,
    OrderRule,
    CartRule,
    CustomerRule,
    IdentityRule,
    ProfileRule,
    ResultsRule,
    OutboundRule,
)
WORKER_GROUP = "omnihub"


@dataclass(frozen=True)
class Installation:
    """What every process is built from."""

    loaded: Loaded
    environ: Mapping[str, str]
    instances: Mapping[InstanceId, Instance]
    topics: Topics

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.loaded.settings

    @property
    def tenant(self) -> TenantId:
        """The retailer."""
        return TenantId(self.settings.tenant)

    @property
    def data_dir(self) -> Path:
        """Where everything on this machine is kept."""
        return self.settings.data_dir

    @property
    def views_url(self) -> str:
        """Where the SQL views are."""
        return self.settings.views.url or f"sqlite:///{self.data_dir / 'views.sqlite'}"

    def instance(self, name: str) -> Instance:
        """Return the connector instance called `name`.

        Raises:
            ConfigurationError: there is none.
        """
        found = self.instances.get(InstanceId(name))
        if found is None:
            known = ", ".join(sorted(self.instances)) or "none"
            raise ConfigurationError(
                f"connectors.{name} is not configured (configured: {known}). "
                f"Add it to {self.loaded.path}."
            )
        return found

    def connector_types(self) -> list[str]:
        """Return the connector types in use."""
        return sorted({instance.settings.type for instance in self.instances.values()})

    def tasks(self) -> dict[str, str]:
        """Return the inbox of every task, by task name."""
        tasks = {rule.name: rule.inbox for rule in RULES}
        for name in self.connector_types():
            tasks |= tasks_of(name)
        return tasks

    def topic_specs(self) -> list[TopicSpec]:
        """Return every topic that must exist."""
        return self.topics.all(self.connector_types(), self.instances, self.tasks())

    def run(self) -> RunState | None:
        """Return the `omnihub up` that runs on this data, if one does."""
        return read_run(self.data_dir)

    def cluster(self) -> Cluster:
        """Return the cluster: the configured one, or that of the running `omnihub up`.

        Raises:
            ConfigurationError: neither.
        """
        kafka = self.settings.kafka
        run = None if kafka.bootstrap else self.run()
        bootstrap = kafka.bootstrap or (run.bootstrap if run else None) or self._embedded()
        if not bootstrap:
            raise ConfigurationError(
                f"No Kafka: kafka.bootstrap is not set and none runs on {self.data_dir}. "
                "Start one with `omnihub up` or `omnihub kafka start`."
            )
        return Cluster(bootstrap, self._security() if kafka.bootstrap else {})

    def registry_url(self) -> str:
        """Return the registry: the configured one, or that of the running `omnihub up`."""
        run = self.run()
        url = self.settings.registry.url or (run.registry_url if run else None)
        if not url:
            raise ConfigurationError(
                f"No schema registry: registry.url is not set and no `omnihub up` runs on "
                f"{self.data_dir}. Start it."
            )
        return url

    def stock_policy(self) -> StockPolicy:
        """Return what the stock rule is told."""
        channels = self.settings.channels.items()
        sections = self.settings.connectors.items()
        safety = self.settings.safety
        return StockPolicy(
            channels=tuple(
                Channel(ChannelId(name), _places(channel.locations), channel.buffer_milli)
                for name, channel in channels
            ),
            levels=tuple(
                LevelRoute(InstanceId(name), ChannelId(instance.levels.channel))
                for name, instance in sections
                if instance.levels
            ),
            movements=tuple(
                MovementRoute(InstanceId(name), _places(instance.movements.locations))
                for name, instance in sections
                if instance.movements
            ),
            safety_milli={LocationId(at): milli for at, milli in safety.locations.items()},
            default_safety_milli=safety.default_milli,
        )

    def store_locations(self) -> dict[LocationId, StoreLocation]:
        """Return the places as rules know them; empty when the configuration names none."""
        return store_locations(self.settings)

    def order_policy(self) -> OrderPolicy:
        """Return what the order rule is told."""
        orders = self.settings.orders
        return OrderPolicy(
            hold_s=orders.hold_s,
            payment_s=orders.payment_s,
            sources={
                ChannelId(channel): tuple(map(LocationId, sources))
                for channel, sources in orders.sources.items()
            },
            locations=self.store_locations(),
            routes=order_routes(self.settings),
        )

    def _embedded(self) -> str | None:
        files = DataDir(kafka_dir(self.settings))
        node = files.identity() if datalock.is_held(files.lock) else None
        return node.bootstrap if node else None

    def _security(self) -> dict[str, str]:
        kafka = self.settings.kafka
        given = {
            "security.protocol": kafka.security_protocol,
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "ssl.ca.location": str(kafka.ca_file) if kafka.ca_file else None,
        }
        if kafka.sasl_password:
            secret = resolve(kafka.sasl_password, self.environ, self.loaded.folder)
            given["sasl.password"] = secret.get_secret_value()
        if given["security.protocol"] == "PLAINTEXT":
            del given["security.protocol"]
        return {name: value for name, value in given.items() if value is not None}


def open_installation(config: Path | None, environ: Mapping[str, str]) -> Installation:
    """Read the configuration and the connectors it names.

    Raises:
        ConfigurationError: anything wrong with it, all faults of one kind at once.
    """
    loaded = load(find_config(config, environ), environ)
    settings = loaded.settings
    instances = configure(
        TenantId(settings.tenant),
        settings.connectors,
        connector,
        environ,
        Place(loaded.folder, loaded.path.name),
    )
    counts = {"default": settings.partitions.default, "raw": settings.partitions.raw}
    return Installation(loaded, environ, instances, Topics.load(counts=counts))


def kafka_dir(settings: Settings) -> Path:
    """Return where the embedded broker keeps its data."""
    return settings.data_dir / "kafka"


def _places(names: tuple[str, ...]) -> frozenset[LocationId]:
    return frozenset(LocationId(name) for name in names)
