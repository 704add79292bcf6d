"""What a till line means to the stock: a sale, a return, their undoing, or a count.

Guarantees: each line is a fact of its own with the four-part key and its number as natural id, so
files may come twice, late and in any order, and a post-void before its sale. A line that names an
order carries its canonical id, so the goods that leave are those that were promised. Local times
are told in the store's zone; one that happens twice is the first, one that never happens keeps the
offset from before the change.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Fact, Mapping, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LocationId, MovementId, OrderId, Sku
from omnihub.model.record import Record
from omnihub.model.records import (
    MovementKind,
    RawDelivery,
    SourceEntity,
    StockCounted,
    StockMoved,
)
from omnihub.model.time import to_us
from omnihub_connectors.poslog.config import PosLogConfig
from omnihub_connectors.poslog.documents import Act, Line, NotPosLog, Unreadable, read
from omnihub_connectors.poslog.spool import TOO_LARGE_HEADER

LINE, UNREADABLE = "line", "unreadable"
_QUANTITY = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?", re.ASCII)
_CANONICAL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(Line).decode


class PosLogMapping(Mapping[PosLogConfig]):
    """Pure: from POSLog files to stock facts."""

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Cut a file into its stock lines."""
        if (size := delivery.headers.get(TOO_LARGE_HEADER)) is not None:
            raise _bad(delivery, f"it has {size} bytes, more than max_file_bytes")
        try:
            return [_entity(delivery, part) for part in read(delivery.body)]
        except NotPosLog as error:
            raise _bad(delivery, str(error)) from error

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Turn one line into its fact."""
        if entity.type == UNREADABLE:
            reason = msgspec.json.decode(entity.body, type=Unreadable).reason
            raise BadDelivery(
                f"{reason} in {entity.entity_id.rpartition(':')[0]}",
                cure="correct the till's export, send the transaction again, then skip this one",
            )
        line = _decode_line(entity.body)
        event = self._counted(entity, line, refs) if line.act is Act.COUNT else None
        return [Fact(entity.entity_id, (event or self._moved(entity, line, refs),))]

    def _moved(self, entity: SourceEntity, line: Line, refs: Refs) -> Record:
        store = LocationId(refs.resolve("location", line.store))
        # Goods come in by a return, and by undoing a sale; undoing a return takes them out again.
        comes_in = (line.act is Act.RETURN) != line.undone
        occurred_at_us, zone = self._moment(line)
        return StockMoved(
            meta=event_meta(entity, "moved", occurred_at_us, tz=zone),
            movement_id=MovementId(f"{entity.instance}:{entity.entity_id}"),
            sku=_sku(line, refs),
            kind=_kind(line),
            from_location=None if comes_in else store,
            to_location=store if comes_in else None,
            quantity_milli=_milli(line),
            order_id=self._order_id(entity, line),
        )

    def _order_id(self, entity: SourceEntity, line: Line) -> OrderId | None:
        """Return the order whose goods the line moves: told by its canonical id or a source's."""
        if not line.order:
            return None
        if not line.order_source and _CANONICAL_ID.fullmatch(line.order):
            return OrderId(line.order.lower())
        source = line.order_source or self.config.order_source
        if source is None:
            # Booked without its order, the goods would stay promised for ever.
            raise BadDelivery(
                f"line {line.key} names an order, but not whose it is",
                cure="set `order_source` in the config, or let the till write OrderSource",
            )
        return order_id_of(entity.tenant, source, line.order)

    def _counted(self, entity: SourceEntity, line: Line, refs: Refs) -> Record:
        as_of_us, zone = self._moment(line)
        return StockCounted(
            meta=event_meta(entity, "counted", as_of_us, tz=zone),
            count_id=f"{entity.instance}:{entity.entity_id}",
            sku=_sku(line, refs),
            location=LocationId(refs.resolve("location", line.store)),
            quantity_milli=_milli(line),
            as_of_us=as_of_us,
        )

    def _moment(self, line: Line) -> tuple[int, str]:
        """Return the line's time as UTC micros, and the zone in which the till told it."""
        zone = self.config.zone_of(line.store)
        try:
            told = datetime.fromisoformat(line.at)
        except ValueError:
            detail = f"line {line.key}: '{line.at[:40]}' is no date and time"
            raise RejectedError("bad_time", detail, line.key) from None
        if told.tzinfo is None:
            told = told.replace(tzinfo=ZoneInfo(zone), fold=0)
        return to_us(told), zone


def _entity(delivery: RawDelivery, part: Line | Unreadable) -> SourceEntity:
    if isinstance(part, Unreadable):
        return source_entity(delivery, UNREADABLE, f"{delivery.name}:{part.index}", _encode(part))
    return source_entity(delivery, LINE, part.key, _encode(part))


def _kind(line: Line) -> MovementKind:
    if line.undone:
        return MovementKind.VOID
    return MovementKind.SALE if line.act is Act.SALE else MovementKind.RETURN


def _sku(line: Line, refs: Refs) -> Sku:
    if not line.item:
        raise RejectedError("missing_item", f"line {line.key} has no ItemID", line.key)
    return Sku(refs.resolve("sku", line.item))


def _milli(line: Line) -> int:
    """Return the quantity in thousandths; nothing is rounded."""
    if line.quantity.startswith("-"):
        detail = f"line {line.key}: quantity '{line.quantity[:20]}' is negative; send a Return"
        raise RejectedError("negative_quantity", detail, line.key)
    if (match := _QUANTITY.fullmatch(line.quantity)) is None:
        detail = (
            f"line {line.key}: quantity '{line.quantity[:20]}' is no number with at most three "
            "decimal places"
        )
        raise RejectedError("bad_quantity", detail, line.key)
    whole, fraction = match.groups()
    return int(whole) * 1000 + int((fraction or "").ljust(3, "0"))


def _bad(delivery: RawDelivery, reason: str) -> BadDelivery:
    return BadDelivery(
        f"file {delivery.name} is no POSLog: {reason}",
        cure=f"look at archive/{delivery.name}, let the till export it again, then skip this one",
    )
