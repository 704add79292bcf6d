"""How the simulated shop delivers webhooks: the plugin's ways, and faults on demand."""

import json
from typing import Any

import httpx
import pytest

from omnihub_connectors.woocommerce.doubles import HOOK_URL, KEY, SECRET, Clock, Hub, simple
from omnihub_connectors.woocommerce.simulator import (
    CertainFaults,
    Shop,
    ShopSettings,
    WebhookFaults,
)
from omnihub_connectors.woocommerce.simulator.webhooks import USER_AGENT, Webhook, sign


async def subscribe(shop: Shop, topic: str = "product.updated") -> Webhook:
    return await shop.webhooks.create({"topic": topic, "delivery_url": HOOK_URL, "secret": SECRET})


def bodies(hub: Hub) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in hub.deliveries]


async def test_a_new_webhook_pings_without_signature(shop: Shop, hub: Hub) -> None:
    hook = await subscribe(shop)
    assert hub.pings == [b"webhook_id=1"]
    assert (hook.status, hook.pending_delivery) == ("active", False)


async def test_a_ping_that_fails_is_owed_until_the_next_save(shop: Shop, hub: Hub) -> None:
    hub.status = 500
    hook = await subscribe(shop)
    hub.status = 200
    await shop.webhooks.update(hook.id, {"name": "renamed"})
    assert len(hub.pings) == 2
    assert not hook.pending_delivery


async def test_a_delivery_carries_the_headers_of_the_plugin(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop)
    shop.load([simple("A", 5, name="Café 🍷")])
    await api.put("products/10", json={"stock_quantity": 4})
    assert hub.deliveries == []  # nothing is sent while the shop answers
    await shop.deliveries.drain()
    headers, body = hub.deliveries[0]
    assert headers["x-wc-webhook-source"] == "http://shop.test/"
    assert headers["x-wc-webhook-topic"] == "product.updated"
    assert headers["x-wc-webhook-resource"] == "product"
    assert headers["x-wc-webhook-event"] == "updated"
    assert headers["x-wc-webhook-id"] == "1"
    assert len(headers["x-wc-webhook-delivery-id"]) == 32
    assert headers["x-wc-webhook-signature"] == sign(body, SECRET)
    assert (headers["user-agent"], headers["content-type"]) == (USER_AGENT, "application/json")
    assert rb"Caf\u00e9 \ud83c\udf77" in body
    assert rb"http:\/\/shop.test\/" in body
    assert json.loads(body)["stock_quantity"] == 4


async def test_deliveries_of_one_second_share_their_id(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop)
    shop.load([simple("A"), simple("B")])
    for product_id in (10, 11):
        await api.put(f"products/{product_id}", json={})
    await shop.deliveries.drain()
    ids = {headers["x-wc-webhook-delivery-id"] for headers, _ in hub.deliveries}
    assert (len(hub.deliveries), len(ids)) == (2, 1)


async def test_changes_before_the_delivery_are_one_delivery_of_the_newest(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop)
    shop.load([simple("A", 5)])
    for quantity in (4, 3, 2):
        await api.put("products/10", json={"stock_quantity": quantity})
    await shop.deliveries.drain()
    assert [body["stock_quantity"] for body in bodies(hub)] == [2]


async def test_a_product_in_the_trash_is_told_by_its_id_alone(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop, "product.deleted")
    shop.load([simple("A")])
    await api.delete("products/10")
    await shop.deliveries.drain()
    assert hub.deliveries[0][1] == b'{"id":10}'


async def test_a_product_deleted_for_ever_is_not_told(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop, "product.deleted")
    shop.load([simple("A")])
    await api.delete("products/10", params={"force": True})
    await shop.deliveries.drain()
    assert hub.deliveries == []


async def test_a_failed_delivery_is_not_repeated(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    await subscribe(shop)
    shop.load([simple("A")])
    hub.status = 503
    await api.put("products/10", json={})
    await shop.deliveries.drain()
    hub.status = 200
    await shop.deliveries.drain()
    assert len(hub.deliveries) == 1
    assert (shop.deliveries.delivered, shop.deliveries.failed) == (0, 1)


async def fail(shop: Shop, hub: Hub, api: httpx.AsyncClient, times: int) -> None:
    hub.status = 500
    for _ in range(times):
        await api.put("products/10", json={})
        await shop.deliveries.drain()


async def test_the_counter_must_exceed_five_so_the_seventh_failure_disables(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    hook = await subscribe(shop)
    shop.load([simple("A")])
    await fail(shop, hub, api, 6)
    assert (hook.status, hook.failure_count) == ("active", 6)
    await fail(shop, hub, api, 1)
    assert hook.status == "disabled"
    await fail(shop, hub, api, 1)
    assert len(hub.deliveries) == 7


async def test_switched_on_again_it_keeps_its_counter_until_a_success(
    shop: Shop, hub: Hub, api: httpx.AsyncClient
) -> None:
    hook = await subscribe(shop)
    shop.load([simple("A")])
    await fail(shop, hub, api, 7)
    await api.put(f"webhooks/{hook.id}", json={"status": "active"})
    await fail(shop, hub, api, 1)
    assert hook.status == "disabled"
    await api.put(f"webhooks/{hook.id}", json={"status": "active"})
    hub.status = 302
    await api.put("products/10", json={})
    await shop.deliveries.drain()
    assert (hook.status, hook.failure_count) == ("active", 0)


@pytest.mark.parametrize(
    ("faults", "quantities"),
    [
        (WebhookFaults(drop=1), []),
        (WebhookFaults(duplicate=1), [4, 4, 3, 3]),
        (WebhookFaults(late=1), [4, 3]),
    ],
)
async def test_deliveries_are_dropped_doubled_and_late_on_demand(
    hub: Hub, hub_client: httpx.AsyncClient, faults: WebhookFaults, quantities: list[int]
) -> None:
    shop = Shop(ShopSettings(keys=(KEY,)), hub_client, Clock(), faults)
    await subscribe(shop)
    shop.load([simple("A", 5)])
    for quantity in (4, 3):
        shop.catalog.update(10, {"stock_quantity": quantity})
        await shop.deliveries.drain()
    assert [body["stock_quantity"] for body in bodies(hub)] == quantities
    assert sum(faults.injected.values()) == 2


async def test_a_held_delivery_comes_after_its_successor(
    hub: Hub, hub_client: httpx.AsyncClient
) -> None:
    faults = WebhookFaults(reorder=0.5, seed=3)
    shop = Shop(ShopSettings(keys=(KEY,)), hub_client, Clock(), faults)
    await subscribe(shop)
    shop.load(simple(f"S{number}") for number in range(20))
    for product_id in range(10, 30):
        shop.catalog.update(product_id, {})
    await shop.deliveries.drain()
    arrived = [body["id"] for body in bodies(hub)]
    assert sorted(arrived) == list(range(10, 30))
    assert arrived != sorted(arrived)
    assert faults.injected["reorder"] > 0


@pytest.fixture
async def unlucky(hub_client: httpx.AsyncClient) -> Shop:
    """Return a shop whose first creation is delivered thrice, whose second is overtaken."""
    dice = WebhookFaults(drop=1)
    shop = Shop(ShopSettings(keys=(KEY,)), hub_client, Clock(), dice, CertainFaults(1, 1))
    for topic in ("order.created", "order.updated"):
        await subscribe(shop, topic)
    shop.load([simple("A", 5)])
    return shop


async def buy(shop: Shop) -> int:
    order: int = shop.orders.create({"line_items": [{"sku": "A", "quantity": 1}]})["id"]
    shop.orders.update(order, {"customer_note": "Ring twice"})
    await shop.deliveries.drain()
    return order


def told(hub: Hub, order: int) -> list[str]:
    """Return the topics under which an order was told, in the order of arrival."""
    return [
        headers["x-wc-webhook-topic"]
        for headers, body in hub.deliveries
        if json.loads(body)["id"] == order
    ]


async def test_the_first_creation_is_delivered_three_times_whatever_the_dice_say(
    unlucky: Shop, hub: Hub
) -> None:
    first = await buy(unlucky)
    assert told(hub, first) == ["order.created"] * 3
    assert len({body for _, body in hub.deliveries}) == 1
    assert unlucky.injected()["webhooks_tripled"] == 1


async def test_the_second_creation_is_delivered_only_after_its_update(
    unlucky: Shop, hub: Hub
) -> None:
    _, second, third = [await buy(unlucky) for _ in range(3)]
    assert told(hub, second) == ["order.updated", "order.created"]
    assert told(hub, third) == []  # the dice again
    assert unlucky.injected()["updates_before_creation"] == 1


async def test_what_the_receiver_did_not_accept_is_done_to_the_next_order(
    unlucky: Shop, hub: Hub
) -> None:
    hub.status = 503
    await buy(unlucky)
    assert unlucky.injected()["webhooks_tripled"] == 0
    hub.status = 200
    for _ in range(2):
        await buy(unlucky)
    done = unlucky.injected()
    assert (done["webhooks_tripled"], done["updates_before_creation"]) == (1, 1)


async def test_a_creation_that_no_update_follows_is_not_kept_back(
    hub: Hub, hub_client: httpx.AsyncClient
) -> None:
    shop = Shop(ShopSettings(), hub_client, Clock(), certain_faults=CertainFaults(overtaken=1))
    await subscribe(shop, "order.created")
    shop.load([simple("A", 5)])
    for _ in range(2):
        shop.orders.create({"line_items": [{"sku": "A", "quantity": 1}]})
    await shop.deliveries.drain()
    assert [body["id"] for body in bodies(hub)] == [1000, 1001]
    assert shop.injected()["updates_before_creation"] == 0


async def test_webhooks_are_kept_over_rest(api: httpx.AsyncClient) -> None:
    missing = await api.post("webhooks", json={"topic": "product.updated"})
    assert missing.json()["code"] == "rest_missing_callback_param"
    wrong = await api.post("webhooks", json={"topic": "pear.eaten", "delivery_url": HOOK_URL})
    assert wrong.json()["code"] == "woocommerce_rest_shop_webhook_invalid_topic"
    fields = {"topic": "product.updated", "delivery_url": HOOK_URL, "secret": SECRET}
    hook = (await api.post("webhooks", json=fields)).json()
    assert (hook["status"], hook["resource"], hook["event"]) == ("active", "product", "updated")
    assert "secret" not in hook
    paused = (await api.put(f"webhooks/{hook['id']}", json={"status": "paused"})).json()
    assert paused["status"] == "paused"
    assert [row["id"] for row in (await api.get("webhooks?status=paused")).json()] == [hook["id"]]
    assert (await api.delete(f"webhooks/{hook['id']}")).status_code == 501
    assert (await api.delete(f"webhooks/{hook['id']}?force=true")).status_code == 200
    assert (await api.get("webhooks")).json() == []
