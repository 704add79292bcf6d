"""Reads POSLog documents: from XML to till lines, each with the key of its transaction.

Guarantees: no DTD and no entity is ever expanded; local names only, so prefixes and missing
namespaces do not matter; a broken transaction is returned as such and its neighbours are kept.
Does not: interpret quantities and times (`mapping` does, per line, so that one bad line is alone).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

Element = Any


class Act(StrEnum):
    """What a line says."""

    SALE = "sale"
    RETURN = "return"
    COUNT = "count"


GOODS = {"Sale": Act.SALE, "PreviousCustomerOrder": Act.SALE, "Return": Act.RETURN}
"""What moves goods. The second hands over what was ordered before; orders that are placed at the
till (CustomerOrderForPickup, CustomerOrderForDelivery) move nothing yet."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line, everything still text as the till wrote it."""

    store: str
    till: str
    day: str
    sequence: str
    number: str
    act: Act
    at: str
    """When the transaction ended, or the count was taken: local time of the store."""
    item: str = ""
    quantity: str = ""
    undone: bool = False
    """The transaction is a post-void: it takes this line back."""
    order: str = ""
    """The order whose goods these are, as the document names it."""
    order_source: str = ""
    """The instance in which the order has that name; empty when the document does not say."""

    @property
    def key(self) -> str:
        """The four-part key of the transaction and the number of the line."""
        parts = (self.store, self.till, self.day, self.sequence, self.number)
        return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction without a complete key or time."""

    index: int
    reason: str


class NotPosLog(Exception):
    """The bytes are no POSLog document; the message says why."""


def read(body: bytes) -> Iterator[Line | Unreadable]:
    """Yield the stock lines of a document.

    Raises:
        NotPosLog: not well-formed, another root, a DTD or an entity.
    """
    root = _parse(body)
    if _local(root) != "POSLog":
        raise NotPosLog(f"its root is <{_local(root)[:40]}>, not <POSLog>")
    transactions = (child for child in root if _local(child) == "Transaction")
    for index, transaction in enumerate(transactions, start=1):
        if _is_on(transaction, "TrainingModeFlag") or _is_on(transaction, "CancelFlag"):
            continue
        try:
            yield from list(_transaction(transaction))
        except KeyError as error:
            yield Unreadable(index=index, reason=f"transaction {index} has no <{error.args[0]}>")


def _parse(body: bytes) -> Element:
    try:
        return fromstring(body, forbid_dtd=True)
    except ParseError as error:
        raise NotPosLog(f"it is not well-formed XML ({error.msg})") from error
    except DefusedXmlException as error:
        raise NotPosLog(f"it defines a DTD or entities ({type(error).__name__})") from error
    except (LookupError, ValueError) as error:
        raise NotPosLog("its encoding is unknown or broken") from error


def _transaction(element: Element) -> Iterator[Line]:
    head = {
        "store": _required(element, "RetailStoreID"),
        "till": _required(element, "WorkstationID"),
        "sequence": _required(element, "SequenceNumber"),
        "day": _required(element, "BusinessDayDate"),
    }
    if (retail := _child(element, "RetailTransaction")) is not None:
        yield from _retail(retail, head | {"at": _required(element, "EndDateTime")})
    if (control := _child(element, "InventoryControlTransaction")) is not None:
        for count in _children(control, "InventoryCount"):
            at = {"at": _required(count, "AsOfDateTime")}
            for item in _children(count, "LineItem"):
                yield _line(item, item, Act.COUNT, head | at, undone=False)


def _retail(retail: Element, head: dict[str, str]) -> Iterator[Line]:
    links = _children(retail, "TransactionLink")
    undone = any(link.get("ReasonCode") == "Void" for link in links)
    for item in _children(retail, "LineItem"):
        if _is_on(item, "VoidFlag"):
            continue
        for tag, act in GOODS.items():
            if (goods := _child(item, tag)) is not None:
                yield _line(item, goods, act, head, undone=undone)


def _line(item: Element, goods: Element, act: Act, head: dict[str, str], *, undone: bool) -> Line:
    order = _child(goods, "InventoryReservationID")
    return Line(
        **head,
        number=_required(item, "SequenceNumber"),
        act=act,
        item=_text(goods, "ItemID"),
        quantity=_text(goods, "Quantity"),
        undone=undone,
        order=_text(goods, "InventoryReservationID"),
        order_source=str(order.get("OrderSource", "")).strip() if order is not None else "",
    )


def _required(element: Element, name: str) -> str:
    if not (text := _text(element, name)):
        raise KeyError(name)
    return text


def _text(element: Element, name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""


def _child(element: Element, name: str) -> Element | None:
    return next(iter(_children(element, name)), None)


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _local(child) == name]


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _is_on(element: Element, flag: str) -> bool:
    return str(element.get(flag, "")).strip().lower() in ("true", "1")
