"""A small world in which all is well with the orders, for the tests of whoever judges them.

Two neighbours share a telephone number. Anne's order in the web store and Bert's by phone have the
same number, 11; Bert's in the web store was refused; Anne collects one in a store of the tills,
ordered half an hour before midnight at the warehouse, when UTC had begun the next day.
"""

from collections import Counter
from typing import Any

from omnihub_demo.board_faults import BoardTruth
from omnihub_demo.dealing import (
    HOT_PRICE_CENTS,
    HOT_SKU,
    Channel,
    Household,
    Order,
    OrderLine,
    Orders,
)
from omnihub_demo.order_readings import Found, Lines, Mail, OrderReadings, Sale, Sought
from omnihub_demo.placed import OrderKey, Placed
from omnihub_demo.play import Owner, Place
from omnihub_demo.shop import code_of

SHARED_NUMBER = "+12125550101"
ANNE, BERT = Household(1, SHARED_NUMBER), Household(2, SHARED_NUMBER)
TILL_STORE = Place("367", "store-367", "America/Denver", Owner.POS)
ERP_STORE = Place("330", "store-330", "America/New_York", Owner.ERP)
LINE = OrderLine(1, "S1", 2, 250)
LINES = Lines([("S1", 2000)])

SHIPPED = Order("W-0001", Channel.WEB, ANNE, (LINE,), None, False, 0.1)
SHORT = Order("W-0002", Channel.WEB, BERT, (LINE,), None, True, 0.2)
COLLECTED = Order("A-0003", Channel.APP, ANNE, (LINE,), TILL_STORE, False, 0.3)
CALLED = Order("E-0004", Channel.PHONE, BERT, (LINE,), None, False, 0.4)
ORDERS = Orders((SHIPPED, SHORT, COLLECTED, CALLED), hot_buyers=2)

LATE_US = 1_795_408_200_000_000
"""2026-11-22 23:30 in New York, 2026-11-23 04:30 in UTC."""
TOTAL = "APP:20779:USD"
WEB_KEY, SHORT_KEY = OrderKey("web", "11"), OrderKey("web", "12")
APP_KEY, PHONE_KEY = OrderKey("app", "A-0003"), OrderKey("erp", "11")
PLACED = {
    WEB_KEY: Placed(SHIPPED, LATE_US),
    SHORT_KEY: Placed(SHORT, LATE_US),
    APP_KEY: Placed(COLLECTED, LATE_US),
    PHONE_KEY: Placed(CALLED, LATE_US),
}
TRUTH = BoardTruth((("S1", 2000),), (2, 2))


def row(key: OrderKey, status: str, **other: Any) -> dict[str, Any]:
    """Return an order as the hub's API lists it."""
    named = {"order_id": f"o-{key.source}-{key.number}", "number": key.number, "source": key.source}
    return {**named, "status": status, "reason": None, "total_minor": 500, **other}


def in_shop(number: str, status: str, **other: Any) -> dict[str, Any]:
    """Return an order as the web store shows it."""
    items = [{"sku": code_of("S1"), "quantity": 2}]
    return {"number": number, "status": status, "total": "5.00", "line_items": items, **other}


def sale(reference: str = "", number: str = "", cents: int = 500, lines: Lines = LINES) -> Sale:
    """Return a sale as the ERP shows it."""
    return Sale(reference, number, "processing", cents, lines)


def total(target: str = TOTAL, cents: int = 500, state: str = "draft") -> Sale:
    """Return a day's total as the ERP shows it."""
    return Sale(f"hub:total:{target}", "", state, cents, Lines())


SOLD = sale("hub:o-web-11")
LAST_UNIT = sale("hub:o-api-h1", cents=HOT_PRICE_CENTS, lines=Lines([(HOT_SKU, 1000)]))
TAKEN = row(OrderKey("api", "h1"), "COMPLETED", total_minor=HOT_PRICE_CENTS)
TOO_LATE = row(OrderKey("api", "h2"), "REFUSED", total_minor=HOT_PRICE_CENTS)
ROWS = (
    row(WEB_KEY, "COMPLETED"),
    row(SHORT_KEY, "REFUSED"),
    row(APP_KEY, "COMPLETED"),
    row(PHONE_KEY, "COMPLETED"),
)
MAILS = Counter(
    [
        Mail(ANNE.email, "order_confirmed", "11"),
        Mail(ANNE.email, "order_shipped", "11"),
        Mail(BERT.email, "order_refused", "12"),
        Mail(ANNE.email, "order_confirmed", "A-0003"),
        Mail(ANNE.email, "ready_for_pickup", "A-0003"),
    ]
)
OF_ANNE, OF_BERT = Sought("email", ANNE.email), Sought("email", BERT.email)
OF_CALLER = Sought("phone", SHARED_NUMBER)
IN_WEB_AND_APP = Found("c1", frozenset({"web", "app"}))
IN_WEB, CALLER = Found("c2", frozenset({"web"})), Found("c3", frozenset({"erp"}))
CUSTOMERS = {
    OF_ANNE: (IN_WEB_AND_APP,),
    OF_BERT: (IN_WEB,),
    # Anne told the app the number, too: it finds her, but it does not make her the caller.
    OF_CALLER: (IN_WEB_AND_APP, CALLER),
}


def readings() -> OrderReadings:
    """Return what every system shows when all is well."""
    detail = {"lines": [{"sku": "S1", "quantity_milli": 2000}]}
    return OrderReadings(
        orders=(*ROWS, TAKEN, TOO_LATE),
        details=dict.fromkeys(PLACED, detail),
        placed=PLACED,
        shop_orders=(in_shop("11", "completed"), in_shop("12", "cancelled")),
        sales=(SOLD, sale(number="11"), LAST_UNIT, total()),
        held_milli=0,
        mails=MAILS,
        customers=CUSTOMERS,
        board={
            "orders": {"COMPLETED": 4, "REFUSED": 2},
            "best_sellers": [{"sku": "S1", "sold_milli": 2000}],
            "stock_outs": 2,
        },
        webhooks={"webhooks_tripled": 1, "updates_before_creation": 1},
    )
