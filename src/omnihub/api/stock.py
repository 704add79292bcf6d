"""Stock and products, read from the views."""

from fastapi import APIRouter

from omnihub.api.auth import Reader
from omnihub.api.bodies import ChannelLevel, Level, PageBody, ProductBody, SkuStock
from omnihub.api.params import ChannelPath, Cursor, Filter, Limit, SkuPath
from omnihub.api.parts import PartsOf
from omnihub.api.problem import Fault, Problem
from omnihub.model.ids import ChannelId, LocationId, Sku

router = APIRouter(tags=["stock"])
_UNSEEN = "It appears with its first count or movement."


@router.get("/v1/stock", summary="List levels")
def stock_list(
    parts: PartsOf,
    _: Reader,
    location: Filter = None,
    channel: Filter = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> PageBody[Level] | PageBody[ChannelLevel]:
    """List levels by SKU: of one location, of one channel, or all locations."""
    if channel is None:
        place = LocationId(location) if location is not None else None
        levels = parts.views.levels(place, cursor, limit)
        items = [Level.model_validate(level) for level in levels.items]
        return PageBody[Level](items=items, next_cursor=levels.next_cursor)
    if location is not None:
        detail = "give a location or a channel, not both"
        raise Problem(
            "invalid", errors=[Fault(pointer="#/query/location", code="exclusive", detail=detail)]
        )
    page = parts.views.channel_levels(ChannelId(channel), cursor, limit)
    shown = [ChannelLevel.model_validate(level) for level in page.items]
    return PageBody[ChannelLevel](items=shown, next_cursor=page.next_cursor)


@router.get("/v1/stock/{sku}", summary="Stock of a SKU")
def stock_of(parts: PartsOf, _: Reader, sku: SkuPath) -> SkuStock:
    """Return the level at every location and in every channel."""
    levels = parts.views.levels_of(Sku(sku))
    if not levels:
        raise Problem("unknown-sku", f"SKU '{sku}' has no level yet. {_UNSEEN}")
    channels = parts.views.channels_of(Sku(sku))
    return SkuStock(
        sku=sku,
        locations=[Level.model_validate(level) for level in levels],
        channels=[ChannelLevel.model_validate(level) for level in channels],
    )


@router.get("/v1/channels/{channel}/stock/{sku}", summary="What a channel may sell")
def channel_stock(parts: PartsOf, _: Reader, channel: ChannelPath, sku: SkuPath) -> ChannelLevel:
    """Return what `channel` may sell of `sku`."""
    level = parts.views.channel_ats(ChannelId(channel), Sku(sku))
    if level is None:
        raise Problem("unknown-sku", f"SKU '{sku}' has no level in channel '{channel}'. {_UNSEEN}")
    return ChannelLevel.model_validate(level)


@router.get("/v1/products/{sku}", summary="A product", tags=["products"])
def product(parts: PartsOf, _: Reader, sku: SkuPath) -> ProductBody:
    """Return the product as the hub knows it."""
    found = parts.views.product(Sku(sku))
    if found is None:
        raise Problem("unknown-sku", f"SKU '{sku}' is no product yet. No system has told of it.")
    return ProductBody.model_validate(found)
