"""Shows a spectacle: a live panel on a terminal, a line every ten seconds elsewhere."""

import asyncio

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from omnihub_demo.monitor import Spectacle

PANEL_EVERY_S = 0.5
LINE_EVERY_S = 10.0


async def show_live(show: Spectacle, console: Console) -> None:
    """Show until cancelled."""
    if not console.is_terminal:
        while True:
            console.print(line(show), highlight=False, markup=False, soft_wrap=True)
            await asyncio.sleep(LINE_EVERY_S)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(panel(show), refresh=True)
            await asyncio.sleep(PANEL_EVERY_S)


def line(show: Spectacle) -> str:
    """Return the state in one line."""
    fresh = ", ".join(
        f"{name} p50 {each.p50:.0f} p99 {each.p99:.0f} ms"
        for name, each in sorted(show.fresh.items())
    )
    kills = f", killed {', '.join(show.kills)}" if show.kills else ""
    return line_of(
        show,
        f"{show.phase}: {show.events}/{show.total} events, "
        f"{show.events_per_s:.0f}/s, lag {show.lag}{', ' + fresh if fresh else ''}{kills}",
    )


def line_of(show: Spectacle, text: str) -> str:
    """Return a line of the show's log."""
    return f"{show.seconds:5.0f} s  {text}"


def panel(show: Spectacle) -> Group:
    """Return the state as a panel."""
    head = Text.assemble(
        (f"{show.title}  ", "bold"), (show.phase, "cyan"), f"  {show.seconds:.0f} s"
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("events", "events/s", "lag", "workers", "kills"):
        table.add_column(column, justify="right")
    table.add_row(
        f"{show.events}/{show.total}",
        f"{show.events_per_s:.0f}",
        str(show.lag),
        ", ".join(f"{name} {state}" for name, state in sorted(show.workers.items())),
        ", ".join(show.kills) or "0",
    )
    ages = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("system", "p50 ms", "p99 ms", "of the last"):
        ages.add_column(column, justify="right")
    for name, each in sorted(show.fresh.items()):
        ages.add_row(name, f"{each.p50:.0f}", f"{each.p99:.0f}", str(each.effects))
    return Group(head, table, ages)
