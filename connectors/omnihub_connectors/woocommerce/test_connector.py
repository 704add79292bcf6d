"""Check, webhooks, refetch and read-back against the simulated shop."""

import json
from collections.abc import Callable
from time import time

import pytest

from omnihub.connect.sdk import Finding, Health, Observation
from omnihub.model.ids import Sku
from omnihub.model.records import DeliveryKind
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    HOOK_URL,
    SECRET,
    Clock,
    CodeTable,
    Hub,
    refetch_of,
    simple,
)
from omnihub_connectors.woocommerce.simulator import Answer, Shop
from omnihub_connectors.woocommerce.subscriptions import TOPICS

Connect = Callable[[WooCommerceConfig], WooCommerce]


# -- webhooks --


async def test_tending_subscribes_once_to_every_topic(
    woo: WooCommerce, shop: Shop, hub: Hub
) -> None:
    await woo.tend()
    await woo.tend()
    hooks = shop.webhooks.all()
    assert sorted(hook.topic for hook in hooks) == sorted(TOPICS)
    assert {(hook.delivery_url, hook.secret) for hook in hooks} == {(HOOK_URL, SECRET)}
    assert len(hub.pings) == len(TOPICS)


async def test_a_webhook_disabled_by_failures_is_on_again_after_tending(
    woo: WooCommerce, shop: Shop, hub: Hub
) -> None:
    await woo.tend()
    shop.load([simple("A")])
    hub.status = 500
    for _ in range(7):
        shop.catalog.update(10, {})
        await shop.deliveries.drain()
    assert [hook.topic for hook in shop.webhooks.all("disabled")] == ["product.updated"]
    hub.status = 200
    await woo.tend()
    assert shop.webhooks.all("disabled") == []
    shop.catalog.update(10, {})
    await shop.deliveries.drain()
    assert len(hub.deliveries) == 8


async def test_a_webhook_that_a_person_paused_stays_paused(woo: WooCommerce, shop: Shop) -> None:
    await woo.tend()
    await shop.webhooks.update(1, {"status": "paused"})
    await woo.tend()
    assert [hook.id for hook in shop.webhooks.all("paused")] == [1]
    assert len(shop.webhooks.all()) == len(TOPICS)


async def test_webhooks_of_others_are_left_alone(woo: WooCommerce, shop: Shop) -> None:
    theirs = {"topic": "product.updated", "delivery_url": "http://other.test/hook"}
    hook = await shop.webhooks.create(theirs)
    await shop.webhooks.update(hook.id, {"status": "disabled"})
    await woo.tend()
    assert hook.status == "disabled"
    assert len(shop.webhooks.all()) == len(TOPICS) + 1


async def test_without_an_address_nothing_is_subscribed(
    connect: Connect, config: WooCommerceConfig, shop: Shop
) -> None:
    await connect(config.model_copy(update={"webhook_url": None})).tend()
    assert shop.webhooks.all() == []


# -- check --


def by_point(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.point: finding for finding in findings}


async def test_a_healthy_shop_has_only_good_findings_and_no_effect(
    connect: Connect, config: WooCommerceConfig, shop: Shop, clock: Clock
) -> None:
    woo = connect(config)
    await woo.tend()
    shop.load([simple("A", 5)])
    before = json.dumps(list(shop.catalog))
    clock.now_s = time()
    findings = await woo.check()
    assert {finding.health for finding in findings} == {Health.OK}, findings
    assert set(by_point(findings)) == {
        "credentials",
        "clock",
        "rights",
        *(f"webhook {topic}" for topic in TOPICS),
    }
    assert json.dumps(list(shop.catalog)) == before


async def test_wrong_keys_are_one_finding_with_a_cure(
    connect: Connect, config: WooCommerceConfig
) -> None:
    wrong = config.model_copy(update={"consumer_secret": config.webhook_secrets[0]})
    (finding,) = await connect(wrong).check()
    assert (finding.point, finding.health) == ("credentials", Health.FAILED)
    assert "consumer_secret" in finding.cure
    assert SECRET not in finding.detail


async def test_a_read_only_key_fails_the_rights(woo: WooCommerce, shop: Shop) -> None:
    shop.faults.add(Answer(401, "POST", "/products/batch"))
    finding = by_point(await woo.check())["rights"]
    assert (finding.health, finding.cure) == (
        Health.FAILED,
        "Edit the key in the shop: permissions Read/Write.",
    )


@pytest.mark.parametrize(
    ("skew_s", "health"), [(0, Health.OK), (-120, Health.WARNING), (900, Health.FAILED)]
)
async def test_a_wrong_clock_is_seen(
    woo: WooCommerce, clock: Clock, skew_s: float, health: Health
) -> None:
    clock.now_s = time() + skew_s
    assert by_point(await woo.check())["clock"].health is health


async def test_missing_and_disabled_webhooks_are_warnings(woo: WooCommerce, shop: Shop) -> None:
    hook = await shop.webhooks.create({"topic": TOPICS[0], "delivery_url": HOOK_URL})
    await shop.webhooks.update(hook.id, {"status": "disabled"})
    found = by_point(await woo.check())
    assert found[f"webhook {TOPICS[0]}"].detail == "disabled"
    assert found[f"webhook {TOPICS[1]}"].detail == "missing"
    assert {found[f"webhook {topic}"].health for topic in TOPICS} == {Health.WARNING}


# -- refetch and read-back --


async def test_a_refetch_reads_the_product_as_it_is(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A", 5)])
    shop.catalog.trash(10)
    (delivery,) = await woo.refetch(refetch_of("10"))
    assert delivery.kind is DeliveryKind.REFETCH
    assert json.loads(delivery.body)["status"] == "trash"


async def test_a_refetch_of_what_is_gone_says_so_like_the_webhook(woo: WooCommerce) -> None:
    (delivery,) = await woo.refetch(refetch_of("999"))
    assert (delivery.kind, json.loads(delivery.body)) == (DeliveryKind.REFETCH, {"id": 999})


async def test_read_back_tells_every_managed_quantity(
    woo: WooCommerce, shop: Shop, refs: CodeTable
) -> None:
    refs.skus |= {"A": "canonical-a", "hidden": None}
    shop.load([simple("A", 5), {"sku": "unmanaged", "name": "U"}, simple("hidden", 1)])
    shop.load([{"sku": "P", "name": "Shirt", "type": "variable"}])
    shop.catalog.create(simple("P-S", 4), parent_id=13)
    assert await woo.read_back() == [
        Observation(Sku("canonical-a"), None, 5000, "10"),
        Observation(Sku("P-S"), None, 4000, "14"),
    ]


async def test_read_back_reads_all_pages(woo: WooCommerce, shop: Shop) -> None:
    shop.load(simple(f"S{number}", number) for number in range(250))
    seen = await woo.read_back()
    assert {each.sku: each.quantity_milli for each in seen} == {
        f"S{number}": number * 1000 for number in range(250)
    }
    assert shop.requests["GET /products"] == 3
