"""One POSLog file of each document kind, for the tests of whoever reads them.

`python -m omnihub_demo.samples DIRECTORY` writes them. All numbers are made up and fixed, so the
files change only when the format does.
"""

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from omnihub_demo.play import (
    EACH,
    LITRE,
    Count,
    CountLine,
    Document,
    Kind,
    Line,
    LineKind,
    Product,
    Transaction,
    TransactionKey,
    instant_us,
)
from omnihub_demo.poslog import render

DAY = date(2026, 11, 16)
TZ = "America/New_York"
MILK = Product("1029743", "FLUID MILK WHITE ONLY", "GROCERY", EACH, 299)
BREAD = Product("27479", "BREAD & ROLLS <FRESH>", "GROCERY", EACH, 100)
PETROL = Product("397896", "GASOLINE-REG UNLEADED", "FUEL", LITRE, 275)
PRODUCTS = {product.sku: product for product in (MILK, BREAD, PETROL)}


def samples() -> dict[str, bytes]:
    """Return the content of each sample file by name."""
    sale, count = _sale(), _count()
    void_line, returned, post_void = _void_line(), _return(sale), _post_void(sale)
    kinds: dict[str, list[Document]] = {
        "sale.xml": [sale],
        "return.xml": [returned],
        "void-line.xml": [void_line],
        "post-void.xml": [post_void],
        "count.xml": [count],
        "mixed.xml": [
            count, returned, sale, _training(), void_line, _fuel_and_nothing(), post_void,
            _cancelled(),
        ],
    }  # fmt: skip
    return {name: render(documents, PRODUCTS) for name, documents in kinds.items()}


def write(directory: Path) -> None:
    """Write every sample into `directory`."""
    for name, body in samples().items():
        (directory / name).write_bytes(body)


def _at(
    key: TransactionKey,
    clock: str,
    lines: tuple[Line, ...],
    kind: Kind = Kind.BASKET,
    voids: TransactionKey | None = None,
) -> Transaction:
    ended_at = datetime.combine(DAY, datetime.strptime(clock, "%H:%M:%S").time())  # noqa: DTZ007
    began_at = ended_at - timedelta(seconds=90)
    return Transaction(key, began_at, ended_at, instant_us(ended_at, TZ), lines, kind, voids)


def _key(workstation: int, sequence: int) -> TransactionKey:
    return TransactionKey("367", workstation, sequence, DAY)


def _milk(number: int, units: int = 2, void: bool = False) -> Line:
    return Line(number, MILK.sku, EACH, units * 1000, units * 299, void=void)


def _bread(number: int) -> Line:
    return Line(number, BREAD.sku, EACH, 1000, 100)


def _sale() -> Transaction:
    return _at(_key(3, 1042), "18:05:10", (_milk(1), _bread(2)))


def _return(sale: Transaction) -> Transaction:
    line = Line(1, MILK.sku, EACH, 1000, 299, LineKind.RETURN, origin=(sale.key, 1))
    return _at(_key(80, 7), "20:15:00", (line,))


def _void_line() -> Transaction:
    return _at(_key(3, 1043), "18:07:41", (_milk(1), _milk(2, units=1, void=True), _bread(3)))


def _post_void(sale: Transaction) -> Transaction:
    return _at(_key(3, 1044), "18:09:02", sale.lines, Kind.POST_VOID, voids=sale.key)


def _fuel_and_nothing() -> Transaction:
    petrol = Line(1, PETROL.sku, LITRE, 29_383, 8080)
    nothing = Line(2, BREAD.sku, EACH, 0, 0)
    return _at(_key(1, 11), "07:30:00", (petrol, nothing))


def _training() -> Transaction:
    return _at(_key(2, 5), "09:00:00", (_milk(1),), Kind.TRAINING)


def _cancelled() -> Transaction:
    return _at(_key(2, 6), "09:10:00", (_bread(1),), Kind.CANCELLED)


def _count() -> Count:
    as_of = datetime.combine(DAY, datetime.min.time())
    lines = (
        CountLine(MILK.sku, EACH, 24_000),
        CountLine(BREAD.sku, EACH, 0),
        CountLine(PETROL.sku, LITRE, 12_500_250),
    )
    return Count(_key(90, 1), as_of, instant_us(as_of, TZ), lines)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
