"""The worker of the lanes benchmark: a shop whose products are backfilled, a till that sells.

All rules that products and stock pass through are the shipped ones. `--plant no-lanes` is the
planted bug: bulk topics are read like any other, so backfill and live records wait in one queue.
"""

import argparse
import dataclasses
import json
import signal
import threading
from types import FrameType
from typing import Any

from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping

from omnihub.broker.clients import Cluster
from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.lanes import Lane
from omnihub.connect.sdk import ConnectorConfig, Fact, Mapping, Refs, State
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import Understanding
from omnihub.connect.valve import Valve
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.ids import ChannelId, InstanceId, LocationId, MovementId, Sku
from omnihub.model.records import MovementKind, RawDelivery, SourceEntity, StockMoved
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.policy import Channel, LevelRoute, StockPolicy
from omnihub.rules.product import ProductRule
from omnihub.rules.results import ResultsRule
from omnihub.rules.rule import Handler
from omnihub.rules.stock import StockRule

COUNTS = {"default": 4, "raw": 2}
WEB, STORE = ChannelId("WEB"), LocationId("store")
GROUP = "lanes"


class PlainRefs:
    """Every code is canonical."""

    channel = WEB

    def resolve(self, kind: str, code: str) -> str:
        """Return the code itself."""
        return code

    def code_of(self, kind: str, canonical: str) -> str:
        """Return the id itself."""
        return canonical


class TillMapping(Mapping[ConnectorConfig]):
    """One delivery is one sale."""

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Return the sale."""
        return [source_entity(delivery, "sale", delivery.name, delivery.body)]

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell what left the store."""
        sale: dict[str, Any] = json.loads(entity.body)
        moved = StockMoved(
            meta=event_meta(entity, "moved", entity.accepted_at_us),
            movement_id=MovementId(f"till:{entity.entity_id}"),
            sku=Sku(sale["sku"]),
            kind=MovementKind.RECEIPT,
            to_location=STORE,
            quantity_milli=1000,
        )
        return [Fact(entity.entity_id, (moved,))]


def topics(*, has_lanes: bool = True) -> Topics:
    """Return the contract; without lanes everything is live."""
    known = Topics.load(counts=COUNTS)
    if has_lanes:
        return known
    live = [dataclasses.replace(pattern, lane="live") for pattern in known.patterns]
    return Topics(live, known.counts)


def handlers(contract: Topics) -> list[Handler]:
    """Return what the worker runs."""
    shop = WooCommerceConfig.model_validate(
        {"url": "https://shop.test", "consumer_key": "k", "consumer_secret": "s"}
    )
    mappings: dict[str, Mapping[Any]] = {
        "till": TillMapping(ConnectorConfig()),
        "woocommerce": WooCommerceMapping(shop),
    }
    connected: list[Handler] = []
    for connector, mapping in mappings.items():
        known = {InstanceId(connector): Understanding(mapping, PlainRefs())}
        connected += [Split(connector, known, lane=lane) for lane in Lane]
        connected += [Valve(connector), Translate(connector, known, contract.inbox_of)]
    policy = StockPolicy(
        channels=(Channel(WEB, frozenset({STORE})),),
        levels=(LevelRoute(InstanceId("web"), WEB),),
    )
    return [*connected, ProductRule(), StockRule(policy), OutboundRule(), ResultsRule()]


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--slot", default="0")
    parser.add_argument("--plant", choices=["no-lanes"])
    options = parser.parse_args()
    contract = topics(has_lanes=options.plant is None)
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    settings = WorkerSettings(Cluster(options.bootstrap), GROUP, options.slot)
    Worker(settings, handlers(contract), Codec.offline(), contract).run(stop)


if __name__ == "__main__":
    main()
