"""What the connector reads of a WooCommerce product: REST v3, webhooks and variations alike.

Guarantees: unknown fields are ignored, missing ones have the plugin's defaults. Shapes were read
from the plugin's source, release 11.2.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, field_validator

from omnihub.model.time import to_us

PRODUCT, ORDER, CUSTOMER = "product", "order", "customer"
TRASH = "trash"
STOCKLESS_TYPES = frozenset({"variable", "grouped", "external"})


class Row(msgspec.Struct):
    """The head of a resource: enough to cut pages and to say which entity it is."""

    id: int
    date_modified_gmt: str | None = None
    status: str | None = None
    order_key: str | None = None
    username: str | None = None

    @property
    def resource(self) -> str | None:
        """What it shows itself to be; None for an id alone, which only a deletion sends."""
        if self.order_key is not None:
            return ORDER
        if self.username is not None:
            return CUSTOMER
        return PRODUCT if self.date_modified_gmt or self.status else None

    @property
    def version(self) -> int | None:
        """Return the last change in UTC micros, None for a row without date (`{"id": 7}`)."""
        return gmt_to_us(self.date_modified_gmt) if self.date_modified_gmt else None


class Stocked(msgspec.Struct):
    """A product as the sink and the read-back see it.

    `manage_stock` is "parent" for a variation that sells from its parent's quantity.
    """

    id: int
    sku: str = ""
    type: str = "variation"
    parent_id: int = 0
    manage_stock: bool | str = False
    stock_quantity: float | None = None


STOCKED_FIELDS = ",".join(Stocked.__struct_fields__)


class Term(BaseModel):
    """A category or a brand."""

    name: str


class Product(BaseModel):
    """A product or variation as canonical events need it."""

    model_config = ConfigDict(frozen=True)

    id: int
    type: str = "simple"
    status: str = "publish"
    name: str = ""
    sku: str = ""
    global_unique_id: str = ""
    date_modified_gmt: datetime | None = None
    manage_stock: bool | Literal["parent"] = False
    stock_quantity: float | None = None
    categories: tuple[Term, ...] = ()
    brands: tuple[Term, ...] = ()

    @field_validator("date_modified_gmt")
    @classmethod
    def _is_gmt(cls, moment: datetime | None) -> datetime | None:
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment

    @property
    def version(self) -> int | None:
        """Return the last change in UTC micros; its resolution is one second."""
        return to_us(self.date_modified_gmt) if self.date_modified_gmt else None


def gmt_to_us(text: str) -> int:
    """Return a `*_gmt` date of WooCommerce (no zone, whole seconds) as UTC micros."""
    moment = datetime.fromisoformat(text)
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
