"""Write ARTS POSLog XML as `POSLOG.md` describes it, and drop the files into a spool folder.

Guarantees: `render` is pure and gives well-formed UTF-8; `drop` shows a file whole or not at all.
`drop_slowly` shows half of it on purpose, as careless tills do. Does not promise to validate
against the ARTS schema, which is not public.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path

from omnihub_demo.play import (
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
)

NAMESPACE = "http://www.nrf-arts.org/IXRetail/namespace/"
CURRENCY = "USD"
FLAGS = {Kind.TRAINING: ' TrainingModeFlag="true"', Kind.CANCELLED: ' CancelFlag="true"'}


def render(documents: Iterable[Document], products: Mapping[str, Product]) -> bytes:
    """Return one POSLog file that holds `documents` in the given order."""
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<POSLog xmlns="{NAMESPACE}" MajorVersion="6" MinorVersion="0">',
        *(row for document in documents for row in _document(document, products)),
        "</POSLog>",
    ]
    return ("\n".join(rows) + "\n").encode()


def drop(incoming: Path, name: str, body: bytes) -> None:
    """Write a file so that a reader sees it whole or not at all."""
    part = incoming / f".{name}.part"
    part.write_bytes(body)
    part.rename(incoming / name)


def drop_slowly(incoming: Path, name: str, body: bytes, pause: Callable[[], None]) -> None:
    """Write half of a file in its final place, call `pause`, write the rest."""
    half = len(body) // 2
    with (incoming / name).open("wb") as file:
        file.write(body[:half])
        file.flush()
        pause()
        file.write(body[half:])


def quantity(milli: int, unit: str) -> str:
    """Return thousandths as the till prints them: whole pieces, litres with three places."""
    if unit == LITRE or milli % 1000:
        return f"{milli // 1000}.{milli % 1000:03}"
    return str(milli // 1000)


def _document(document: Document, products: Mapping[str, Product]) -> Iterator[str]:
    yield f"  <Transaction{_flag(document)}>"
    yield from _key(document.key, "    ")
    if isinstance(document, Count):
        yield from _head(document.as_of, document.as_of, document.key.workstation)
        yield from _count(document)
    else:
        yield from _head(document.began_at, document.ended_at, document.key.workstation)
        yield from _retail(document, products)
    yield "  </Transaction>"


def _flag(document: Document) -> str:
    return FLAGS.get(document.kind, "") if isinstance(document, Transaction) else ""


def _key(key: TransactionKey, indent: str) -> Iterator[str]:
    yield f"{indent}<RetailStoreID>{escape(key.store)}</RetailStoreID>"
    yield f"{indent}<WorkstationID>{key.workstation}</WorkstationID>"
    yield f"{indent}<SequenceNumber>{key.sequence}</SequenceNumber>"
    yield f"{indent}<BusinessDayDate>{key.business_day}</BusinessDayDate>"


def _head(began_at: datetime, ended_at: datetime, workstation: int) -> Iterator[str]:
    yield f"    <BeginDateTime>{began_at.isoformat(timespec='seconds')}</BeginDateTime>"
    yield f"    <EndDateTime>{ended_at.isoformat(timespec='seconds')}</EndDateTime>"
    yield f"    <OperatorID>{100 + workstation}</OperatorID>"
    yield f"    <CurrencyCode>{CURRENCY}</CurrencyCode>"


def _retail(transaction: Transaction, products: Mapping[str, Product]) -> Iterator[str]:
    total = sum(_signed_cents(line) for line in transaction.lines if not line.void)
    yield "    <RetailTransaction>"
    if transaction.voids is not None:
        yield from _link("Void", transaction.voids, None, "      ")
    for line in transaction.lines:
        yield from _line(line, products[line.sku], transaction.collects)
    yield "      <LineItem>"
    yield f"        <SequenceNumber>{transaction.lines[-1].number + 1}</SequenceNumber>"
    yield f'        <Tender TenderType="Cash"><Amount>{_money(total)}</Amount></Tender>'
    yield "      </LineItem>"
    yield f'      <Total TotalType="TransactionGrandAmount">{_money(total)}</Total>'
    yield "    </RetailTransaction>"


def _line(line: Line, product: Product, collects: str | None) -> Iterator[str]:
    tag = "Sale" if line.kind is LineKind.SALE else "Return"
    sku = escape(line.sku)
    yield '      <LineItem VoidFlag="true">' if line.void else "      <LineItem>"
    yield f"        <SequenceNumber>{line.number}</SequenceNumber>"
    yield f"        <{tag}>"
    yield f"          <POSIdentity><POSItemID>{sku}</POSItemID></POSIdentity>"
    yield f"          <ItemID>{sku}</ItemID>"
    yield f"          <Description>{escape(product.description)}</Description>"
    yield f"          <UnitListPrice>{_money(product.price_cents)}</UnitListPrice>"
    yield f"          <ExtendedAmount>{_money(line.amount_cents)}</ExtendedAmount>"
    yield f"          {_quantity(line)}"
    if collects is not None:
        name = escape(collects)
        yield f'          <InventoryReservationID OrderSource="app">{name}</InventoryReservationID>'
    if line.origin is not None:
        yield from _link("Return", line.origin[0], line.origin[1], "          ")
    yield f"        </{tag}>"
    yield "      </LineItem>"


def _link(reason: str, key: TransactionKey, line: int | None, indent: str) -> Iterator[str]:
    yield f'{indent}<TransactionLink ReasonCode="{reason}">'
    yield from _key(key, indent + "  ")
    if line is not None:
        yield f"{indent}  <LineItemSequenceNumber>{line}</LineItemSequenceNumber>"
    yield f"{indent}</TransactionLink>"


def _count(count: Count) -> Iterator[str]:
    yield "    <InventoryControlTransaction>"
    yield "      <InventoryCount>"
    yield f"        <AsOfDateTime>{count.as_of.isoformat(timespec='seconds')}</AsOfDateTime>"
    for number, line in enumerate(count.lines, start=1):
        yield "        <LineItem>"
        yield f"          <SequenceNumber>{number}</SequenceNumber>"
        yield f"          <ItemID>{escape(line.sku)}</ItemID>"
        yield f"          {_quantity(line)}"
        yield "        </LineItem>"
    yield "      </InventoryCount>"
    yield "    </InventoryControlTransaction>"


def _quantity(line: Line | CountLine) -> str:
    printed = quantity(line.quantity_milli, line.unit)
    return f'<Quantity UnitOfMeasureCode="{line.unit}">{printed}</Quantity>'


def _signed_cents(line: Line) -> int:
    return line.amount_cents if line.kind is LineKind.SALE else -line.amount_cents


def _money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"
