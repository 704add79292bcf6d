"""The day's totals: what the ERP must hold of the orders that it does not hold as sales.

Guarantees: pure, from the dealt orders and the buyers' clocks alone. An order whose goods leave
from the ERP's own places, or that staff typed in there, is a sale of its own; what else a channel
confirmed is one total per channel, business day and currency. A refused order is neither. A day
ends at midnight of the place its channel ships from: the warehouse.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from omnihub_demo.dealing import Channel, Order
from omnihub_demo.order_readings import Sale
from omnihub_demo.placed import OrderKey, Placed
from omnihub_demo.play import Owner

PREFIX = "hub:total:"
"""What the references of totals begin with; channel, day since 1970-01-01 and currency follow."""
CURRENCY = "USD"
CHANNELS = {Channel.WEB: "WEB", Channel.APP: "APP"}
"""The channels whose totals the ERP learns, as the hub calls them."""
DRAFT = "draft"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def becomes_sale(order: Order) -> bool:
    """Tell whether the ERP holds a confirmed order as a sale of its own."""
    is_of_erp = order.place is None or order.place.owner is Owner.ERP
    return not order.is_refused and (is_of_erp or order.channel is Channel.PHONE)


def expected_totals(placed: Mapping[OrderKey, Placed], zone: str) -> Counter[str]:
    """Return cents by target: `CHANNEL:DAY:CURRENCY`; `zone` is where the business day ends."""
    totals: Counter[str] = Counter()
    for each in placed.values():
        order = each.order
        if order.channel in CHANNELS and not order.is_refused and not becomes_sale(order):
            totals[_target(order.channel, each.at_us, zone)] += order.total_cents
    return totals


def total_faults(sales: Sequence[Sale], expected: Mapping[str, int]) -> Iterator[str]:
    """Yield every total that the ERP lacks, holds twice, closed, or holds of nothing."""
    held: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if sale.reference.startswith(PREFIX):
            held[sale.reference.removeprefix(PREFIX)].append(sale)
    for target in sorted(expected.keys() | held.keys()):
        yield from _faults_of(target, expected.get(target), held.get(target, []))


def _faults_of(target: str, cents: int | None, held: Sequence[Sale]) -> Iterator[str]:
    if cents is None:
        yield f"erp: the total of {_in_words(target)} is of no order"
    elif len(held) != 1:
        yield f"erp: the total of {_in_words(target)} is there {len(held)} times"
    elif held[0].total_cents != cents:
        yield f"erp: the total of {_in_words(target)} is {held[0].total_cents}, not {cents}"
    elif held[0].state != DRAFT:
        yield f"erp: the total of {_in_words(target)} is '{held[0].state}', not open"


def _target(channel: Channel, at_us: int, zone: str) -> str:
    day = (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone)).date()
    return f"{CHANNELS[channel]}:{day.toordinal() - _EPOCH.date().toordinal()}:{CURRENCY}"


def _in_words(target: str) -> str:
    channel, day, currency = target.split(":")
    return f"{channel} on {date.fromordinal(_EPOCH.toordinal() + int(day))} in {currency}"
