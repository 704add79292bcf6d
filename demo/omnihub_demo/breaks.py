"""Bugs that are planted on request, outside the product: the report must then name the promise.

Each is a real fault of a neighbour: a careless script at the spool, a producer with rights it
should not have, a hand at the web store's or the ERP's desk. None tells the hub's own code.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from omnihub.model.ids import EventId, MovementId
from omnihub.model.records import StockMoved
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of, reader_of
from omnihub_demo.erp import Erp
from omnihub_demo.ledger import Ledger
from omnihub_demo.log import EVENTS
from omnihub_demo.play import EACH, CountLine, Owner, Play
from omnihub_demo.player import Player
from omnihub_demo.process import DemoError
from omnihub_demo.schedule import DropFile, Phase, Timetable
from omnihub_demo.shop import Shop

INBOX = "omni.stock.inbox.v1"
UNITS = 5


class Break(StrEnum):
    """Which promise to break."""

    DURABLE = "durable"
    EXACTLY_ONCE = "exactly-once"
    CONSERVATION = "conservation"
    NO_OVERSELL = "no-oversell"
    ONE_ORDER = "one-order"


@dataclass(frozen=True)
class Saboteur:
    """Plants one bug, or none."""

    what: Break | None
    play: Play
    timetable: Timetable
    ledger: Ledger
    install: Installation
    erp: Erp
    shop: Shop

    def before_day(self, player: Player) -> None:
        """Durable: a script clears the spool into the archive before the hub has read a file."""
        if self.what is Break.DURABLE:
            acts = (x.act for x in self.timetable.deliveries if x.phase is Phase.DAY)
            files = (act for act in acts if isinstance(act, DropFile))
            told = [act for act in files if any(document.facts for document in act.documents)]
            player.till.forgotten.add(told[len(told) // 2].name)

    async def in_mid_day(self) -> None:
        """Exactly once: a producer of its own repeats a sale under another name.

        Conservation: somebody books goods in the ERP that never came.
        """
        if self.what is Break.EXACTLY_ONCE:
            await self._repeat_a_sale()
        elif self.what is Break.CONSERVATION:
            place = self.play.owned_by(Owner.ERP)[0]
            line = CountLine(self.play.erp_skus[0], EACH, UNITS * 1000)
            await self.erp.receive(place.code, self.play.first_day, [line])

    async def when_quiet(self) -> None:
        """No oversell: a hand in the web store raises a quantity. One order: it holds one back."""
        if self.what is Break.NO_OVERSELL:
            sku, milli = max(self.ledger.web_ats_milli.items(), key=lambda item: item[1])
            await self.shop.set_quantity(sku, milli // 1000 + UNITS)
        elif self.what is Break.ONE_ORDER:
            await self.shop.hold_newest_order()

    async def _repeat_a_sale(self) -> None:
        codec = codec_of(self.install)
        told = await reader_of(self.install, codec).read_all([EVENTS])
        sale = next((x.record for x in told if isinstance(x.record, StockMoved)), None)
        if sale is None:
            raise DemoError("no sale was told yet: nothing to repeat. Break it later in the day.")
        meta = msgspec.structs.replace(sale.meta, event_id=EventId(f"{sale.meta.event_id}-again"))
        again = msgspec.structs.replace(
            sale, meta=meta, movement_id=MovementId(f"{sale.movement_id}-again")
        )
        async with appender_of(self.install, codec) as appender:
            await appender.append(INBOX, again)
