"""What can be had, and where: for baskets, product pages and click & collect."""

from typing import Annotated

from fastapi import APIRouter, Query

from omnihub.api.auth import Reader
from omnihub.api.bodies import Availability, Available, Id, NearbyStores, StoreBody
from omnihub.api.params import Filter
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Fault, Problem
from omnihub.model.ids import ChannelId, LocationId, Sku
from omnihub.model.records import ChannelAts, StockLevel
from omnihub.rules.nearby import nearby_stores

router = APIRouter(tags=["availability"])
Skus = Annotated[list[Id], Query(min_length=1, max_length=100, description="One or more.")]
Degrees = Annotated[float, Query(allow_inf_nan=False)]


@router.get("/v1/availability", summary="What can be had")
def availability(
    parts: PartsOf, _: Reader, sku: Skus, channel: Filter = None, location: Filter = None
) -> Availability:
    """Return what a channel may sell, or a location has to sell, of each SKU; 0 when unknown."""
    if (channel is None) == (location is None):
        fault = Fault(pointer="#/query/channel", code="exclusive", detail="a channel or a location")
        raise Problem("invalid", errors=[fault])
    return Availability(items=[_available(parts, Sku(one), channel, location) for one in sku])


@router.get("/v1/stores/nearby", summary="Stores near a point that have it")
def nearby(
    parts: PartsOf,
    _: Reader,
    lat: Annotated[Degrees, Query(ge=-90, le=90)],
    lon: Annotated[Degrees, Query(ge=-180, le=180)],
    sku: Skus,
    quantity_milli: Annotated[int, Query(ge=1, le=10**12, description="Of each SKU.")] = 1000,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> NearbyStores:
    """Return stores with all of the goods, ready within the hour, the nearest first."""
    wanted = {Sku(one): quantity_milli for one in sku}
    levels = [level for one in wanted for level in parts.views.levels_of(one)]
    ats = {(level.sku, level.location): level.ats_milli for level in levels}
    offers = nearby_stores((lat, lon), wanted, ats, parts.stores, parts.now_us(), limit)
    return NearbyStores(items=[StoreBody.model_validate(offer) for offer in offers])


def _available(parts: Parts, sku: Sku, channel: str | None, location: str | None) -> Available:
    level: ChannelAts | StockLevel | None
    if channel is not None:
        level = parts.views.channel_ats(ChannelId(channel), sku)
    else:
        level = parts.views.level_at(sku, LocationId(location or ""))
    return Available(
        sku=sku,
        ats_milli=level.ats_milli if level else 0,
        as_of_us=level.accepted_at_us if level else None,
    )
