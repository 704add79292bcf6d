"""What the connector reads of a WooCommerce order and customer: REST v3 and webhooks alike.

Guarantees: amounts are decimals from the text the shop sent, never floats; unknown fields are
ignored, missing ones have the plugin's defaults.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from omnihub.model.time import to_us

MARK_META = "_omnihub_status"
"""Order meta that the hub leaves with a status it sets: `<before>><set>`."""
LOCATION_METAS = ("_pickup_location", "pickup_location")
PICKUP_METHODS = frozenset({"local_pickup", "pickup_location"})

Amount = Annotated[Decimal, BeforeValidator(lambda told: told or "0")]
Text = Annotated[str, BeforeValidator(lambda told: "" if told is None else str(told))]
Gmt = Annotated[
    datetime, AfterValidator(lambda moment: moment if moment.tzinfo else moment.replace(tzinfo=UTC))
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Meta(_Part):
    """One row of `meta_data`; the value may be anything a plugin stores."""

    key: Text = ""
    value: Any = None


class Address(_Part):
    """Billing or shipping."""

    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    address_1: Text = ""
    address_2: Text = ""
    city: Text = ""
    state: Text = ""
    postcode: Text = ""
    country: Text = ""
    email: Text = ""
    phone: Text = ""

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def postal(self) -> dict[str, object]:
        """The address as a contact wants it; empty when only names are given."""
        lines = [line for line in (self.company, self.address_1, self.address_2) if line]
        told: dict[str, object] = {
            "lines": lines,
            "city": self.city,
            "region": self.state,
            "postcode": self.postcode,
            "country": self.country,
        }
        return {key: value for key, value in told.items() if value}


class Charge(_Part):
    """What is paid for, without tax and the tax apart."""

    id: int = 0
    total: Amount = Decimal(0)
    total_tax: Amount = Decimal(0)

    @property
    def gross(self) -> Decimal:
        """What the buyer pays for it."""
        return self.total + self.total_tax


class Item(Charge):
    """One line of goods; `subtotal` is before discounts."""

    name: Text = ""
    product_id: int = 0
    variation_id: int = 0
    sku: Text = ""
    quantity: Decimal = Decimal(1)
    subtotal: Amount = Decimal(0)
    subtotal_tax: Amount = Decimal(0)

    @property
    def gross_before_discount(self) -> Decimal:
        """What the line would cost without coupons."""
        return self.subtotal + self.subtotal_tax


class Carriage(Charge):
    """A shipping line."""

    method_id: Text = ""
    instance_id: Text = ""
    meta_data: tuple[Meta, ...] = ()


class Order(_Part):
    """An order as canonical events need it."""

    id: int
    number: Text = ""
    status: str
    currency: str
    date_created_gmt: Gmt | None = None
    date_modified_gmt: Gmt | None = None
    date_paid_gmt: Gmt | None = None
    total: Amount
    total_tax: Amount = Decimal(0)
    customer_id: int = 0
    billing: Address = Address()
    shipping: Address = Address()
    payment_method: Text = ""
    line_items: tuple[Item, ...] = ()
    shipping_lines: tuple[Carriage, ...] = ()
    fee_lines: tuple[Charge, ...] = ()
    meta_data: tuple[Meta, ...] = ()

    @property
    def version(self) -> int | None:
        """The last change in UTC micros; its resolution is one second."""
        return to_us(self.date_modified_gmt) if self.date_modified_gmt else None

    @property
    def status_told(self) -> str:
        """The status that people gave the order: what the hub itself set counts as before."""
        before, _, set_by_us = str(meta_of(self.meta_data, MARK_META) or "").partition(">")
        return before if before and set_by_us == self.status else self.status


class Customer(_Part):
    """A registered customer."""

    id: int
    date_created_gmt: Gmt | None = None
    date_modified_gmt: Gmt | None = None
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    role: Text = ""
    billing: Address = Address()
    shipping: Address = Address()
    meta_data: tuple[Meta, ...] = ()

    @property
    def version(self) -> int | None:
        """The last change in UTC micros; a profile that was never edited is as old as it is."""
        changed = self.date_modified_gmt or self.date_created_gmt
        return to_us(changed) if changed else None


def meta_of(rows: tuple[Meta, ...], *keys: str) -> Any:
    """Return the value of the first of `keys` that is there and not empty."""
    return next((row.value for key in keys for row in rows if row.key == key and row.value), None)
