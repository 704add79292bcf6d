"""Judges what was read back: against the independent ledger, and the systems against each other.

Guarantees: pure. Every expected fact must be in the hub's event topic exactly once and say the
same; every system must show what the ledger says; nothing may be there that no fact explains.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from omnihub_demo.facts import COUNT, Expected, Fact
from omnihub_demo.ledger import Ledger, Shelf
from omnihub_demo.play import TransactionKey
from omnihub_demo.readings import Readings, ToldFact

POS, ERP, WEB = "pos-main", "erp", "web"
HUB_API, HUB_STATE = "hub-api", "hub-state"
HUB_STOCK = "stock"
"""The source of movements that the hub books itself."""
WEB_PLACE = "WEB"


@dataclass(frozen=True, slots=True)
class Divergence:
    """One entity that one system shows otherwise than it should."""

    system: str
    sku: str
    location: str
    expected_milli: int | None
    seen_milli: int | None


@dataclass(frozen=True)
class Verdict:
    """What is wrong; all empty or zero when every promise held."""

    divergent: tuple[Divergence, ...]
    oversold_units: int
    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    unarchived: tuple[str, ...]
    lost_after_archive: tuple[str, ...]
    lost_effects: tuple[str, ...]
    order_faults: int
    unsettled: int


def judge_readings(
    seen: Readings,
    expected: Expected,
    ledger: Ledger,
    dropped: Mapping[TransactionKey, int],
) -> Verdict:
    """Compare; `dropped` tells how often each till document was put into the spool."""
    lost, repeated = facts_at_fault(seen.told, expected)
    lost_lines, repeated_lines = erp_lines_at_fault(seen.erp_lines, ledger)
    archived = {_named(key) for key in seen.archived}
    return Verdict(
        divergent=tuple(divergences(seen, ledger)),
        oversold_units=oversold_units(seen.web_milli, ledger.web_ats_milli),
        lost=tuple(lost),
        repeated=(*repeated, *repeated_lines),
        unarchived=tuple(
            f"{_named(key)}: {times} dropped, {seen.archived[key]} archived"
            for key, times in sorted(dropped.items())
            if seen.archived[key] != times
        ),
        lost_after_archive=tuple(x for x in lost if x.rpartition(":")[0] in archived),
        lost_effects=tuple(lost_lines),
        order_faults=seen.state_order_faults,
        unsettled=seen.open_commands + seen.parked + seen.waiting_files,
    )


def facts_at_fault(told: Iterable[ToldFact], expected: Expected) -> tuple[list[str], list[str]]:
    """Return the facts that are missing or say something else, and those told too often.

    A count may be told to be superseded where there is a newer one; a fact that nobody expects is
    one too many.
    """
    of_tills: dict[str, list[Fact | None]] = {}
    of_erp: Counter[Fact] = Counter()
    of_hub: Counter[Fact] = Counter()
    for one in told:
        if one.instance == ERP and one.fact is not None:
            of_erp[one.fact] += 1
        elif one.instance == HUB_STOCK and one.fact is not None:
            of_hub[one.fact] += 1
        else:
            of_tills.setdefault(one.natural_id, []).append(one.fact)
    lost, repeated = _till_facts_at_fault(of_tills, expected)
    for system, wanted, found in (
        (ERP, expected.of_erp, of_erp),
        (HUB_STOCK, expected.of_hub, of_hub),
    ):
        lost += [_said(system, fact) for fact in (wanted - found).elements()]
        repeated += [_said(system, fact) for fact in (found - wanted).elements()]
    return lost, repeated


def _till_facts_at_fault(
    told: Mapping[str, list[Fact | None]], expected: Expected
) -> tuple[list[str], list[str]]:
    counts = Counter(_shelf(fact) for fact in expected.of_tills.values() if fact.kind == COUNT)
    lost, repeated = [], []
    for natural_id, fact in expected.of_tills.items():
        found = told.get(natural_id, [])
        may_be_old = fact.kind == COUNT and counts[_shelf(fact)] > 1
        if not any(said == fact or (said is None and may_be_old) for said in found):
            lost.append(natural_id)
        repeated += [natural_id] * (len(found) - 1)
    unexpected = told.keys() - expected.of_tills.keys()
    return lost, [*repeated, *(each for each in sorted(unexpected) for _ in told[each])]


def erp_lines_at_fault(seen: Mapping[str, int], ledger: Ledger) -> tuple[list[str], list[str]]:
    """Compare the ERP's documents that carry the hub's mark with the tills' movements."""
    wanted = Counter(
        f"{location}:{move.sku}:{move.delta_milli}"
        for location, moves in ledger.erp_movements.items()
        for move in moves
    )
    found = Counter(dict(seen))
    return sorted((wanted - found).elements()), sorted((found - wanted).elements())


def divergences(seen: Readings, ledger: Ledger) -> Iterator[Divergence]:
    """Yield every entity that a system shows otherwise than the ledger."""
    yield from _shelves(HUB_API, seen.hub_milli, ledger.on_hand_milli)
    yield from _shelves(HUB_STATE, seen.state_milli, ledger.on_hand_milli)
    yield from _shelves(ERP, seen.erp_milli, ledger.erp_on_hand_milli, absent_milli=0)
    yield from _web(HUB_API, seen.hub_ats_milli, ledger.web_ats_milli)
    yield from _web(WEB, seen.web_milli, ledger.web_ats_milli)


def oversold_units(web_milli: Mapping[str, int], ats_milli: Mapping[str, int]) -> int:
    """Return the units that the web store offers beyond what the ledger has."""
    over = (milli - ats_milli.get(sku, 0) for sku, milli in web_milli.items())
    return sum(-(-milli // 1000) for milli in over if milli > 0)


def _shelves(
    system: str,
    seen: Mapping[Shelf, int],
    wanted: Mapping[Shelf, int],
    absent_milli: int | None = None,
) -> Iterator[Divergence]:
    for shelf in sorted(seen.keys() | wanted.keys()):
        expected = wanted.get(shelf, absent_milli)
        found = seen.get(shelf, absent_milli)
        if expected != found:
            yield Divergence(system, shelf[1], shelf[0], expected, found)


def _web(system: str, seen: Mapping[str, int], wanted: Mapping[str, int]) -> Iterator[Divergence]:
    for sku in sorted(seen.keys() | wanted.keys()):
        expected, found = wanted.get(sku, 0), seen.get(sku, 0)
        if expected != found:
            yield Divergence(system, sku, WEB_PLACE, expected, found)


def _named(key: TransactionKey) -> str:
    return f"{key.store}:{key.workstation}:{key.business_day}:{key.sequence}"


def _shelf(fact: Fact) -> Shelf:
    return fact.location, fact.sku


def _said(system: str, fact: Fact) -> str:
    verb = "counted" if fact.kind == COUNT else "moved"
    return f"{system}: {fact.milli} of {fact.sku} {verb} at {fact.location}"
