"""Run the simulated shop as a process: `python -m omnihub_connectors.woocommerce.simulator`.

Keys come from the environment (WOO_CONSUMER_KEY, WOO_CONSUMER_SECRET), so they show up in no
process list. The seed file is a JSON array of products, each with the fields of a create.
"""

import argparse
import asyncio
import os
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
import uvicorn

from omnihub_connectors.woocommerce.simulator.amounts import Tax
from omnihub_connectors.woocommerce.simulator.app import build_app
from omnihub_connectors.woocommerce.simulator.faults import CertainFaults, WebhookFaults
from omnihub_connectors.woocommerce.simulator.shop import ApiKey, Permissions, Shop, ShopSettings


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line as typed."""
    parser = argparse.ArgumentParser(prog="python -m omnihub_connectors.woocommerce.simulator")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed-file", type=Path, help="JSON array of products to start with")
    parser.add_argument("--zone", default="Europe/Amsterdam", help="time zone of the shop")
    parser.add_argument("--permissions", default="read_write", choices=list(Permissions))
    parser.add_argument("--webhook-delay-s", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0, help="seed of the webhook faults")
    parser.add_argument("--webhook-copies", type=int, default=2, help="of a duplicate")
    parser.add_argument("--tax-percent", type=Decimal, default=Decimal(0))
    parser.add_argument("--prices-include-tax", action="store_true")
    parser.add_argument(
        "--orders-leave-stock",
        action="store_true",
        help="as with the filter woocommerce_can_reduce_order_stock: orders take no quantities",
    )
    parser.add_argument(
        "--creations-tripled",
        type=int,
        default=0,
        metavar="N",
        help="deliver the creation of the first N orders three times",
    )
    parser.add_argument(
        "--creations-overtaken",
        type=int,
        default=0,
        metavar="N",
        help="deliver the creation of the next N orders only after an update of theirs",
    )
    for fault in ("drop", "duplicate", "late", "reorder"):
        parser.add_argument(f"--webhook-{fault}", type=float, default=0.0, metavar="SHARE")
    return parser.parse_args(arguments)


def read_settings(arguments: argparse.Namespace) -> ShopSettings:
    """Return the settings; refuses to start without keys."""
    try:
        key = ApiKey(
            os.environ["WOO_CONSUMER_KEY"],
            os.environ["WOO_CONSUMER_SECRET"],
            Permissions(arguments.permissions),
        )
    except KeyError as missing:
        raise SystemExit(
            f"{missing.args[0]} is not set: the shop would accept nobody. Export both keys first."
        ) from None
    return ShopSettings(
        url=f"http://{arguments.host}:{arguments.port}",
        zone=arguments.zone,
        keys=(key,),
        webhook_delay_s=arguments.webhook_delay_s,
        seed=arguments.seed,
        tax=Tax(arguments.tax_percent, arguments.prices_include_tax),
        takes_stock=not arguments.orders_leave_stock,
    )


async def serve(arguments: argparse.Namespace) -> None:
    """Fill the shop and serve until stopped."""
    faults = WebhookFaults(
        drop=arguments.webhook_drop,
        duplicate=arguments.webhook_duplicate,
        late=arguments.webhook_late,
        reorder=arguments.webhook_reorder,
        copies=arguments.webhook_copies,
        seed=arguments.seed,
    )
    async with httpx.AsyncClient() as client:
        shop = Shop(
            read_settings(arguments),
            client,
            webhook_faults=faults,
            certain_faults=CertainFaults(
                arguments.creations_tripled, arguments.creations_overtaken
            ),
        )
        if arguments.seed_file is not None:
            shop.load(msgspec.json.decode(arguments.seed_file.read_bytes()))
        config = uvicorn.Config(
            build_app(shop),
            host=arguments.host,
            port=arguments.port,
            log_level="warning",
            date_header=False,
            access_log=False,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(parse_arguments()))
