"""One performance of the demo, from an empty folder to the report.

Guarantees: every process that was started is ended, however it ends, unless it is to be kept.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from omnihub_connectors.tryton.install import Installation as TrytonInstallation
from omnihub_connectors.tryton.install import default_home
from omnihub_connectors.tryton.server import TrytonServer
from rich.console import Console

from omnihub.broker import tcp
from omnihub.wiring.installation import Installation
from omnihub_demo import report as reports
from omnihub_demo import shop as shops
from omnihub_demo.backlog import Backlog
from omnihub_demo.bars import MIN_EVENTS, Freshness, freshness
from omnihub_demo.breaks import Break, Saboteur
from omnihub_demo.config import ERP_PASSWORD, cross_references, write_config
from omnihub_demo.erp import Erp
from omnihub_demo.facts import expected_facts
from omnihub_demo.folders import Folders
from omnihub_demo.hub import STOP_GRACE_S, Hub, open_hub
from omnihub_demo.killing import Kill, kill_busy_worker
from omnihub_demo.ledger import judge
from omnihub_demo.log import open_log
from omnihub_demo.monitor import Monitor, Spectacle
from omnihub_demo.plan import build
from omnihub_demo.play import Owner, Play
from omnihub_demo.player import Player
from omnihub_demo.promises import Run, promises, volume
from omnihub_demo.quiet import Calm, Quiet, inputs_of
from omnihub_demo.readback import Systems, read_back
from omnihub_demo.readings import Effect, Readings
from omnihub_demo.schedule import Pace, Phase, Timetable, schedule
from omnihub_demo.verdict import judge_readings
from omnihub_demo.view import show_live

PACE = Pace(limit_s=175.0)
KILL_AT = 0.45
BREAK_AT = 0.6
OPENING_STABLE_S, REST_STABLE_S = 1.5, 4.0
QUIET_TIMEOUT_S = 120.0
FULL_WEEK_FACTS = MIN_EVENTS


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    week: int
    seed: int
    broken: Break | None
    keep: bool


@dataclass(frozen=True)
class Stage:
    """Everything that runs, with clients."""

    systems: Systems
    install: Installation
    now_us: int


@dataclass(frozen=True)
class Performance:
    """What happened between the first file and rest."""

    kills: tuple[Kill, ...]
    quiet: Quiet
    play_s: float
    day_began_us: int
    player: Player


async def perform(
    options: Options, folders: Folders, console: Console, stack: AsyncExitStack
) -> tuple[reports.Report, Stage]:
    """Play, read back and judge; processes end with `stack`."""
    began, now_us = time.monotonic(), time.time_ns() // 1000
    console.print(f"Reading week {options.week} of a real grocer …", highlight=False)
    play = build(options.week, options.seed, now_us)
    timetable, ledger, expected = schedule(play, PACE), judge(play), expected_facts(play)
    title = f"OmniHub: week {play.week}, seed {play.seed}"
    spectacle = Spectacle(title, expected.total, began=began)
    stage = await _set(play, folders, console, stack, now_us)
    systems = stage.systems
    saboteur = Saboteur(
        options.broken, play, timetable, ledger, stage.install, systems.erp, systems.shop
    )
    async with _watched(systems, spectacle, console):
        done = await _play(play, timetable, stage, spectacle, saboteur)
        spectacle.phase = "reading every system back"
        await saboteur.when_quiet()
        seen = await read_back(systems)
    verdict = judge_readings(seen, expected, ledger, done.player.till.dropped)
    by_system, opening = _freshness(seen, done.day_began_us)
    run = Run(
        verdict=verdict,
        quiet=done.quiet,
        events=expected.total - len(verdict.lost),
        events_per_s=(expected.total - len(verdict.lost)) / done.play_s,
        injected=timetable.injected,
        kills=done.kills,
        by_system=by_system,
    )
    is_full_week = len({t.key.business_day for t in play.transactions}) >= 6
    report = reports.Report(
        week=play.week,
        seed=play.seed,
        broken=options.broken,
        run=run,
        seen=seen,
        overall=freshness(x for x in seen.effects if x.accepted_at_us >= done.day_began_us),
        opening=opening,
        promises=(*promises(run), volume(run.events, is_full_week)),
        wall_s=time.monotonic() - began,
    )
    return report, stage


async def _set(
    play: Play, folders: Folders, console: Console, stack: AsyncExitStack, now_us: int
) -> Stage:
    """Start everything, fill the master data, and open the clients."""
    folders.fresh()
    tryton = TrytonInstallation(default_home())
    await asyncio.to_thread(tryton.install, lambda line: console.print(line, highlight=False))
    console.print("Starting Tryton, the web store and the hub …", highlight=False)
    ports: set[int] = set()
    for _ in range(2):
        ports.add(tcp.choose_free("127.0.0.1", ports))
    api_port, shop_port = ports
    shops.make_keys(folders)
    server = TrytonServer(folders.tryton, tryton)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    starting = asyncio.to_thread(server.start)
    shop, _ = await asyncio.gather(shops.open_shop(folders, shop_port), starting)
    folders.write_secret(ERP_PASSWORD, server.connector.password.get_secret_value())
    stack.push_async_callback(asyncio.to_thread, shop.process.end, 5.0)
    write_config(play, folders, api_port, shop.url, server.url)
    hub = await open_hub(folders, api_port)
    stack.push_async_callback(asyncio.to_thread, hub.process.end, STOP_GRACE_S)
    erp = Erp(server, play.owned_by(Owner.ERP))
    await hub.import_map(list(cross_references(play)))
    products = [play.products[sku] for sku in play.erp_skus]
    await asyncio.gather(erp.set_up(products), shop.create_products(products))
    install, reader = open_log(folders, dict(os.environ))
    return Stage(Systems(folders, hub, erp, shop, reader), install, now_us)


async def _play(
    play: Play, timetable: Timetable, stage: Stage, spectacle: Spectacle, saboteur: Saboteur
) -> Performance:
    systems, hub = stage.systems, stage.systems.hub
    player = Player(play, timetable, systems.folders, systems.erp)
    backlog = await asyncio.to_thread(Backlog, hub.run().bootstrap, inputs_of(stage.install))
    calm = Calm(hub, backlog, systems.folders, lambda: not player.desk.unfinished)
    desk = asyncio.create_task(player.desk.work())
    began = time.monotonic()
    try:
        spectacle.phase = "opening counts"
        await player.play(Phase.OPENING)
        await calm.reached(OPENING_STABLE_S, QUIET_TIMEOUT_S)
        day_began_us = time.time_ns() // 1000
        saboteur.before_day(player)
        spectacle.phase = "the week"
        kills = await _day(timetable, hub, backlog, player, spectacle, saboteur)
        spectacle.phase = "late files"
        await player.play(Phase.CLOSING)
        spectacle.phase = "until all is quiet"
        quiet = await calm.reached(REST_STABLE_S, QUIET_TIMEOUT_S)
    finally:
        desk.cancel()
    return Performance(tuple(kills), quiet, quiet.since - began, day_began_us, player)


async def _day(
    timetable: Timetable,
    hub: Hub,
    backlog: Backlog,
    player: Player,
    spectacle: Spectacle,
    saboteur: Saboteur,
) -> list[Kill]:
    length_s = timetable.lengths_s[Phase.DAY]

    async def kill() -> list[Kill]:
        await asyncio.sleep(length_s * KILL_AT)
        kills = await kill_busy_worker(hub, backlog, player)
        spectacle.kills += [f"{x.worker} (lag {x.lag_at_kill})" for x in kills]
        return kills

    async def harm() -> None:
        await asyncio.sleep(length_s * BREAK_AT)
        await saboteur.in_mid_day()

    async with asyncio.TaskGroup() as group:
        group.create_task(player.play(Phase.DAY))
        killing = group.create_task(kill())
        group.create_task(harm())
    return killing.result()


@asynccontextmanager
async def _watched(systems: Systems, spectacle: Spectacle, console: Console) -> AsyncIterator[None]:
    monitor = Monitor(systems.hub, systems.reader, spectacle)
    tasks = [
        asyncio.create_task(monitor.run()),
        asyncio.create_task(show_live(spectacle, console)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _freshness(
    seen: Readings, day_began_us: int
) -> tuple[dict[str, Freshness], dict[str, Freshness]]:
    """Return the figures by system at the base rate, and those of the opening burst."""
    day: dict[str, list[Effect]] = {}
    opening: dict[str, list[Effect]] = {}
    for effect in seen.effects:
        part = day if effect.accepted_at_us >= day_began_us else opening
        part.setdefault(effect.system, []).append(effect)
    return _figures(day), _figures(opening)


def _figures(effects: dict[str, list[Effect]]) -> dict[str, Freshness]:
    found = {system: freshness(each) for system, each in sorted(effects.items())}
    return {system: figures for system, figures in found.items() if figures is not None}
