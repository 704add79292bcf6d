"""The rows that Tryton gives, as far as the mapping reads them.

Guarantees: what does not fit is an error with its path; related records come as nested rows.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from omnihub_connectors.tryton.codec import decode


class PayloadRow(BaseModel):
    """A record by its id; fields that nobody asked for are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int

    @classmethod
    def of(cls, body: bytes) -> Any:
        """Return the row in `body`; raises pydantic's ValidationError or ValueError."""
        return cls.model_validate(decode(body))


class Named(PayloadRow):
    """Something with a name."""

    name: str


class Unit(PayloadRow):
    """A unit of measure by its symbol."""

    symbol: str


class Identifier(PayloadRow):
    """A bar code or the like."""

    code: str


class Template(PayloadRow):
    """What the variants of a product share."""

    name: str
    active: bool
    account_category: Named | None = Field(alias="account_category.", default=None)
    default_uom: Unit = Field(alias="default_uom.")
    write_date: datetime | None = None


class ProductRow(PayloadRow):
    """A variant: what is sold."""

    code: str | None = None
    active: bool
    identifiers: tuple[Identifier, ...] = Field(alias="identifiers.", default=())
    template: Template = Field(alias="template.")
    last_modified_at: datetime


class Coded(PayloadRow):
    """Something known by its code."""

    code: str | None = None


class Place(Coded):
    """A location and what kind it is: storage, supplier, customer, lost_found ..."""

    type: str


class Inventory(PayloadRow):
    """The document a counted line belongs to."""

    number: str | None = None
    date: date
    empty_quantity: str | None = None
    location: Coded = Field(alias="location.")
    write_date: datetime


class CountRow(PayloadRow):
    """One counted product; without quantity, nobody counted it."""

    product: Coded = Field(alias="product.")
    quantity: float | None = None
    create_date: datetime
    inventory: Inventory = Field(alias="inventory.")


class ReferredSale(PayloadRow):
    """The sale because of which goods leave."""

    reference: str | None = None


class OutgoingMove(PayloadRow):
    """What a shipment hands to the buyer; it alone knows its sale."""

    product: Coded = Field(alias="product.")
    sale: ReferredSale | None = Field(alias="sale.", default=None)


class Document(PayloadRow):
    """The shipment that a move is part of."""

    reference: Annotated[str, BeforeValidator(lambda told: told or "")] = ""
    outgoing_moves: tuple[OutgoingMove, ...] = Field(alias="outgoing_moves.", default=())

    def sale_of(self, product: str | None) -> ReferredSale | None:
        """Return the one sale for which `product` leaves; None if there is none or several."""
        sales = {
            move.sale.id: move.sale
            for move in self.outgoing_moves
            if move.sale is not None and move.product.code == product
        }
        return next(iter(sales.values())) if len(sales) == 1 else None


class MoveRow(PayloadRow):
    """Goods moved from one location to another; `internal_quantity` is in the product's unit."""

    product: Coded = Field(alias="product.")
    internal_quantity: float
    from_location: Place = Field(alias="from_location.")
    to_location: Place = Field(alias="to_location.")
    effective_date: date
    state: str
    origin: str | None = None
    shipment: str | None = None
    document: Document | None = Field(alias="shipment.", default=None)
    create_date: datetime
    last_modified_at: datetime
