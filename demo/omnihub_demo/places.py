"""Which places the play has, who owns their stock, in which zone, and on which days it happens.

Decisions: the warehouse and the stores ranked 61 to 65 by lines of the week belong to the ERP; a
week with fewer than 65 stores gives it the last five. The play's first midnight is midnight *of
each store's own zone*, seven days before today's date in the westernmost zone, so that the whole
play lies in the past everywhere. Wall times are kept: who shopped at 18:05 does so in any zone.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from omnihub_demo.dice import dice
from omnihub_demo.play import Owner, Place

WAREHOUSE = "CENTRAL"
ZONES = ("America/New_York", "America/Chicago", "America/Denver")
ZONE_WEIGHTS = (6, 3, 1)
ERP_RANKS = slice(60, 65)
STORE_SAFETY_MILLI = 1000
DAYS = 7


def choose_places(stores: Iterable[str], seed: int) -> dict[str, Place]:
    """Return the play's places by code; `stores` names the store of every line of the week."""
    ranked = [code for code, _ in sorted(Counter(stores).items(), key=_most_lines_first)]
    erp = set(ranked[ERP_RANKS] if len(ranked) >= ERP_RANKS.stop else ranked[-5:])
    places = {code: _store(code, code in erp, seed) for code in ranked}
    places[WAREHOUSE] = Place(WAREHOUSE, "warehouse-central", ZONES[0], Owner.ERP)
    return places


def first_day(now_us: int) -> date:
    """Return the day whose midnight begins the play: its seventh day is over in every zone."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    return min(now.astimezone(ZoneInfo(zone)).date() for zone in ZONES) - timedelta(days=DAYS)


def midnight(day: date) -> datetime:
    """Return the naive local midnight that begins `day`."""
    return datetime.combine(day, time.min)


def _most_lines_first(item: tuple[str, int]) -> tuple[int, int]:
    code, lines = item
    return -lines, int(code)


def _store(code: str, of_erp: bool, seed: int) -> Place:
    zone = dice(seed, f"zone:{code}").choices(ZONES, ZONE_WEIGHTS)[0]
    owner = Owner.ERP if of_erp else Owner.POS
    return Place(code, f"store-{code}", zone, owner, STORE_SAFETY_MILLI if of_erp else 0)
