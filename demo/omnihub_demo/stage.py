"""Sets the stage: a fresh folder, Tryton, the web store, the hub, their codes and products.

Guarantees: whatever was started is ended by the stack, also when a later step fails. Codes are
mapped before any product exists, so nothing has to wait for a code.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from omnihub_connectors.tryton.install import Installation as TrytonInstallation
from omnihub_connectors.tryton.install import default_home
from omnihub_connectors.tryton.server import TrytonServer

from omnihub.broker import tcp
from omnihub.wiring.installation import Installation
from omnihub_demo import shop as shops
from omnihub_demo.board import Board, start_board
from omnihub_demo.config import ERP_PASSWORD, WRITE_KEY, cross_references, write_config
from omnihub_demo.erp import Erp
from omnihub_demo.folders import Folders
from omnihub_demo.hub import STOP_GRACE_S, Hub, open_hub
from omnihub_demo.log import open_log
from omnihub_demo.mailbox import MailServer, open_mail
from omnihub_demo.play import Owner, Play
from omnihub_demo.readback import Systems
from omnihub_demo.shop import Shop

HOST = "127.0.0.1"
SHOP_GRACE_S = 5.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """Everything that runs, with clients; `now_us` is the moment that the play looks back from."""

    systems: Systems
    mail: MailServer
    board: Board
    install: Installation
    now_us: int


async def set_stage(
    play: Play, now_us: int, folders: Folders, say: Say, stack: AsyncExitStack
) -> Stage:
    """Start everything and fill the master data."""
    folders.fresh()
    api_port = tcp.choose_free(HOST, set())
    say("Starting Tryton and the web store")
    server, shop = await _neighbours(folders, say, stack, tcp.choose_free(HOST, {api_port}))
    mail = await open_mail(folders)
    stack.push_async_callback(asyncio.to_thread, mail.process.end, SHOP_GRACE_S)
    folders.write_secret(WRITE_KEY, secrets.token_urlsafe(24))
    write_config(play, folders, api_port, shop.url, server.url, mail.port)
    say("Starting the hub: Kafka, registry, workers, views, API, connectors")
    hub = await open_hub(folders, api_port)
    stack.push_async_callback(asyncio.to_thread, hub.process.end, STOP_GRACE_S)
    erp = Erp(server, play.owned_by(Owner.ERP))
    for close in (hub.http.aclose, shop.http.aclose, erp.close):
        stack.push_async_callback(close)
    await _master_data(play, hub, erp, shop, say)
    install, reader = open_log(folders, dict(os.environ))
    board = await start_board(folders, hub.run(), stack)
    return Stage(Systems(folders, hub, erp, shop, reader), mail, board, install, now_us)


async def _neighbours(
    folders: Folders, say: Say, stack: AsyncExitStack, shop_port: int
) -> tuple[TrytonServer, Shop]:
    tryton = TrytonInstallation(default_home())
    await asyncio.to_thread(tryton.install, say)
    server = TrytonServer(folders.tryton, tryton)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    shops.make_keys(folders)
    starting = asyncio.to_thread(server.start)
    shop, _ = await asyncio.gather(shops.open_shop(folders, shop_port), starting)
    stack.push_async_callback(asyncio.to_thread, shop.process.end, SHOP_GRACE_S)
    folders.write_secret(ERP_PASSWORD, server.connector.password.get_secret_value())
    return server, shop


async def _master_data(play: Play, hub: Hub, erp: Erp, shop: Shop, say: Say) -> None:
    rows = list(cross_references(play))
    products = [play.products[sku] for sku in play.erp_skus]
    say(f"Mapping {len(rows)} codes, entering {len(products)} products in Tryton and the web store")
    await hub.import_map(rows)
    await asyncio.gather(erp.set_up(products), shop.create_products(products))
