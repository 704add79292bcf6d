"""From WooCommerce orders to `OrderPlaced`: real bytes of the simulated shop."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from omnihub.connect.kit import TOKENS
from omnihub.connect.personal import order_id_of
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    CustomerObserved,
    FulfilmentType,
    Money,
    OrderIntent,
    OrderPlaced,
    PaymentState,
    Rejected,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.doubles import (
    KEY,
    Clock,
    CodeTable,
    Worker,
    checkout,
    pickup,
    simple,
)
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import Shop, ShopSettings, Tax
from omnihub_connectors.woocommerce.simulator.webhooks import php_json

TEN_US = 1_795_341_600_000_000  # 2026-11-22T10:00:00Z
A, B = simple("A", 5, regular_price="10.00"), simple("B", 5, regular_price="2.50")


@pytest.fixture
def worker(config: WooCommerceConfig, refs: CodeTable) -> Worker:
    return Worker(WooCommerceMapping(config, TOKENS), refs)


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.load([A, B])
    return shop


def told(worker: Worker, row: dict[str, Any], **changes: Any) -> list[Record]:
    return worker.accept(php_json({**row, **changes}), stream="order.updated")


def placed(records: list[Record]) -> OrderPlaced:
    (event,) = (record for record in records if isinstance(record, OrderPlaced))
    return event


def rejected(records: list[Record]) -> Rejected:
    (event,) = records
    assert isinstance(event, Rejected)
    return event


async def test_an_order_is_told_whole(stocked: Shop, worker: Worker) -> None:
    event = placed(told(worker, stocked.orders.create(checkout("A", "B"))))
    assert event.order_id == order_id_of(TenantId("acme"), InstanceId("web"), "1000")
    assert (event.number, event.channel, event.currency) == ("1000", "web", "EUR")
    assert (event.intent, event.payment) == (OrderIntent.PLACE, PaymentState.PAID)
    assert [(line.sku, line.quantity_milli, line.total_minor) for line in event.lines] == [
        ("A", 1000, 1000),
        ("B", 1000, 250),
    ]
    assert event.lines[0].unit_price == Money(unscaled=1000, scale=2, currency="EUR")
    assert {line.fulfilment for line in event.lines} == {FulfilmentType.SHIP}
    assert (event.shipping_minor, event.rounding_minor, event.total_minor) == (495, 0, 1745)
    assert (event.placed_at_us, event.meta.version) == (TEN_US, TEN_US)


async def test_the_buyer_is_sealed_and_known_by_tokens(stocked: Shop, worker: Worker) -> None:
    event = placed(told(worker, stocked.orders.create(checkout("A"))))
    assert event.contact is not None
    assert event.contact.subject == event.subject
    assert event.contact.email == Personal("ada@example.org")
    assert event.contact.phone == Personal("+31301234567")
    assert event.contact.email_token == TOKENS.email("ada@example.org")
    assert event.contact.country == "NL"
    assert "Ada" not in repr(event)
    assert "example" not in repr(event)


@pytest.mark.parametrize(
    ("status", "method", "intent", "payment"),
    [
        ("pending", "stripe", OrderIntent.PLACE, PaymentState.UNPAID),
        ("on-hold", "bacs", OrderIntent.PLACE, PaymentState.UNPAID),
        ("on-hold", "cod", OrderIntent.PLACE, PaymentState.ON_COLLECTION),
        ("processing", "cod", OrderIntent.PLACE, PaymentState.ON_COLLECTION),
        ("processing", "bacs", OrderIntent.PLACE, PaymentState.PAID),
        ("completed", "cod", OrderIntent.COMPLETE, PaymentState.PAID),
        ("cancelled", "stripe", OrderIntent.CANCEL, PaymentState.UNPAID),
        ("failed", "stripe", OrderIntent.CANCEL, PaymentState.FAILED),
        ("refunded", "stripe", OrderIntent.CANCEL, PaymentState.REFUNDED),
    ],
)
async def test_a_status_says_what_the_shop_wants_and_how_far_payment_is(
    stocked: Shop,
    worker: Worker,
    status: str,
    method: str,
    intent: OrderIntent,
    payment: PaymentState,
) -> None:
    row = stocked.orders.create(checkout("A", set_paid=False, status=status, payment_method=method))
    event = placed(told(worker, row))
    assert (event.intent, event.payment) == (intent, payment)


async def test_an_order_in_the_trash_is_cancelled(stocked: Shop, worker: Worker) -> None:
    stocked.orders.create(checkout("A"))
    stocked.orders.trash(1000)
    assert placed(told(worker, stocked.orders.get(1000))).intent is OrderIntent.CANCEL


@pytest.mark.parametrize("status", ["auto-draft", "checkout-draft"])
async def test_a_draft_is_no_order(stocked: Shop, worker: Worker, status: str) -> None:
    row = stocked.orders.create(checkout("A"))
    assert told(worker, row, status=status) == []


async def test_a_status_of_a_plugin_waits_for_its_meaning(
    stocked: Shop, worker: Worker, refs: CodeTable
) -> None:
    row = stocked.orders.create(checkout("A"))
    assert told(worker, row, status="packing") == []
    assert worker.parked[0].cure == "omnihub map set web order_status 'packing' CANONICAL"
    refs.others["order_status", "packing"] = "processing"
    assert placed(told(worker, row, status="packing")).payment is PaymentState.PAID


@pytest.mark.parametrize("method", ["local_pickup", "pickup_location"])
async def test_click_and_collect_is_held_at_its_place(
    stocked: Shop, worker: Worker, refs: CodeTable, method: str
) -> None:
    refs.others["location", "Dom"] = "S061"
    row = stocked.orders.create(checkout("A", shipping_lines=pickup("Dom", method)))
    (line,) = placed(told(worker, row)).lines
    assert (line.fulfilment, line.location) == (FulfilmentType.PICKUP, "S061")


async def test_a_pickup_without_place_is_known_by_its_method(
    stocked: Shop, worker: Worker, refs: CodeTable
) -> None:
    refs.others["location", "local_pickup:3"] = "S061"
    row = stocked.orders.create(checkout("A", shipping_lines=pickup("")))
    assert placed(told(worker, row)).lines[0].location == "S061"


async def test_a_place_left_empty_at_the_way_may_stand_at_the_order(
    stocked: Shop, worker: Worker
) -> None:
    way = pickup("Dom")
    way[0]["meta_data"][0]["value"] = ""
    metas = [{"key": "_pickup_location", "value": "S061"}]
    row = stocked.orders.create(checkout("A", shipping_lines=way, meta_data=metas))
    assert placed(told(worker, row)).lines[0].location == "S061"


async def test_a_sku_nobody_mapped_parks_with_its_cure(
    stocked: Shop, worker: Worker, refs: CodeTable
) -> None:
    refs.skus["A"] = None
    assert told(worker, stocked.orders.create(checkout("A"))) == []
    assert worker.parked[0].cure == "omnihub map set web sku 'A' CANONICAL"


async def test_a_product_without_sku_is_mapped_by_its_number(
    stocked: Shop, worker: Worker, refs: CodeTable
) -> None:
    row = stocked.orders.create(checkout("A"))
    row["line_items"][0]["sku"] = ""
    assert told(worker, row) == []
    assert worker.parked[0].cure == "omnihub map set web product '10' CANONICAL"
    refs.others["product", "10"] = "canonical-a"
    assert placed(told(worker, row)).lines[0].sku == "canonical-a"


@pytest.mark.parametrize("is_included", [False, True])
async def test_taxes_are_taken_over_and_the_rest_is_rounding(
    hub_client: httpx.AsyncClient, clock: Clock, worker: Worker, is_included: bool
) -> None:
    tax = Tax(Decimal(21), is_included)
    shop = Shop(ShopSettings(keys=(KEY,), tax=tax), hub_client, clock)
    shop.load([simple("A", 5, regular_price="23.90")])
    lines = [{"sku": "A", "quantity": 3}]
    event = placed(told(worker, shop.orders.create(checkout(line_items=lines))))
    (line,) = event.lines
    assert line.total_minor == (7170 if is_included else 8676)
    assert event.total_minor == line.total_minor + event.shipping_minor + event.rounding_minor
    assert event.tax_minor == line.tax_minor + 104
    exact = line.unit_price.unscaled * 3 / 10**line.unit_price.scale
    assert round(exact * 100) == line.total_minor


async def test_a_coupon_is_the_lines_discount(stocked: Shop, worker: Worker) -> None:
    lines = [{"sku": "A", "quantity": 2, "subtotal": "20.00", "total": "15.00"}]
    event = placed(told(worker, stocked.orders.create(checkout(line_items=lines))))
    assert (event.lines[0].discount_minor, event.lines[0].total_minor) == (500, 1500)
    assert event.lines[0].unit_price.unscaled == 1000
    assert (event.discount_minor, event.total_minor) == (0, 1995)


async def test_fees_travel_with_shipping_and_negative_ones_are_a_discount(
    stocked: Shop, worker: Worker
) -> None:
    fees = [{"name": "gift wrap", "total": "2.00"}, {"name": "goodwill", "total": "-1.00"}]
    event = placed(told(worker, stocked.orders.create(checkout("A", fee_lines=fees))))
    assert (event.shipping_minor, event.discount_minor, event.total_minor) == (695, 100, 1595)


@pytest.mark.parametrize(("total", "rounding"), [("14.94", -1), ("14.97", 2)])
async def test_a_cent_a_line_is_rounding(
    stocked: Shop, worker: Worker, total: str, rounding: int
) -> None:
    row = stocked.orders.create(checkout("A"))
    assert placed(told(worker, row, total=total)).rounding_minor == rounding


async def test_a_sum_that_is_wrong_is_refused(stocked: Shop, worker: Worker) -> None:
    event = rejected(told(worker, stocked.orders.create(checkout("A")), total="15.95"))
    assert (event.reason_code, event.subject) == ("wrong_total", "1000")
    assert "sum up to 1495, its total says 1595" in event.detail


async def test_a_currency_that_is_none_is_refused(stocked: Shop, worker: Worker) -> None:
    row = stocked.orders.create(checkout("A"))
    assert rejected(told(worker, row, currency="EURO")).reason_code == "wrong_currency"


async def test_yen_have_no_cents(stocked: Shop, worker: Worker) -> None:
    event = placed(told(worker, stocked.orders.create(checkout("A", currency="JPY"))))
    assert (event.lines[0].total_minor, event.lines[0].unit_price.scale) == (10, 0)
    assert event.total_minor == 15


async def test_a_quantity_that_cannot_be_is_refused(stocked: Shop, worker: Worker) -> None:
    row = stocked.orders.create(checkout("A"))
    row["line_items"][0]["quantity"] = -1
    assert rejected(told(worker, row)).reason_code == "bad_quantity"


async def test_a_guest_is_a_customer_too_and_the_same_each_time(
    stocked: Shop, worker: Worker
) -> None:
    first, second = (told(worker, stocked.orders.create(checkout("A"))) for _ in range(2))
    people = [each for each in [*first, *second] if isinstance(each, CustomerObserved)]
    assert len(people) == 2
    assert people[0].subject == people[1].subject == placed(first).subject


async def test_a_registered_buyer_is_not_told_again_by_the_order(
    stocked: Shop, worker: Worker
) -> None:
    records = told(worker, stocked.orders.create(checkout("A", customer_id=7)))
    assert [type(record) for record in records] == [OrderPlaced]
    assert placed(records).subject == TOKENS.subject("web", "customer", "7")
