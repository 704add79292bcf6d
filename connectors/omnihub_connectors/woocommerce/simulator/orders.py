"""Orders as WooCommerce stores and shows them.

Guarantees: a new order is announced as created *and* as updated, every save moves
`date_modified`; paid and completed dates, and the quantities an order takes from its products,
follow its status as in the plugin (unless the shop switched that off, as a filter can).
Does not: check stock (REST does not either), take payments, or know coupons and refunds.
"""

import secrets
from collections.abc import Callable, Iterator

from omnihub_connectors.woocommerce.simulator.amounts import Tax, add_up, decimal, taxed, text
from omnihub_connectors.woocommerce.simulator.errors import RestError, invalid_id, invalid_param
from omnihub_connectors.woocommerce.simulator.order_fields import blank_order
from omnihub_connectors.woocommerce.simulator.products import TRASH, Catalog, Payload, Site

STATUSES = (
    *("auto-draft", "pending", "processing", "on-hold", "completed", "cancelled", "refunded"),
    *("failed", "checkout-draft"),
)
PAID = frozenset({"processing", "completed"})
HOLDS_STOCK = frozenset({"processing", "completed", "on-hold"})
GIVES_BACK = frozenset({"cancelled", "pending"})
PLAIN_FIELDS = (
    *("currency", "customer_id", "customer_note", "payment_method", "payment_method_title"),
    *("transaction_id", "created_via"),
)
FIRST_ID = 1000


class Orders:
    """All orders by id. `announce(topic, order_id)` starts webhooks."""

    def __init__(
        self,
        site: Site,
        catalog: Catalog,
        announce: Callable[[str, int], None],
        tax: Tax,
        takes_stock: bool,
    ) -> None:
        self._site, self._catalog, self._announce = site, catalog, announce
        self._tax, self._takes_stock = tax, takes_stock
        self._rows: dict[int, Payload] = {}
        self._holding: set[int] = set()
        self._next_line_id = 1

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Payload]:
        return iter(self._rows.values())

    def find(self, order_id: int) -> Payload | None:
        """Return the order, in the trash or not."""
        return self._rows.get(order_id)

    def get(self, order_id: int, status: int = 404) -> Payload:
        """Return the order; raises the invalid-id error with `status` when there is none."""
        if order_id not in self._rows:
            raise invalid_id("shop_order", status)
        return self._rows[order_id]

    def create(self, fields: Payload) -> Payload:
        """Take an order, as a checkout does, and announce it."""
        if fields.get("id"):
            message = "Cannot create existing shop_order."
            raise RestError("woocommerce_rest_shop_order_exists", message, 400)
        order_id = max(self._rows, default=FIRST_ID - 1) + 1
        row = blank_order(order_id, f"wc_order_{secrets.token_hex(6)}", self._site)
        row["prices_include_tax"] = self._tax.is_included
        self._fill(row, fields)
        status = str(fields.get("status") or "pending")
        self._rows[order_id] = row
        self._set_status(row, "processing" if fields.get("set_paid") else status)
        for topic in ("order.created", "order.updated"):
            self._announce(topic, order_id)
        return row

    def update(self, order_id: int, fields: Payload) -> Payload:
        """Save `fields` over the order and announce the update."""
        row = self.get(order_id, 400)
        self._fill(row, fields)
        paid_now = fields.get("set_paid") and row["status"] in ("pending", "on-hold", "failed")
        wanted = fields.get("status") or row["status"]
        self._set_status(row, "processing" if paid_now else str(wanted))
        row["date_modified"], row["date_modified_gmt"] = self._site.stamp()
        self._announce("order.updated", order_id)
        return row

    def trash(self, order_id: int) -> Payload:
        """Put the order into the trash; the answer shows it as it was before."""
        row = self.get(order_id)
        if row["status"] == TRASH:
            message = "The shop_order has already been deleted."
            raise RestError("woocommerce_rest_already_trashed", message, 410)
        before = dict(row)
        row["status"] = TRASH
        row["date_modified"], row["date_modified_gmt"] = self._site.stamp()
        self._announce("order.deleted", order_id)
        return before

    def restore(self, order_id: int) -> Payload:
        """Take the order out of the trash, as the admin screen does."""
        row = self.get(order_id)
        row["status"] = "pending"
        row["date_modified"], row["date_modified_gmt"] = self._site.stamp()
        self._announce("order.restored", order_id)
        return row

    def delete(self, order_id: int) -> Payload:
        """Delete for ever; unlike a product's, an order's deletion is announced."""
        row = self.get(order_id)
        del self._rows[order_id]
        self._announce("order.deleted", order_id)
        return row

    def _fill(self, row: Payload, fields: Payload) -> None:
        row.update({name: fields[name] for name in PLAIN_FIELDS if name in fields})
        for name in ("billing", "shipping"):
            row[name] = row[name] | (fields.get(name) or {})
        for key, value in ((meta["key"], meta["value"]) for meta in fields.get("meta_data") or ()):
            set_meta(row, key, value)
        row["line_items"] += [self._item(posted) for posted in fields.get("line_items") or ()]
        row["shipping_lines"] += [
            self._way(posted) for posted in fields.get("shipping_lines") or ()
        ]
        row["fee_lines"] += [self._fee(posted) for posted in fields.get("fee_lines") or ()]
        add_up(row)

    def _item(self, posted: Payload) -> Payload:
        product = self._product(posted)
        quantity = int(posted.get("quantity", 1))
        listed = self._tax.net(decimal(product["price"])) * quantity
        before = decimal(posted["subtotal"]) if "subtotal" in posted else listed
        net = decimal(posted["total"]) if "total" in posted else before
        is_variation = product["parent_id"] != 0
        return {
            "id": self._line_id(),
            "name": posted.get("name") or product["name"],
            "product_id": product["parent_id"] if is_variation else product["id"],
            "variation_id": product["id"] if is_variation else 0,
            "quantity": quantity,
            "tax_class": "",
            "subtotal": text(before),
            "subtotal_tax": text(self._tax.of(before)),
            **taxed(net, self._tax),
            "meta_data": [],
            "sku": product["sku"],
            "price": float(net / quantity) if quantity else 0,
        }

    def _product(self, posted: Payload) -> Payload:
        """Return the product that a posted line means; the plugin prefers the SKU, too."""
        if posted.get("sku"):
            found = next((row for row in self._catalog if row["sku"] == posted["sku"]), None)
        else:
            found = self._catalog.find(
                int(posted.get("variation_id") or posted.get("product_id") or 0)
            )
        if found is None:
            message = "Product ID or SKU is required."
            raise RestError("woocommerce_rest_required_product_reference", message, 400)
        return found

    def _way(self, posted: Payload) -> Payload:
        if not posted.get("method_id"):
            message = "Shipping method ID is required."
            raise RestError("woocommerce_rest_invalid_shipping_item", message, 400)
        return {
            "id": self._line_id(),
            "method_title": posted.get("method_title", ""),
            "method_id": posted["method_id"],
            "instance_id": str(posted.get("instance_id", "")),
            **taxed(decimal(posted.get("total")), self._tax),
            "meta_data": list(posted.get("meta_data") or ()),
        }

    def _fee(self, posted: Payload) -> Payload:
        net = decimal(posted.get("total"))
        head = {"id": self._line_id(), "name": posted.get("name", ""), "tax_class": ""}
        return head | {"tax_status": "taxable", **taxed(net, self._tax), "meta_data": []}

    def _line_id(self) -> int:
        self._next_line_id += 1
        return self._next_line_id - 1

    def _set_status(self, row: Payload, status: str) -> None:
        if status not in STATUSES:
            words = f"{', '.join(STATUSES[:-1])}, and {STATUSES[-1]}"
            raise invalid_param("status", f"status is not one of {words}.", "rest_not_in_enum")
        row["status"] = status
        if status in PAID and row["date_paid"] is None:
            row["date_paid"], row["date_paid_gmt"] = self._site.stamp()
        if status == "completed" and row["date_completed"] is None:
            row["date_completed"], row["date_completed_gmt"] = self._site.stamp()
        row["needs_payment"] = status in ("pending", "failed") and decimal(row["total"]) > 0
        if self._takes_stock:
            self._move_stock(row)

    def _move_stock(self, row: Payload) -> None:
        holds = row["id"] in self._holding
        if row["status"] in HOLDS_STOCK and not holds:
            self._holding.add(row["id"])
            self._shift(row, -1)
        elif row["status"] in GIVES_BACK and holds:
            self._holding.remove(row["id"])
            self._shift(row, 1)

    def _shift(self, row: Payload, direction: int) -> None:
        for item in row["line_items"]:
            product = self._catalog.find(item["variation_id"] or item["product_id"])
            if product is not None and product["manage_stock"]:
                self._catalog.move_stock(product, direction * item["quantity"])


def set_meta(row: Payload, key: str, value: object) -> None:
    """Set one meta field of a resource, in place if it is there."""
    for meta in row["meta_data"]:
        if meta["key"] == key:
            meta["value"] = value
            return
    row["meta_data"].append({"id": len(row["meta_data"]) + 1, "key": key, "value": value})
