"""The bodies of the API, with an example each. Field names are those of the records.

Quantities are thousandths of the product's unit (`_milli`), times are UTC microseconds (`_us`).
"""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

T = TypeVar("T")
# ASCII classes only: what \s means differs between regular expression engines.
_ID = r"^[^\x00-\x20:/\x7f]+$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_ID)]


class RequestBody(BaseModel):
    """What somebody sends: nothing unknown, and no value of another JSON type.

    By default pydantic takes true for 1 and "5" for 5: an order over `true` minor units.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """5.0 is an integer, says JSON Schema."""
        return int(value) if isinstance(value, float) and value.is_integer() else value


class Body(BaseModel):
    """A part of an answer; built from a record's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Level(Body):
    """What one location has of one SKU."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "sku": "4711",
                    "location": "STORE-61",
                    "on_hand_milli": 12000,
                    "held_milli": 0,
                    "committed_milli": 0,
                    "unavailable_milli": 0,
                    "safety_milli": 1000,
                    "incoming_milli": 0,
                    "ats_milli": 11000,
                    "seq": 7,
                    "cause_id": "0a4f8f1e-8c55-5a53-9d8f-b3f0a1f3f6a1",
                    "occurred_at_us": 1700000000000000,
                    "accepted_at_us": 1700000000200000,
                }
            ]
        },
    )
    sku: str
    location: str
    on_hand_milli: int
    held_milli: int
    committed_milli: int
    unavailable_milli: int
    safety_milli: int
    incoming_milli: int
    ats_milli: int = Field(description="Available to sell, never negative.")
    seq: int = Field(description="Grows by one with each change of this level.")
    cause_id: str
    occurred_at_us: int
    accepted_at_us: int


class ChannelLevel(Body):
    """What one channel may sell of one SKU."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "sku": "4711",
                    "channel": "WEB",
                    "pool_milli": 13000,
                    "ats_milli": 11000,
                    "seq": 9,
                    "cause_id": "0a4f8f1e-8c55-5a53-9d8f-b3f0a1f3f6a1",
                    "accepted_at_us": 1700000000200000,
                }
            ]
        },
    )
    sku: str
    channel: str
    pool_milli: int = Field(description="Sum over the channel's locations.")
    ats_milli: int = Field(description="Pool less the channel's buffer, never negative.")
    seq: int
    cause_id: str
    accepted_at_us: int


class SkuStock(Body):
    """Everything about the stock of one SKU."""

    sku: str
    locations: list[Level]
    channels: list[ChannelLevel]


class Available(BaseModel):
    """What can be had of one SKU."""

    sku: str
    ats_milli: int = Field(description="Available to sell; 0 when nothing is known of it.")
    as_of_us: int | None = Field(description="Since when; null when nothing is known of it.")


class Availability(BaseModel):
    """What can be had, in the order asked."""

    items: list[Available]


class StoreBody(Body):
    """A store that can hand the goods over."""

    location: str
    distance_m: int = Field(description="As the crow flies.")
    ready_at_us: int


class NearbyStores(BaseModel):
    """Stores, the nearest first."""

    items: list[StoreBody]


class ProductBody(Body):
    """One product."""

    sku: str
    title: str
    gtin: str | None
    unit: str = Field(description="UN/ECE Rec 20: C62 each, KGM, LTR.")
    category: str | None
    brand: str | None
    status: str
    source: str
    cause_id: str
    accepted_at_us: int
    seq: int


class Refusal(Body):
    """One business refusal."""

    event_id: str
    cause_id: str
    source: str
    entity: str
    reason_code: str
    detail: str
    subject_type: str
    subject: str
    accepted_at_us: int


class MapRow(Body):
    """A system's own code and the canonical id that it stands for."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {"instance": "pos", "kind": "location", "code": "445", "canonical": "store-445"}
            ]
        },
    )
    instance: Id
    kind: Id
    code: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    canonical: Id


class MapEntry(Body):
    """A cross-reference as kept."""

    instance: str
    kind: str
    code: str
    canonical: str
    set_by: str
    set_at_us: int


class MapImport(RequestBody):
    """Several cross-references at once."""

    rows: list[MapRow] = Field(min_length=1, max_length=10_000)


class Written(BaseModel):
    """How many records became durable."""

    written: int


class PageBody(BaseModel, Generic[T]):
    """Some items; ask again with `cursor=next_cursor` for more."""

    items: list[T]
    next_cursor: str | None = Field(description="Absent at the end.")


class Status(BaseModel):
    """How the process is."""

    status: str
    failing: dict[str, str] = Field(description="Failing parts with their reason.")


class Target(BaseModel):
    """A group of scrape targets in Prometheus' http_sd form."""

    targets: list[str]
    labels: dict[str, str]
