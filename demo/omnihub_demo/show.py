"""One performance of the demo, from an empty folder to the report.

Guarantees: every process that was started is ended, however it ends, unless it is to be kept.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.console import Console

from omnihub_demo import report as reports
from omnihub_demo.backlog import Backlog
from omnihub_demo.bars import freshness, freshness_by_system
from omnihub_demo.board_faults import BEST_SELLERS, BoardTruth
from omnihub_demo.breaks import Break, Saboteur
from omnihub_demo.config import WRITE_KEY, channel_places
from omnihub_demo.dealing import Orders, deal
from omnihub_demo.facts import expected_facts
from omnihub_demo.folders import Folders
from omnihub_demo.hub import Hub
from omnihub_demo.killing import Kill, kill_busy_worker
from omnihub_demo.ledger import Ledger, best_sellers, judge
from omnihub_demo.monitor import Monitor, Spectacle
from omnihub_demo.order_readback import read_orders
from omnihub_demo.order_verdict import judge_orders, order_promises
from omnihub_demo.plan import build
from omnihub_demo.play import Play
from omnihub_demo.player import Player
from omnihub_demo.promises import OF_WEBHOOKS, Run, promises, volume
from omnihub_demo.quiet import Calm, Quiet, inputs_of
from omnihub_demo.readback import Systems, read_back
from omnihub_demo.readings import Readings
from omnihub_demo.schedule import Pace, Phase, Timetable, schedule
from omnihub_demo.shoppers import Shoppers
from omnihub_demo.stage import Stage, set_stage
from omnihub_demo.stock_outs import stock_outs
from omnihub_demo.verdict import judge_readings
from omnihub_demo.view import line_of, show_live

PACE = Pace(limit_s=175.0)
KILL_AT = 0.45
LONG_ENOUGH_S = 60.0
BREAK_AT = 0.6
OPENING_STABLE_S, REST_STABLE_S = 2.5, 5.0
QUIET_TIMEOUT_S = 120.0
FULL_WEEK_DAYS = 6


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    week: int
    seed: int
    broken: Break | None
    keep: bool


@dataclass(frozen=True)
class Performance:
    """What happened between the first file and rest."""

    kills: tuple[Kill, ...]
    quiet: Quiet
    play_s: float
    day_began_us: int
    player: Player
    shoppers: Shoppers


async def perform(
    options: Options, folders: Folders, console: Console, stack: AsyncExitStack
) -> tuple[reports.Report, Stage]:
    """Play, read back and judge; processes end with `stack`."""
    began, now_us = time.monotonic(), time.time_ns() // 1000
    console.print(f"Reading week {options.week} of a real grocer's year", highlight=False)
    play, orders = deal(build(options.week, options.seed, now_us), now_us)
    timetable, ledger = schedule(play, PACE), judge(play)
    title = f"OmniHub: week {play.week}, seed {play.seed}"
    spectacle = Spectacle(title, ledger.facts.total, began=began)

    def say(text: str) -> None:
        console.print(line_of(spectacle, text), highlight=False, markup=False, soft_wrap=True)

    stage = await set_stage(play, now_us, folders, say, stack)
    systems = stage.systems
    saboteur = Saboteur(
        options.broken, play, timetable, ledger, stage.install, systems.erp, systems.shop
    )
    async with _watched(systems, spectacle, console):
        done = await _play(play, orders, timetable, stage, spectacle, saboteur)
        spectacle.phase = "reading every system back"
        await saboteur.when_quiet()
        seen = await read_back(systems)
        ordered = await read_orders(done.shoppers, stage.mail, stage.board.out)
    truth = BoardTruth(
        best_sellers(play, BEST_SELLERS), stock_outs(play, ledger, channel_places(play))
    )
    verdict = judge_orders(ordered, orders, truth)
    injected = timetable.injected | {name: ordered.webhooks[name] for name in OF_WEBHOOKS}
    report = _judged(play, injected, ledger, done, seen, options.broken)
    more = (*report.promises, *order_promises(verdict, orders))
    report = replace(report, promises=more, orders=verdict, webhooks=ordered.webhooks)
    return replace(report, wall_s=time.monotonic() - began), stage


def _judged(
    play: Play,
    injected: dict[str, int],
    ledger: Ledger,
    done: Performance,
    seen: Readings,
    broken: Break | None,
) -> reports.Report:
    """Return the report; how long all of it took is told later."""
    expected = expected_facts(play)
    verdict = judge_readings(seen, expected, ledger, done.player.till.dropped)
    at_base_rate = [x for x in seen.effects if x.accepted_at_us >= done.day_began_us]
    in_opening = [x for x in seen.effects if x.accepted_at_us < done.day_began_us]
    events = expected.total - len(verdict.lost)
    run = Run(
        verdict=verdict,
        quiet=done.quiet,
        events=events,
        events_per_s=events / done.play_s,
        injected=injected,
        kills=done.kills,
        by_system=freshness_by_system(at_base_rate),
    )
    days = {transaction.key.business_day for transaction in play.transactions}
    return reports.Report(
        week=play.week,
        seed=play.seed,
        broken=broken,
        run=run,
        seen=seen,
        overall=freshness(at_base_rate),
        opening=freshness_by_system(in_opening),
        promises=(*promises(run), volume(events, is_full_week=len(days) >= FULL_WEEK_DAYS)),
        wall_s=0.0,
    )


async def _play(
    play: Play,
    orders: Orders,
    timetable: Timetable,
    stage: Stage,
    spectacle: Spectacle,
    saboteur: Saboteur,
) -> Performance:
    systems, hub = stage.systems, stage.systems.hub
    player = Player(play, timetable, systems.folders, systems.erp)
    backlog = await asyncio.to_thread(Backlog, hub.run().bootstrap, inputs_of(stage.install))
    key = systems.folders.secret(WRITE_KEY)
    today = datetime.now(UTC).date()
    shoppers = Shoppers(orders, hub, systems.shop, systems.erp, player.till, key, today)
    in_opening = Calm(hub, backlog, systems.folders, lambda: not player.desk.unfinished)
    calm = replace(in_opening, is_desk_idle=lambda: not player.desk.unfinished and shoppers.is_done)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        desk = group.create_task(player.desk.work())
        length_s = timetable.lengths_s[Phase.DAY]
        kill = group.create_task(_kill(length_s, hub, backlog, player, spectacle))
        spectacle.phase = "opening counts"
        await player.play(Phase.OPENING)
        await in_opening.reached(OPENING_STABLE_S, QUIET_TIMEOUT_S)
        day_began_us = time.time_ns() // 1000
        player.opened.set()
        harm = group.create_task(_harm(length_s, saboteur, player))
        buying = group.create_task(shoppers.buy(length_s))
        serving = group.create_task(shoppers.serve())
        spectacle.phase = "the week"
        await player.play(Phase.DAY)
        spectacle.phase = "late files"
        await player.play(Phase.CLOSING)
        spectacle.phase = "until all is quiet"
        kills, _, _ = await asyncio.gather(kill, harm, buying)
        quiet = await calm.reached(REST_STABLE_S, QUIET_TIMEOUT_S)
        desk.cancel()
        serving.cancel()
    return Performance(tuple(kills), quiet, quiet.since - began, day_began_us, player, shoppers)


async def _kill(
    length_s: float, hub: Hub, backlog: Backlog, player: Player, spectacle: Spectacle
) -> list[Kill]:
    """Kill in mid-week; a week of seconds is over before, so there it is in the opening burst."""
    if length_s >= LONG_ENOUGH_S:
        await player.opened.wait()
        await asyncio.sleep(length_s * KILL_AT)
    kills = await kill_busy_worker(hub, backlog, player)
    spectacle.kills += [f"{x.worker} (lag {x.lag_at_kill})" for x in kills]
    return kills


async def _harm(length_s: float, saboteur: Saboteur, player: Player) -> None:
    saboteur.before_day(player)
    await asyncio.sleep(length_s * BREAK_AT)
    await saboteur.in_mid_day()


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
