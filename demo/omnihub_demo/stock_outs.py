"""What a channel has sold out at rest: nothing of a SKU for sale now, but there was something.

Guarantees: pure, from the play and the ledger alone. Opening counts come before anything is sold,
so what was counted was for sale. A SKU that was never counted there (only brought back, delivered
or counted later) may or may not have been for sale for a moment: the order in which its documents
came decides. Therefore a least and a most number, which differ by such SKUs only.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from omnihub_demo.ledger import Ledger, Shelf, receipt_movements, till_movements
from omnihub_demo.places import midnight
from omnihub_demo.play import Owner, Play


def stock_outs(
    play: Play, ledger: Ledger, channels: Mapping[str, Collection[str]]
) -> tuple[int, int]:
    """Return least and most pairs of channel and SKU; `channels` holds the places of each."""
    safety = {place.location: place.safety_milli for place in play.owned_by(Owner.ERP)}
    counted = _over(safety, _opening_milli(play))
    perhaps = _over(safety, _most_milli(play))
    now = _over(safety, ledger.on_hand_milli)
    least = most = 0
    for places in channels.values():
        left = _skus(now, places)
        least += len(_skus(counted, places) - left)
        most += len(_skus(perhaps, places) - left)
    return least, most


def _opening_milli(play: Play) -> dict[Shelf, int]:
    """Return what was counted before anything was sold."""
    start = midnight(play.first_day)
    return {
        (place.location, line.sku): line.quantity_milli
        for count in play.counts
        for place in (play.places[count.key.store],)
        for line in count.lines
        if place.owner is Owner.ERP or count.as_of == start
    }


def _most_milli(play: Play) -> Counter[Shelf]:
    """Return what was there at most: all that was ever counted, and all that came in."""
    found: Counter[Shelf] = Counter()
    for count in play.counts:
        location = play.places[count.key.store].location
        for line in count.lines:
            found[location, line.sku] += line.quantity_milli
    for move in (*till_movements(play), *receipt_movements(play)):
        found[move.location, move.sku] += max(0, move.delta_milli)
    return found


def _over(safety: Mapping[str, int], milli: Mapping[Shelf, int]) -> set[Shelf]:
    return {shelf for shelf, many in milli.items() if many > safety.get(shelf[0], 0)}


def _skus(shelves: Collection[Shelf], places: Collection[str]) -> set[str]:
    return {sku for location, sku in shelves if location in places}
