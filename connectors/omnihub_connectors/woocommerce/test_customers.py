"""From WooCommerce customers to `CustomerObserved`."""

from typing import Any

import pytest

from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import Stream
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    Consent,
    ConsentState,
    CustomerObserved,
    Identifier,
    IdentifierKind,
    Refetch,
)
from omnihub_connectors.woocommerce.config import ConsentMeta, WooCommerceConfig
from omnihub_connectors.woocommerce.connector import CUSTOMERS, WooCommerce
from omnihub_connectors.woocommerce.doubles import Clock, CodeTable, Worker
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import Shop
from omnihub_connectors.woocommerce.simulator.webhooks import php_json

TEN_US = 1_795_341_600_000_000  # 2026-11-22T10:00:00Z
ADA = {
    "email": "ada@example.org",
    "first_name": "Ada",
    "last_name": "Byron",
    "billing": {"country": "NL", "phone": "06 12345678", "city": "Utrecht"},
}


@pytest.fixture
def config(config: WooCommerceConfig) -> WooCommerceConfig:
    consents = {"_newsletter": ConsentMeta(channel="email")}
    changes = {"consents": consents, "loyalty_card_meta": "_card", "trusts_email": True}
    return config.model_copy(update=changes)


@pytest.fixture
def worker(config: WooCommerceConfig, refs: CodeTable) -> Worker:
    return Worker(WooCommerceMapping(config, TOKENS), refs)


def told(worker: Worker, row: dict[str, Any]) -> list[Record]:
    return worker.accept(php_json(row), stream="customer.updated")


def observed(records: list[Record]) -> CustomerObserved:
    (event,) = records
    assert isinstance(event, CustomerObserved)
    return event


async def test_a_customer_is_known_by_number_address_and_card(shop: Shop, worker: Worker) -> None:
    metas = [{"key": "_card", "value": "9001"}]
    event = observed(told(worker, shop.customers.create({**ADA, "meta_data": metas})))
    email, phone = TOKENS.email("ada@example.org"), TOKENS.phone("+31612345678")
    assert email is not None
    assert phone is not None
    assert event.subject == TOKENS.subject("web", "customer", "2")
    assert event.identifiers == (
        Identifier(
            kind=IdentifierKind.CUSTOMER_ID,
            scope="web",
            token=TOKENS.of("customer_id:web", "2"),
            is_verified=True,
        ),
        Identifier(kind=IdentifierKind.EMAIL, scope="", token=email, is_verified=True),
        Identifier(kind=IdentifierKind.PHONE, scope="", token=phone, is_verified=False),
        Identifier(
            kind=IdentifierKind.LOYALTY_CARD,
            scope="loyalty",
            token=TOKENS.of("loyalty_card", "9001"),
            is_verified=False,
        ),
    )
    assert event.contact is not None
    assert event.contact.name == Personal("Ada Byron")
    assert "Ada" not in repr(event)


async def test_an_address_is_not_proven_unless_the_shop_proves_it(
    shop: Shop, config: WooCommerceConfig, refs: CodeTable
) -> None:
    careless = config.model_copy(update={"trusts_email": False})
    worker = Worker(WooCommerceMapping(careless, TOKENS), refs)
    event = observed(told(worker, shop.customers.create(ADA)))
    assert [each.is_verified for each in event.identifiers if not each.scope] == [False, False]


@pytest.mark.parametrize(
    ("word", "state", "late_s"),
    [("yes", ConsentState.GRANTED, 0), ("0", ConsentState.DENIED, 60)],
)
async def test_a_yes_is_as_old_and_a_no_as_new_as_it_can_be(
    shop: Shop, worker: Worker, clock: Clock, word: str, state: ConsentState, late_s: int
) -> None:
    shop.customers.create(ADA)
    clock.pass_s(60)
    metas = [{"key": "_newsletter", "value": word}]
    event = observed(told(worker, shop.customers.update(2, {"meta_data": metas})))
    at_us = TEN_US + late_s * 1_000_000
    assert event.consents == (
        Consent(channel=event.consents[0].channel, purpose="marketing", state=state, at_us=at_us),
    )
    assert event.consents[0].channel == "email"


async def test_the_first_edit_of_a_profile_is_its_second_version(
    shop: Shop, worker: Worker, clock: Clock
) -> None:
    told(worker, shop.customers.create(ADA))
    clock.pass_s(1)
    event = observed(told(worker, shop.customers.update(2, {"first_name": "Augusta"})))
    assert event.meta.version == TEN_US + 1_000_000


async def test_people_of_the_shop_are_no_customers(shop: Shop, worker: Worker) -> None:
    assert told(worker, {**shop.customers.create(ADA), "role": "shop_manager"}) == []


async def test_webhook_and_sweep_tell_a_customer_once(
    shop: Shop, worker: Worker, woo: WooCommerce, clock: Clock
) -> None:
    shop.customers.create(ADA)
    clock.pass_s(5)
    row = shop.customers.update(2, {"first_name": "Augusta"})
    assert len(told(worker, row)) == 1
    assert told(worker, row) == []
    batch = await woo.poll(Stream(CUSTOMERS), None, 10)
    assert len(batch.deliveries) == 1
    assert worker.accept_all(batch.deliveries, CUSTOMERS) == []


async def test_the_sweep_reads_all_pages_and_starts_again(
    shop: Shop, woo: WooCommerce, config: WooCommerceConfig
) -> None:
    for number in range(250):
        shop.customers.create({"email": f"{number}@example.org"})
    seen, at = [], None
    while True:
        batch = await woo.poll(Stream(CUSTOMERS), at, 10)
        seen += [delivery.name for delivery in batch.deliveries]
        at = batch.next
        if not batch.more:
            break
    assert seen == ["customers page 1", "customers page 2", "customers page 3"]
    assert at is None


async def test_a_customer_who_is_gone_is_asked_for_and_stays_gone(
    shop: Shop, worker: Worker, woo: WooCommerce
) -> None:
    row = shop.customers.create(ADA)
    told(worker, row)
    shop.customers.delete(2, is_forced=True)
    headers = {"x-wc-webhook-resource": "customer"}
    (question,) = worker.accept(b'{"id":2}', stream="customer.deleted", headers=headers)
    assert isinstance(question, Refetch)
    assert (question.type, question.entity_id) == ("customer", "2")
    answer = await woo.refetch(question)
    assert worker.accept_all(answer, "refetch") == []
    assert told(worker, row) == []
