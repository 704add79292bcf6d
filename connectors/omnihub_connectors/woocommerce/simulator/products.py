"""Products as WooCommerce stores and shows them.

Guarantees: every save moves `date_modified` to the shop's current second, also a save that
changes nothing; the stock rules are those of the plugin (absolute quantity or `inventory_delta`,
status derived from the quantity while stock is managed).
Does not: hold images, prices on sale, downloads or taxonomies beyond what it is given.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from omnihub_connectors.woocommerce.simulator.errors import RestError, invalid_id

Payload = dict[str, Any]

VARIATION = "variation"
TRASH = "trash"
STOCKLESS_TYPES = frozenset({"grouped", "external"})
PLAIN_FIELDS = (
    "name",
    "slug",
    "status",
    "type",
    "description",
    "short_description",
    "sku",
    "global_unique_id",
    "regular_price",
    "sale_price",
    "backorders",
    "low_stock_amount",
    "weight",
    "dimensions",
    "categories",
    "brands",
    "tags",
    "meta_data",
    "virtual",
    "downloadable",
    "tax_status",
    "tax_class",
    "menu_order",
    "attributes",
    "featured",
    "catalog_visibility",
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the shop is and what time it has: `clock` gives UTC seconds, `zone` is its own zone."""

    url: str
    zone: ZoneInfo
    clock: Callable[[], float]

    def stamp(self) -> tuple[str, str]:
        """Return now as (site time, GMT), without zone and in whole seconds, as WordPress does."""
        now = datetime.fromtimestamp(int(self.clock()), UTC)
        local = now.astimezone(self.zone)
        return f"{local:%Y-%m-%dT%H:%M:%S}", f"{now:%Y-%m-%dT%H:%M:%S}"


class Catalog:
    """All products and variations by id. `announce(topic, product_id)` starts webhooks."""

    def __init__(self, site: Site, announce: Callable[[str, int], None]) -> None:
        self._site = site
        self._announce = announce
        self._rows: dict[int, Payload] = {}
        self._id_by_sku: dict[str, int] = {}
        self._next_id = 10

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Payload]:
        return iter(self._rows.values())

    def find(self, product_id: int) -> Payload | None:
        """Return the product or variation, in the trash or not."""
        return self._rows.get(product_id)

    def get(self, product_id: int, status: int = 404, parent_id: int | None = None) -> Payload:
        """Return the product; raises the invalid-id error with `status` when there is none."""
        row = self._rows.get(product_id)
        wrong_family = parent_id is not None and row is not None and row["parent_id"] != parent_id
        if row is None or wrong_family:
            raise invalid_id("product" if parent_id is None else "product_variation", status)
        return row

    def create(self, fields: Payload, parent_id: int = 0, is_told: bool = True) -> Payload:
        """Add a product, or a variation of `parent_id`, and announce it if `is_told`."""
        if fields.get("id"):
            raise RestError(
                "woocommerce_rest_product_exists", "Cannot create existing product.", 400
            )
        product_id = self._next_id
        kind = VARIATION if parent_id else fields.get("type", "simple")
        row = blank_product(product_id, kind, parent_id, self._site)
        self._save(row, {**fields, "type": kind})
        self._next_id += 1
        self._rows[product_id] = row
        if parent_id:
            self._rows[parent_id]["variations"].append(product_id)
        if is_told:
            self._announce("product.created", product_id)
        return row

    def update(self, product_id: int, fields: Payload, parent_id: int | None = None) -> Payload:
        """Save `fields` over the product and announce the update."""
        row = self.get(product_id, 400, parent_id)
        if parent_id is None and row["type"] == VARIATION:
            raise RestError(
                "woocommerce_rest_invalid_product_id",
                "To manipulate product variations you should use the "
                "/products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.",
                404,
            )
        self._save(row, fields)
        self._announce("product.updated", product_id)
        return row

    def move_stock(self, row: Payload, difference: int) -> None:
        """Take what an order takes, or give it back, and announce the update."""
        set_stock(row, {"inventory_delta": difference})
        self._touch(row)
        self._announce("product.updated", row["id"])

    def trash(self, product_id: int, parent_id: int | None = None) -> Payload:
        """Put the product into the trash; the answer shows it as it was before."""
        row = self.get(product_id, parent_id=parent_id)
        if row["status"] == TRASH:
            raise RestError(
                "woocommerce_rest_already_trashed", "The product has already been deleted.", 410
            )
        before = dict(row)
        row["status"] = TRASH
        self._touch(row)
        self._announce("product.deleted", product_id)
        return before

    def restore(self, product_id: int) -> Payload:
        """Take the product out of the trash, as the admin screen does."""
        row = self.get(product_id)
        row["status"] = "draft"
        self._touch(row)
        self._announce("product.restored", product_id)
        return row

    def delete(self, product_id: int, parent_id: int | None = None) -> Payload:
        """Delete for ever. WooCommerce sends no webhook for this."""
        row = self.get(product_id, parent_id=parent_id)
        del self._rows[product_id]
        self._id_by_sku.pop(row["sku"], None)
        if row["parent_id"] in self._rows:
            self._rows[row["parent_id"]]["variations"].remove(product_id)
        return row

    def _save(self, row: Payload, fields: Payload) -> None:
        if "sku" in fields:
            self._claim_sku(row, str(fields["sku"]))
        row.update({name: fields[name] for name in PLAIN_FIELDS if name in fields})
        if "name" in fields and not fields.get("slug"):
            row["slug"] = re.sub(r"[^a-z0-9]+", "-", str(fields["name"]).lower()).strip("-")
        row["price"] = row["sale_price"] or row["regular_price"]
        set_stock(row, fields)
        self._touch(row)

    def _claim_sku(self, row: Payload, sku: str) -> None:
        owner = self._id_by_sku.get(sku)
        if sku and owner is not None and owner != row["id"]:
            raise RestError(
                "product_invalid_sku",
                "Invalid or duplicated SKU.",
                400,
                resource_id=owner,
                unique_sku=f"{sku}-1",
            )
        self._id_by_sku.pop(row["sku"], None)
        if sku:
            self._id_by_sku[sku] = row["id"]

    def _touch(self, row: Payload) -> None:
        row["date_modified"], row["date_modified_gmt"] = self._site.stamp()


def set_stock(row: Payload, fields: Payload) -> None:
    """Apply the stock part of a save; a quantity counts only while stock is managed."""
    row["manage_stock"] = bool(fields.get("manage_stock", row["manage_stock"]))
    row["stock_status"] = fields.get("stock_status", row["stock_status"])
    if row["type"] in STOCKLESS_TYPES or not row["manage_stock"]:
        row.update(manage_stock=False, stock_quantity=None, low_stock_amount=None)
        return
    if fields.get("stock_quantity") is not None:
        row["stock_quantity"] = int(fields["stock_quantity"])
    elif "inventory_delta" in fields:
        row["stock_quantity"] = (row["stock_quantity"] or 0) + int(fields["inventory_delta"])
    row["stock_quantity"] = row["stock_quantity"] or 0
    row["backorders_allowed"] = row["backorders"] != "no"
    row["stock_status"] = derive_stock_status(row["stock_quantity"], row["backorders_allowed"])
    row["backordered"] = row["stock_status"] == "onbackorder"


def derive_stock_status(quantity: int, backorders_allowed: bool) -> str:
    """Return the status WooCommerce derives from a managed quantity."""
    if quantity > 0:
        return "instock"
    return "onbackorder" if backorders_allowed else "outofstock"


def blank_product(product_id: int, kind: str, parent_id: int, site: Site) -> Payload:
    """Return a new product with every field REST v3 shows, in its order."""
    local, gmt = site.stamp()
    api = f"{site.url}/wp-json/wc/v3/products"
    no_sale = dict.fromkeys(
        ("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt")
    )
    return {
        "id": product_id,
        "name": "",
        "slug": "",
        "permalink": f"{site.url}/?p={product_id}",
        "date_created": local,
        "date_created_gmt": gmt,
        "date_modified": local,
        "date_modified_gmt": gmt,
        "type": kind,
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": "",
        "price": "",
        "regular_price": "",
        "sale_price": "",
        **no_sale,
        "on_sale": False,
        "purchasable": True,
        "total_sales": 0,
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": False,
        "stock_quantity": None,
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_required": True,
        "shipping_taxable": True,
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": True,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": parent_id,
        "purchase_note": "",
        "categories": [],
        "brands": [],
        "tags": [],
        "images": [],
        "attributes": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": "",
        "related_ids": [],
        "meta_data": [],
        "stock_status": "instock",
        "has_options": False,
        "post_password": "",
        "global_unique_id": "",
        "_links": {
            "self": [{"href": f"{api}/{product_id}"}],
            "collection": [{"href": api}],
        },
    }
