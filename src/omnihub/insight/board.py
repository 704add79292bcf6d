"""A live board: best sellers, stock-outs, refused orders. A service on the subscriber kit.

Guarantees: its figures are those of the event and state topics, nothing else: a sale is a movement
of kind SALE, less what was voided; a stock-out is a channel that may sell nothing of a SKU now and
was told of it more than once. Does not: keep anything: it reads everything again at each start.

    python -m omnihub.insight.board --bootstrap HOST:PORT --registry URL --port 8090
"""

import argparse
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnihub.insight.subscriber import Subscriber
from omnihub.model.ids import Sku
from omnihub.model.records import (
    ChannelAts,
    MovementKind,
    OrderChanged,
    OrderStatus,
    Product,
    StockMoved,
)

_SHOWN = 10
_PAGE = """<!doctype html><title>OmniHub board</title><meta http-equiv="refresh" content="2">
<style>body{{font:16px system-ui;margin:2rem;display:flex;gap:3rem;flex-wrap:wrap}}
h2{{margin:0 0 .5rem}}td{{padding:.15rem .8rem .15rem 0}}td.n{{text-align:right}}</style>
<section><h2>Best sellers</h2><table>{sellers}</table></section>
<section><h2>Stock-outs</h2><p style="font-size:3rem;margin:0">{stock_outs}</p></section>
<section><h2>Orders</h2><table>{orders}</table></section>"""


@dataclass
class Board:
    """The figures, folded from events in any order of topics."""

    sold_milli: Counter[Sku] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    sold_out: set[tuple[str, Sku]] = field(default_factory=set)

    def on_movement(self, event: StockMoved) -> None:
        """Count what was sold; a void takes it back."""
        if event.kind is MovementKind.SALE:
            self.sold_milli[event.sku] += event.quantity_milli
        elif event.kind is MovementKind.VOID:
            self.sold_milli[event.sku] -= event.quantity_milli

    def on_order(self, event: OrderChanged) -> None:
        """Move an order from one status to the next."""
        if event.previous is not OrderStatus.UNKNOWN:
            self.orders[event.previous] -= 1
        self.orders[event.status] += 1
        if event.status is OrderStatus.REFUSED:
            self.refusals[event.reason or "unknown"] += 1

    def on_level(self, state: ChannelAts) -> None:
        """Note whether a channel can sell a SKU now; told once, of nothing, it never had it."""
        key = (state.channel, state.sku)
        if state.ats_milli > 0:
            self.sold_out.discard(key)
        elif state.seq > 1:
            self.sold_out.add(key)

    def figures(self, titles: dict[Sku, str] | None = None) -> dict[str, Any]:
        """Return the board as JSON-able figures; ties by SKU, so that two readers agree."""
        best = sorted(self.sold_milli.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
        return {
            "best_sellers": [
                {"sku": sku, "title": (titles or {}).get(sku, ""), "sold_milli": sold}
                for sku, sold in best
            ],
            "stock_outs": len(self.sold_out),
            "orders": {status: count for status, count in sorted(self.orders.items()) if count},
            "refusals": dict(sorted(self.refusals.items())),
        }


def build(subscriber: Subscriber, board: Board, out: Path | None = None) -> None:
    """Connect the board to its topics, its page and, if asked for, a file."""
    products = subscriber.table(Product)

    def figures() -> dict[str, Any]:
        return board.figures({product.sku: product.title for product in products.values()})

    @subscriber.on(StockMoved)
    async def sold(event: StockMoved) -> None:
        board.on_movement(event)

    @subscriber.on(OrderChanged)
    async def ordered(event: OrderChanged) -> None:
        board.on_order(event)

    @subscriber.on(ChannelAts)
    async def levelled(state: ChannelAts) -> None:
        board.on_level(state)

    app = subscriber.app

    @app.page("/board.json")
    async def as_json(page: Any, request: Any) -> Any:
        return page.json(figures())

    @app.page("/")
    async def as_page(page: Any, request: Any) -> Any:
        return page.html(_html(figures()))

    if out is not None:

        @app.timer(interval=0.5)  # type: ignore[untyped-decorator]
        async def save() -> None:
            draft = out.with_suffix(".tmp")
            draft.write_text(json.dumps(figures(), indent=2), encoding="utf-8")
            os.replace(draft, out)


def _html(figures: dict[str, Any]) -> str:
    sellers = "".join(
        f"<tr><td>{_text(one['title'] or one['sku'])}<td class=n>{one['sold_milli'] / 1000:g}"
        for one in figures["best_sellers"]
    )
    counted = {**figures["orders"], **{f"refused: {k}": v for k, v in figures["refusals"].items()}}
    orders = "".join(f"<tr><td>{_text(k)}<td class=n>{v}" for k, v in counted.items())
    return _PAGE.format(sellers=sellers, stock_outs=figures["stock_outs"], orders=orders)


def _text(told: str) -> str:
    return told.replace("&", "&amp;").replace("<", "&lt;")


def main() -> None:
    """Run the board."""
    options = argparse.ArgumentParser(description="A live board on OmniHub's topics.")
    options.add_argument("--bootstrap", required=True, help="Kafka, host:port")
    options.add_argument("--registry", required=True, help="schema registry, URL")
    options.add_argument("--port", type=int, default=8090, help="of the page, on 127.0.0.1")
    options.add_argument("--out", type=Path, help="keep the figures in this file, too")
    told = options.parse_args()
    subscriber = Subscriber(
        "omnihub-board",
        bootstrap=told.bootstrap,
        registry=told.registry,
        from_beginning=True,
        web_port=told.port,
    )
    build(subscriber, Board(), told.out)
    subscriber.run()


if __name__ == "__main__":
    main()
