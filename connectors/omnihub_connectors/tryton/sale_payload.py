"""The rows of sales that Tryton gives, as far as anybody here reads them.

Guarantees: what does not fit is an error with its path; amounts are exact decimals.
"""

from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from omnihub_connectors.tryton.payload import Coded, PayloadRow


class SaleUnit(PayloadRow):
    """A unit of measure: how many of its category's base unit it is."""

    factor: float


class SoldProduct(PayloadRow):
    """What a line sells."""

    code: str | None = None
    type: str
    default_uom: SaleUnit = Field(alias="default_uom.")
    name: str = ""


class SoldLine(PayloadRow):
    """One line; without product it is a charge, a discount or words."""

    type: str
    product: SoldProduct | None = Field(alias="product.", default=None)
    quantity: float | None = None
    unit: SaleUnit | None = Field(alias="unit.", default=None)
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    taxes: tuple[int, ...] = ()

    @property
    def total(self) -> Decimal:
        """What the line adds to the sale, without tax."""
        return self.amount or Decimal(0)

    @property
    def sells_goods(self) -> bool:
        """Tell whether goods move because of it."""
        return self.type == "line" and self.product is not None and self.product.type == "goods"


class Country(PayloadRow):
    """A country by its ISO code."""

    code: str


class PostalAddress(PayloadRow):
    """Where the goods go."""

    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: Country | None = Field(alias="country.", default=None)


class ContactMechanism(PayloadRow):
    """One way to reach a party."""

    type: str
    value: str | None = None


class Language(PayloadRow):
    """A language by its code."""

    code: str


class SoldTo(PayloadRow):
    """The party that bought."""

    name: str | None = None
    lang: Language | None = Field(alias="lang.", default=None)
    contact_mechanisms: tuple[ContactMechanism, ...] = Field(
        alias="contact_mechanisms.", default=()
    )


class Warehouse(PayloadRow):
    """From where goods leave."""

    storage_location: Coded = Field(alias="storage_location.")


class SaleRow(PayloadRow):
    """A sale, whole."""

    number: str | None = None
    reference: str | None = None
    state: str
    sale_date: date | None = None
    currency: Coded = Field(alias="currency.")
    total_amount: Decimal
    tax_amount: Decimal
    lines: tuple[SoldLine, ...] = Field(alias="lines.", default=())
    party: SoldTo = Field(alias="party.")
    shipment_address: PostalAddress | None = Field(alias="shipment_address.", default=None)
    warehouse: Warehouse | None = Field(alias="warehouse.", default=None)
    create_date: datetime
    write_date: datetime

    @property
    def goods(self) -> tuple[SoldLine, ...]:
        """The lines that sell goods."""
        return tuple(line for line in self.lines if line.sells_goods)


SALE_FIELDS = [
    "number",
    "reference",
    "state",
    "sale_date",
    "currency.code",
    "total_amount",
    "tax_amount",
    "lines.type",
    "lines.quantity",
    "lines.unit_price",
    "lines.amount",
    "lines.taxes",
    "lines.unit.factor",
    "lines.product.code",
    "lines.product.name",
    "lines.product.type",
    "lines.product.default_uom.factor",
    "party.name",
    "party.lang.code",
    "party.contact_mechanisms.type",
    "party.contact_mechanisms.value",
    "shipment_address.street",
    "shipment_address.postal_code",
    "shipment_address.city",
    "shipment_address.country.code",
    "warehouse.storage_location.code",
    "create_date",
    "write_date",
]
