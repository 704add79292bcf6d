"""Asks every system, through its own API, what it has."""

import asyncio
from dataclasses import dataclass

from omnihub.broker.reader import KafkaReader
from omnihub_demo.archive import read_archive
from omnihub_demo.erp import Erp
from omnihub_demo.folders import Folders
from omnihub_demo.hub import Hub
from omnihub_demo.log import read_log
from omnihub_demo.readings import Readings
from omnihub_demo.shop import Shop


@dataclass(frozen=True, slots=True)
class Systems:
    """Clients of everything that runs."""

    folders: Folders
    hub: Hub
    erp: Erp
    shop: Shop
    reader: KafkaReader


async def read_back(systems: Systems) -> Readings:
    """Read everything, one system after another."""
    log = await read_log(systems.reader)
    return Readings(
        archived=await asyncio.to_thread(read_archive, systems.folders.archive),
        waiting_files=sum(1 for _ in systems.folders.incoming.iterdir()),
        erp_milli=await systems.erp.quantities_milli(),
        erp_lines=await systems.erp.lines_of_hub(),
        web_milli=await systems.shop.quantities_milli(),
        hub_milli=await systems.hub.levels_milli(),
        hub_ats_milli=await systems.hub.ats_milli(),
        state_milli=log.levels_milli,
        state_order_faults=log.order_faults,
        told=log.told,
        effects=log.effects,
        open_commands=log.open_commands,
        parked=await systems.hub.parked(),
        rejected=log.rejected,
    )
