"""Recorded pages of a real Tryton to canonical events."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from omnihub.connect.errors import BadDelivery
from omnihub.connect.kit.subject import Canonical
from omnihub.connect.sdk import Delivery, Fact, State
from omnihub.model.errors import RejectedError, Unmapped
from omnihub.model.records import (
    MovementKind,
    ProductStatus,
    ProductUpserted,
    StockCounted,
    StockMoved,
)
from omnihub.model.time import to_us
from omnihub_connectors.tryton.config import TrytonConfig
from omnihub_connectors.tryton.doubles import raw_delivery
from omnihub_connectors.tryton.feeds import COUNT_LINE, MODEL_HEADER, MOVE, PRODUCT
from omnihub_connectors.tryton.mapping import TrytonMapping

SAMPLES = Path(__file__).parent / "samples"
ZONE = ZoneInfo("America/New_York")
CONFIG = TrytonConfig.model_validate(
    {
        "url": "http://erp",
        "database": "omnihub",
        "user": "hub",
        "password": "secret",
        "locations": ["445", "446"],
        "timezone": "America/New_York",
    }
)
MAPPING = TrytonMapping(CONFIG)


def page(name: str, model: str) -> Delivery:
    return Delivery(name, (SAMPLES / f"{name}.json").read_bytes(), {MODEL_HEADER: model})


def told(delivery: Delivery) -> dict[str, list[Fact | State]]:
    """Return what each row says, by its id."""
    return {
        entity.entity_id: MAPPING.translate(entity, Canonical())
        for entity in MAPPING.split(raw_delivery(delivery))
    }


def local_us(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=ZONE))  # type: ignore[misc,arg-type]


def test_a_product_has_name_unit_bar_code_and_category() -> None:
    [state] = told(page("products", PRODUCT))["1"]

    assert isinstance(state, State)
    [mug] = state.events
    assert isinstance(mug, ProductUpserted)
    assert (mug.sku, mug.title, mug.unit) == ("SKU-1", "Mug & saucer", "C62")
    assert (mug.gtin, mug.category, mug.status) == (
        "04006381333931",
        "Goods",
        ProductStatus.ACTIVE,
    )
    assert state.version == mug.meta.occurred_at_us


def test_an_archived_template_archives_its_products_and_is_newer() -> None:
    [lamp] = told(page("templates", PRODUCT))["3"]
    [mug] = told(page("products", PRODUCT))["1"]

    assert isinstance(lamp, State)
    assert isinstance(mug, State)
    [event] = lamp.events
    assert isinstance(event, ProductUpserted)
    assert event.status is ProductStatus.ARCHIVED
    assert lamp.version is not None
    assert mug.version is not None
    assert lamp.version > mug.version


def test_units_are_those_of_un_ece() -> None:
    [state] = told(page("products", PRODUCT))["2"]

    [flour] = state.events
    assert isinstance(flour, ProductUpserted)
    assert flour.unit == "KGM"


def test_a_unit_without_a_code_waits_for_one() -> None:
    class Unknown(Canonical):
        def resolve(self, kind: str, code: str) -> str:
            if kind == "unit":
                raise Unmapped("erp", kind, code)
            return code

    body = (SAMPLES / "products.json").read_bytes().replace(b'"symbol":"kg"', b'"symbol":"bx"')
    entities = MAPPING.split(raw_delivery(Delivery("p", body, {MODEL_HEADER: PRODUCT})))

    with pytest.raises(Unmapped, match="bx"):
        [MAPPING.translate(entity, Unknown()) for entity in entities]


def test_a_variant_without_code_is_refused_with_its_id() -> None:
    body = (SAMPLES / "products.json").read_bytes().replace(b'"SKU-4"', b"null")
    entities = MAPPING.split(raw_delivery(Delivery("p", body, {MODEL_HEADER: PRODUCT})))

    with pytest.raises(RejectedError, match="product 4 has no product code"):
        [MAPPING.translate(entity, Canonical()) for entity in entities]


def test_counted_lines_hold_for_the_end_of_their_day() -> None:
    rows = told(page("counts", COUNT_LINE))

    [fact] = rows["1"]
    [counted] = fact.events
    assert isinstance(fact, Fact)
    assert isinstance(counted, StockCounted)
    assert (counted.sku, counted.location, counted.quantity_milli) == ("SKU-1", "445", 25_000)
    assert counted.as_of_us == local_us(2026, 3, 1, 23, 59, 59, 999_999)
    assert [event.quantity_milli for each in ("2", "3") for told in rows[each]
            for event in told.events if isinstance(event, StockCounted)] == [12_500, 0]  # fmt: skip


def test_a_blank_line_is_zero_only_if_the_inventory_says_so() -> None:
    rows = told(page("counts", COUNT_LINE))

    [fact] = rows["4"]
    [counted] = fact.events
    assert isinstance(counted, StockCounted)
    assert counted.quantity_milli == 0
    assert rows["5"] == []


def test_a_count_entered_on_its_day_holds_for_that_moment() -> None:
    # Entered on 23 November at 03:09 UTC: in New York that is still the 22nd.
    body = (SAMPLES / "counts.json").read_bytes().replace(
        b'"year":2026,"month":3,"day":1}', b'"year":2026,"month":11,"day":22}'
    )  # fmt: skip
    rows = told(Delivery("counts", body, {MODEL_HEADER: COUNT_LINE}))

    [counted] = rows["1"][0].events
    assert isinstance(counted, StockCounted)
    assert local_us(2026, 11, 22, 22, 0) < counted.as_of_us < local_us(2026, 11, 22, 22, 30)


def moved(row: str) -> StockMoved:
    [fact] = told(page("moves", MOVE))[row]
    [event] = fact.events
    assert isinstance(event, StockMoved)
    return event


def test_a_receipt_enters_at_noon_of_its_day() -> None:
    receipt = moved("3")

    assert receipt.kind is MovementKind.RECEIPT
    assert (receipt.from_location, receipt.to_location) == (None, "445")
    assert receipt.quantity_milli == 6000
    assert receipt.meta.occurred_at_us == local_us(2026, 3, 4, 12)


def test_a_transfer_by_road_leaves_one_place_and_enters_the_other() -> None:
    leaving, entering = moved("7"), moved("6")

    assert leaving.kind is entering.kind is MovementKind.TRANSFER
    assert (leaving.from_location, leaving.to_location) == ("445", None)
    assert (entering.from_location, entering.to_location) == (None, "446")


def test_what_a_customer_brings_back_is_a_return() -> None:
    assert moved("8").kind is MovementKind.RETURN


def test_moves_of_inventories_and_of_the_hub_tell_nothing() -> None:
    rows = told(page("moves", MOVE))

    assert rows["1"] == rows["2"] == []
    assert rows["5"] == []


def test_a_cancelled_move_and_its_reversal_add_up_to_nothing() -> None:
    move, back = told(page("moves", MOVE))["4"]

    [there], [again] = move.events, back.events
    assert isinstance(there, StockMoved)
    assert isinstance(again, StockMoved)
    assert (there.from_location, there.to_location) == (again.to_location, again.from_location)
    assert there.quantity_milli == again.quantity_milli
    assert there.movement_id != again.movement_id


def test_goods_that_stay_in_one_place_have_not_moved() -> None:
    class Bins(Canonical):
        def resolve(self, kind: str, code: str) -> str:
            return "store" if kind == "location" else code

    body = (SAMPLES / "moves.json").read_bytes()
    body = body.replace(b'"type":"customer","code":"CUS"', b'"type":"storage","code":"446"')
    body = body.replace(b'"code":"CUS","type":"customer"', b'"code":"446","type":"storage"')
    entities = MAPPING.split(raw_delivery(Delivery("moves", body, {MODEL_HEADER: MOVE})))

    assert MAPPING.translate(entities[-1], Bins()) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":1,"error":["x",""]}'])
def test_what_is_no_page_is_parked_whole(body: bytes) -> None:
    with pytest.raises(BadDelivery, match="no page"):
        MAPPING.split(raw_delivery(Delivery("moves", body, {MODEL_HEADER: MOVE})))


def test_rows_of_an_unknown_model_are_parked_whole() -> None:
    with pytest.raises(BadDelivery, match=r"purchase\.purchase"):
        MAPPING.split(
            raw_delivery(Delivery("x", b'{"result":[]}', {MODEL_HEADER: "purchase.purchase"}))
        )
