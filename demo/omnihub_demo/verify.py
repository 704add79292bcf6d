"""Looks at a kept run again: what differs now, and in which system somebody changed it.

Guarantees: pure. A place whose owner's books were edited is one entity, attributed to the owner,
also when the hub has believed it meanwhile; what the web store must show follows from what the
places show now, so that an edit at one place is not told twice.
"""

from collections.abc import Iterator, Mapping

from omnihub_demo.ledger import Ledger, Shelf
from omnihub_demo.readings import Readings
from omnihub_demo.verdict import ERP, HUB_API, WEB, WEB_PLACE, Divergence


def find_edits(
    seen: Readings, ledger: Ledger, safety_milli: Mapping[str, int]
) -> Iterator[Divergence]:
    """Yield every entity that differs; `safety_milli` holds the web's places."""
    for shelf, expected in sorted(ledger.on_hand_milli.items()):
        yield from _shelf(shelf, expected, seen, is_erp=shelf[0] in safety_milli)
    for shelf in sorted(seen.erp_milli.keys() - ledger.on_hand_milli.keys()):
        yield Divergence(ERP, shelf[1], shelf[0], 0, seen.erp_milli[shelf])
    followed = _ats_milli(seen.erp_milli, safety_milli)
    for sku in sorted(ledger.web_ats_milli.keys() | seen.web_milli.keys()):
        right = {ledger.web_ats_milli.get(sku, 0), followed.get(sku, 0)}
        shown = seen.web_milli.get(sku, 0)
        if shown not in right:
            expected = followed.get(sku, 0)
            yield Divergence(WEB, sku, WEB_PLACE, expected, shown)


def _shelf(shelf: Shelf, expected: int, seen: Readings, is_erp: bool) -> Iterator[Divergence]:
    of_hub = seen.hub_milli.get(shelf)
    of_erp = seen.erp_milli.get(shelf, 0)
    if is_erp and of_erp != expected:
        yield Divergence(ERP, shelf[1], shelf[0], expected, of_erp)
    elif of_hub != expected:
        yield Divergence(HUB_API, shelf[1], shelf[0], expected, of_hub)


def _ats_milli(on_hand: Mapping[Shelf, int], safety_milli: Mapping[str, int]) -> dict[str, int]:
    ats: dict[str, int] = {}
    for (location, sku), milli in on_hand.items():
        ats[sku] = ats.get(sku, 0) + max(0, milli - safety_milli.get(location, 0))
    return ats
