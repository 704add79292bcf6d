"""Customers as WooCommerce stores and shows them.

Guarantees: e-mail addresses and user names are unique; a profile that was never edited has no
`date_modified`. Does not: hold passwords, avatars or people of the shop itself.
"""

from collections.abc import Callable, Iterator

from omnihub_connectors.woocommerce.simulator.errors import RestError, missing_param
from omnihub_connectors.woocommerce.simulator.order_fields import blank_address
from omnihub_connectors.woocommerce.simulator.orders import set_meta
from omnihub_connectors.woocommerce.simulator.products import Payload, Site

PLAIN_FIELDS = ("email", "first_name", "last_name")


class Customers:
    """All customers by id. `announce(topic, customer_id)` starts webhooks."""

    def __init__(self, site: Site, announce: Callable[[str, int], None]) -> None:
        self._site, self._announce = site, announce
        self._rows: dict[int, Payload] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Payload]:
        return iter(self._rows.values())

    def find(self, customer_id: int) -> Payload | None:
        """Return one customer, None when there is none."""
        return self._rows.get(customer_id)

    def get(self, customer_id: int, status: int = 404) -> Payload:
        """Return one customer; raises the plugin's error."""
        if customer_id not in self._rows:
            raise RestError("woocommerce_rest_invalid_id", "Invalid resource ID.", status)
        return self._rows[customer_id]

    def create(self, fields: Payload) -> Payload:
        """Register a customer."""
        email = fields.get("email")
        if not email:
            raise missing_param("email")
        if any(row["email"] == email for row in self._rows.values()):
            message = "An account is already registered with your email address."
            raise RestError("registration-error-email-exists", message, 400)
        customer_id = max(self._rows, default=1) + 1
        row = self._blank(customer_id, fields.get("username") or email.partition("@")[0])
        self._fill(row, fields)
        self._rows[customer_id] = row
        self._announce("customer.created", customer_id)
        return row

    def update(self, customer_id: int, fields: Payload) -> Payload:
        """Save `fields` over the customer."""
        row = self.get(customer_id, 400)
        self._fill(row, fields)
        row["date_modified"], row["date_modified_gmt"] = self._site.stamp()
        self._announce("customer.updated", customer_id)
        return row

    def delete(self, customer_id: int, is_forced: bool) -> Payload:
        """Delete for ever; there is no trash for people."""
        if not is_forced:
            message = "Customers do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        row = self.get(customer_id)
        del self._rows[customer_id]
        self._announce("customer.deleted", customer_id)
        return row

    def _fill(self, row: Payload, fields: Payload) -> None:
        row.update({name: fields[name] for name in PLAIN_FIELDS if name in fields})
        for name in ("billing", "shipping"):
            row[name] = row[name] | (fields.get(name) or {})
        for meta in fields.get("meta_data") or ():
            set_meta(row, meta["key"], meta["value"])

    def _blank(self, customer_id: int, username: str) -> Payload:
        local, gmt = self._site.stamp()
        api = f"{self._site.url}/wp-json/wc/v3/customers"
        return {
            "id": customer_id,
            "date_created": local,
            "date_created_gmt": gmt,
            "date_modified": None,
            "date_modified_gmt": None,
            "email": "",
            "first_name": "",
            "last_name": "",
            "role": "customer",
            "username": username,
            "billing": blank_address("email", "phone"),
            "shipping": blank_address("phone"),
            "is_paying_customer": False,
            "avatar_url": "",
            "meta_data": [],
            "_links": {"self": [{"href": f"{api}/{customer_id}"}], "collection": [{"href": api}]},
        }
