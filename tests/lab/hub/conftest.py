"""One running hub for every test of this folder: tills, a web store, an app, all on real Kafka.

Tests stay apart by their own SKUs. The modules that break something for all (the broker, the log)
put it right again before they end.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnihub.broker.tcp import choose_free

sys.path.insert(0, str(Path(__file__).parent))

from ordering import ORDER_SKUS, WRITE_KEY, with_orders
from running_hub import WEB_STORE, Hub, config_of, without_trace
from web_shop import KEYS, WEBHOOK_SECRET, Shop

SKUS = 60
SHOP_SKUS = ("W-twice", "W-second", "W-gone", "W-sold", "W-counted")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The web store."""
    products = [
        {"sku": sku, "name": f"Product {sku}", "manage_stock": True, "stock_quantity": 5}
        for sku in SHOP_SKUS
    ]
    products += [
        {"sku": sku, "name": sku, "regular_price": "1.99", "manage_stock": True}
        for sku in ORDER_SKUS
    ]
    running = Shop(choose_free("127.0.0.1"), products, tmp_path_factory.mktemp("shop"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def hub(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub, ready, with the codes of store 367 and of items T-0 .. T-59 set."""
    folder = tmp_path_factory.mktemp("hub")
    config = with_orders(config_of(folder, choose_free("127.0.0.1"), shop.url))
    secrets = {"LAB_WEBHOOK_SECRET": WEBHOOK_SECRET, "LAB_WRITE_KEY": WRITE_KEY}
    running = Hub(folder, config, {**KEYS, **secrets})
    running.start()
    set_codes(running)
    yield running
    code = running.stop()
    without_trace(running.shown.read_text())
    assert code == 0, running.shown.read_text()


def set_codes(hub: Hub) -> None:
    """Tell the hub what the tills' codes mean, as an operator does: by one file."""
    rows = [("pos", "location", "367", "store-367"), ("pos", "location", "500", WEB_STORE)]
    skus = (*SHOP_SKUS, *ORDER_SKUS, *(f"T-{n}" for n in range(SKUS)))
    rows += [(source, "sku", sku, sku) for source in ("pos", "app") for sku in skus]
    lines = ["instance,kind,code,canonical", *(",".join(row) for row in rows)]
    (hub.folder / "codes.csv").write_text("\n".join(lines) + "\n")
    assert hub.command("map", "import", "codes.csv").returncode == 0
