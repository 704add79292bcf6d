"""The simulated shop answers as the plugin does: paths, headers, bodies, error codes."""

from typing import Any

import httpx
import pytest

from omnihub_connectors.woocommerce.doubles import KEY, Clock, simple
from omnihub_connectors.woocommerce.simulator import (
    Answer,
    ApiKey,
    Permissions,
    Shop,
    ShopSettings,
    build_app,
)

Json = dict[str, Any]
JSON_TYPE = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
HANDBOOK = {
    "integer": "id total_sales download_limit download_expiry stock_quantity shipping_class_id "
    "rating_count parent_id menu_order",
    "boolean": "featured on_sale purchasable virtual downloadable manage_stock backorders_allowed "
    "backordered sold_individually shipping_required shipping_taxable reviews_allowed",
    "string": "name slug permalink date_created date_created_gmt date_modified date_modified_gmt "
    "type status catalog_visibility description short_description sku price regular_price "
    "sale_price date_on_sale_from date_on_sale_from_gmt date_on_sale_to date_on_sale_to_gmt "
    "price_html external_url button_text tax_status tax_class stock_status backorders weight "
    "shipping_class average_rating purchase_note",
    "array": "downloads related_ids upsell_ids cross_sell_ids categories tags images attributes "
    "default_attributes variations grouped_products meta_data",
    "object": "dimensions",
}
"""Properties of a product and their types, from the table in the REST v3 handbook."""


def client(shop: Shop, key: tuple[str, str] | None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(shop))
    return httpx.AsyncClient(
        transport=transport, base_url="http://shop.test/wp-json/wc/v3/", auth=key
    )


async def created(api: httpx.AsyncClient, **fields: Any) -> Json:
    response = await api.post("products", json=fields)
    assert response.status_code == 201, response.text
    product: Json = response.json()
    return product


# -- keys --


async def test_a_stranger_may_not_list_products(shop: Shop) -> None:
    async with client(shop, None) as stranger:
        response = await stranger.get("products")
    assert response.status_code == 401
    assert response.json() == {
        "code": "woocommerce_rest_cannot_view",
        "message": "Sorry, you cannot list resources.",
        "data": {"status": 401},
    }


async def test_an_unknown_key_is_a_stranger(shop: Shop) -> None:
    async with client(shop, ("ck_other", "cs_test")) as other:
        response = await other.post("products/batch", json={})
    assert response.json()["code"] == "woocommerce_rest_cannot_batch"


async def test_a_wrong_secret_is_told_and_challenged(shop: Shop) -> None:
    async with client(shop, (KEY.consumer_key, "cs_wrong")) as wrong:
        response = await wrong.get("products")
    assert response.status_code == 401
    assert response.json() == {
        "code": "woocommerce_rest_authentication_error",
        "message": "Consumer secret is invalid.",
        "data": {"status": 401},
    }
    assert response.headers["WWW-Authenticate"].startswith('Basic realm="WooCommerce API.')


async def test_keys_also_work_in_the_query(shop: Shop) -> None:
    keys = {"consumer_key": KEY.consumer_key, "consumer_secret": KEY.consumer_secret}
    async with client(shop, None) as stranger:
        assert (await stranger.get("products", params=keys)).status_code == 200


@pytest.mark.parametrize(
    ("permissions", "reads", "writes"),
    [
        (Permissions.READ, 200, 401),
        (Permissions.WRITE, 401, 200),
        (Permissions.READ_WRITE, 200, 200),
    ],
)
async def test_permissions_bound_a_key(
    hub_client: httpx.AsyncClient, permissions: Permissions, reads: int, writes: int
) -> None:
    shop = Shop(ShopSettings(keys=(ApiKey("ck", "cs", permissions),)), hub_client)
    async with client(shop, ("ck", "cs")) as api:
        read, write = await api.get("products"), await api.post("products/batch", json={})
    assert (read.status_code, write.status_code) == (reads, writes)
    if writes == 401:
        assert write.json()["message"] == "The API key provided does not have write permissions."


async def test_without_tls_keys_are_ignored(hub_client: httpx.AsyncClient) -> None:
    shop = Shop(ShopSettings(keys=(KEY,), tls=False), hub_client)
    async with client(shop, (KEY.consumer_key, KEY.consumer_secret)) as api:
        response = await api.get("products")
    assert response.json()["code"] == "woocommerce_rest_cannot_view"


# -- products --


async def test_a_created_product_is_shown_as_rest_v3_does(api: httpx.AsyncClient) -> None:
    response = await api.post("products", json=simple("A", 5, regular_price="1.99"))
    product = response.json()
    assert response.headers["Location"].endswith(f"/wp-json/wc/v3/products/{product['id']}")
    assert product["date_modified_gmt"] == "2026-11-22T10:00:00"
    assert product["date_modified"] == "2026-11-22T11:00:00"  # the shop is in Amsterdam
    assert (product["stock_quantity"], product["stock_status"]) == (5, "instock")
    assert (product["price"], product["type"], product["status"]) == ("1.99", "simple", "publish")
    assert product["date_created_gmt"] == product["date_modified_gmt"]
    assert (product["global_unique_id"], product["has_options"], product["brands"]) == (
        "",
        False,
        [],
    )


async def test_every_save_moves_the_date_also_one_that_changes_nothing(
    api: httpx.AsyncClient, clock: Clock
) -> None:
    product = await created(api, **simple("A", 5))
    clock.pass_s(1.9)
    saved = (await api.put(f"products/{product['id']}", json={})).json()
    assert saved["date_modified_gmt"] == "2026-11-22T10:00:01"


async def test_two_versions_in_one_second_have_one_date(
    api: httpx.AsyncClient, clock: Clock
) -> None:
    product = await created(api, **simple("A", 5))
    path = f"products/{product['id']}"
    first = (await api.put(path, json={"name": "one"})).json()
    clock.pass_s(0.9)
    second = (await api.put(path, json={"name": "two"})).json()
    assert first["date_modified_gmt"] == second["date_modified_gmt"]
    assert first["name"] != second["name"]


async def test_a_quantity_counts_only_while_stock_is_managed(api: httpx.AsyncClient) -> None:
    product = await created(api, sku="A", name="A")
    path = f"products/{product['id']}"
    assert (await api.put(path, json={"stock_quantity": 3})).json()["stock_quantity"] is None
    managed = {"manage_stock": True, "stock_quantity": 3}
    assert (await api.put(path, json=managed)).json()["stock_quantity"] == 3
    assert (await api.put(path, json={"inventory_delta": -3})).json()[
        "stock_status"
    ] == "outofstock"


async def test_a_sku_belongs_to_one_product(api: httpx.AsyncClient) -> None:
    owner = await created(api, **simple("A"))
    response = await api.post("products", json=simple("A"))
    assert response.status_code == 400
    assert response.json()["code"] == "product_invalid_sku"
    assert response.json()["data"]["resource_id"] == owner["id"]


async def test_an_unknown_id_is_404_to_read_and_400_to_write(api: httpx.AsyncClient) -> None:
    read, write = await api.get("products/999"), await api.put("products/999", json={})
    assert (read.status_code, write.status_code) == (404, 400)
    assert read.json() == {
        "code": "woocommerce_rest_product_invalid_id",
        "message": "Invalid ID.",
        "data": {"status": 404},
    }


async def test_delete_means_trash_and_force_means_gone(api: httpx.AsyncClient) -> None:
    product = await created(api, **simple("A"))
    path = f"products/{product['id']}"
    assert (await api.delete(path)).json()["status"] == "publish"
    assert (await api.get(path)).json()["status"] == "trash"
    assert (await api.get("products")).json() == []
    assert [row["id"] for row in (await api.get("products?status=trash")).json()] == [product["id"]]
    assert (await api.delete(path)).json()["code"] == "woocommerce_rest_already_trashed"
    assert (await api.delete(path, params={"force": True})).status_code == 200
    assert (await api.get(path)).status_code == 404


# -- collections --


async def test_pages_tell_totals_and_links(api: httpx.AsyncClient, shop: Shop) -> None:
    shop.load(simple(f"S{number}") for number in range(5))
    response = await api.get("products", params={"per_page": 2, "page": 2, "orderby": "id"})
    assert [row["sku"] for row in response.json()] == ["S2", "S1"]
    assert (response.headers["X-WP-Total"], response.headers["X-WP-TotalPages"]) == ("5", "3")
    assert response.links["prev"]["url"].endswith("per_page=2&page=1&orderby=id")
    assert response.links["next"]["url"].endswith("per_page=2&page=3&orderby=id")
    assert (await api.get("products", params={"page": 9})).json() == []


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"per_page": "101"}, "per_page must be between 1 (inclusive) and 100 (inclusive)"),
        ({"page": "0"}, "page must be greater than or equal to 1"),
        ({"order": "up"}, "order is not one of asc, and desc."),
        ({"modified_after": "yesterday"}, "Invalid date."),
    ],
)
async def test_bad_parameters_are_named(
    api: httpx.AsyncClient, params: dict[str, str], reason: str
) -> None:
    response = await api.get("products", params=params)
    name = next(iter(params))
    assert response.status_code == 400
    assert response.json()["code"] == "rest_invalid_param"
    assert response.json()["message"] == f"Invalid parameter(s): {name}"
    assert response.json()["data"]["params"] == {name: reason}


async def test_modified_after_is_exclusive_and_a_zone_shifts_it_into_the_shops(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    shop.load([simple("A")])  # modified at 10:00:00 GMT

    async def found(after: str) -> int:
        params = {"modified_after": after, "dates_are_gmt": "true"}
        return len((await api.get("products", params=params)).json())

    assert await found("2026-11-22T09:59:59") == 1
    assert await found("2026-11-22T10:00:00") == 0
    assert await found("2026-11-22T09:59:59Z") == 0  # read as 10:59:59, an hour too late


async def test_rows_of_one_second_have_no_order_under_modified(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    shop.load(simple(f"S{number}") for number in range(20))
    params = {"orderby": "modified", "order": "asc", "per_page": "20"}
    orders = {tuple(row["id"] for row in (await api.get("products", params=params)).json())}
    orders |= {tuple(row["id"] for row in (await api.get("products", params=params)).json())}
    assert len(orders) == 2


async def test_fields_and_skus_narrow_a_list(api: httpx.AsyncClient, shop: Shop) -> None:
    shop.load([simple("A", 1), simple("B", 2), simple("C,D", 3)])
    params = {"sku": "A,B", "_fields": "sku,stock_quantity", "orderby": "id", "order": "asc"}
    assert (await api.get("products", params=params)).json() == [
        {"sku": "A", "stock_quantity": 1},
        {"sku": "B", "stock_quantity": 2},
    ]
    found = (await api.get("products", params={"sku": "C,D"})).json()
    assert [row["sku"] for row in found] == ["C,D"]


# -- batches --


async def test_items_of_a_batch_fail_alone_and_keep_their_order(api: httpx.AsyncClient) -> None:
    product = await created(api, **simple("A", 1))
    update = [{"id": 999, "stock_quantity": 1}, {"id": product["id"], "stock_quantity": 7}]
    response = await api.post("products/batch", json={"update": update, "delete": [998]})
    assert response.status_code == 200
    first, second = response.json()["update"]
    assert first == {
        "id": 999,
        "error": {
            "code": "woocommerce_rest_product_invalid_id",
            "message": "Invalid ID.",
            "data": {"status": 400},
        },
    }
    assert second["stock_quantity"] == 7
    assert response.json()["delete"][0]["error"]["data"] == {"status": 404}


async def test_a_batch_holds_a_hundred_items(api: httpx.AsyncClient) -> None:
    response = await api.post("products/batch", json={"update": [{"id": 1}] * 101})
    assert response.status_code == 413
    assert response.json() == {
        "code": "woocommerce_rest_request_entity_too_large",
        "message": "Unable to accept more than 100 items for this request.",
        "data": {"status": 413},
    }


async def test_an_empty_batch_answers_an_empty_array(api: httpx.AsyncClient) -> None:
    assert (await api.post("products/batch", json={})).json() == []


async def test_variations_are_changed_through_their_parent(api: httpx.AsyncClient) -> None:
    parent = await created(api, name="Shirt", type="variable", sku="P")
    path = f"products/{parent['id']}/variations"
    variation = (await api.post(path, json=simple("P-S", 4))).json()
    refusal = (await api.post("products/batch", json={"update": [{"id": variation["id"]}]})).json()
    assert refusal["update"][0]["error"]["code"] == "woocommerce_rest_invalid_product_id"
    update = [{"id": variation["id"], "stock_quantity": 9}]
    done = (await api.post(f"{path}/batch", json={"update": update})).json()
    assert done["update"][0]["stock_quantity"] == 9
    found = (await api.get("products", params={"sku": "P-S"})).json()
    assert (found[0]["type"], found[0]["parent_id"]) == ("variation", parent["id"])


# -- the rest --


async def test_wrong_json_and_wrong_paths_have_wordpress_errors(api: httpx.AsyncClient) -> None:
    broken = await api.post("products", content=b"{", headers={"content-type": "application/json"})
    assert broken.json()["code"] == "rest_invalid_json"
    assert (await api.get("nothing")).json()["code"] == "rest_no_route"
    text = await api.put("products/1", json={"stock_quantity": "many"})
    assert text.json()["data"]["params"] == {
        "stock_quantity": "stock_quantity is not of type integer."
    }


async def test_every_answer_tells_the_shops_time(api: httpx.AsyncClient) -> None:
    for path in ("products", "products/999"):
        assert (await api.get(path)).headers["Date"] == "Sun, 22 Nov 2026 10:00:00 GMT"


async def test_a_scripted_fault_hits_what_it_names_and_ends(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    shop.load([simple("A", 1)])
    shop.faults.add(Answer(429, "POST", "/batch", retry_after="7", times=2))
    assert (await api.get("products")).status_code == 200
    for _ in range(2):
        refused = await api.post("products/batch", json={})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
    assert (await api.post("products/batch", json={})).status_code == 200


async def test_a_lost_answer_has_had_its_effect(api: httpx.AsyncClient, shop: Shop) -> None:
    product = await created(api, **simple("A", 1))
    shop.faults.add(Answer(504, "PUT", after_effect=True))
    path = f"products/{product['id']}"
    assert (await api.put(path, json={"stock_quantity": 8})).status_code == 504
    assert (await api.get(path)).json()["stock_quantity"] == 8
