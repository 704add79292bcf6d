"""The report of a run: `demo.json` for programs, a table for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from omnihub_demo.bars import Freshness
from omnihub_demo.config import APP, MAIL
from omnihub_demo.order_verdict import OrderVerdict
from omnihub_demo.promises import Promise, Run
from omnihub_demo.readings import Readings
from omnihub_demo.verdict import ERP, POS, WEB

SHOWN = 50


@dataclass(frozen=True)
class Report:
    """Everything that is told about a run."""

    week: int
    seed: int
    broken: str | None
    run: Run
    seen: Readings
    overall: Freshness | None
    opening: dict[str, Freshness]
    promises: tuple[Promise, ...]
    wall_s: float
    orders: OrderVerdict | None = None
    webhooks: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """Tell whether every promise held."""
        return all(promise.held for promise in self.promises)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as the keys of `demo.json`."""
    verdict, kills = report.run.verdict, report.run.kills
    hit = max(kills, key=lambda kill: kill.lag_at_kill, default=None)
    return {
        "week": report.week,
        "seed": report.seed,
        "broken": report.broken,
        "events": report.run.events,
        "events_per_s": round(report.run.events_per_s, 1),
        "systems": _systems(report),
        "oversold_units": verdict.oversold_units,
        "divergent_entities": len(verdict.divergent),
        "lost_events": len(verdict.lost),
        "duplicate_effects": len(verdict.repeated),
        "injected": report.run.injected,
        "killed": {
            "partitions_owned": hit.partitions_owned if hit else 0,
            "lag_at_kill": hit.lag_at_kill if hit else 0,
        },
        "worker_kills": len(kills),
        "freshness_ms": _figures(report.overall)
        | {"by_system": {name: _figures(each) for name, each in report.run.by_system.items()}},
        "opening_freshness_ms": {name: _figures(each) for name, each in report.opening.items()},
        "wall_s": round(report.wall_s, 1),
        **_orders(report),
        "promises": [asdict(promise) for promise in report.promises],
        "divergences": [asdict(each) for each in verdict.divergent[:SHOWN]],
        "lost": list(verdict.lost[:SHOWN]),
        "duplicates": list(verdict.repeated[:SHOWN]),
        "refused_by_reason": report.seen.rejected,
    }


def _orders(report: Report) -> dict[str, Any]:
    verdict = report.orders
    if verdict is None:
        return {}
    return {
        "orders_confirmed": verdict.confirmed,
        "orders_refused": verdict.refused,
        "orders_open": verdict.still_open,
        "mails_sent": verdict.mails_sent,
        "mails_expected": verdict.mails_expected,
        "reservations_leaked": verdict.reservations_leaked,
        "customers_merged_wrongly": verdict.merged_wrongly,
        "hot_sku": {"buyers": verdict.hot_buyers, "held": verdict.hot_held},
        "webhook_faults": dict(report.webhooks),
        "order_faults": list(verdict.faults[:SHOWN]),
        "day_totals": verdict.day_totals,
        "day_total_faults": list(verdict.total_faults[:SHOWN]),
        "mail_faults": list(verdict.mail_faults[:SHOWN]),
        "customer_faults": list(verdict.person_faults[:SHOWN]),
        "board_faults": list(verdict.board_faults[:SHOWN]),
    }


def write(report: Report, path: Path) -> None:
    """Write `demo.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(report), indent=2) + "\n")


def show(report: Report, console: Console) -> None:
    """Print the report."""
    console.print(_table_of_systems(report))
    table = Table(title=f"Week {report.week}, seed {report.seed}", header_style="bold")
    for column in ("promise", "held", "what was found"):
        table.add_column(column, overflow="fold")
    for promise in report.promises:
        mark = "[green]yes[/]" if promise.held else "[bold red]NO[/]"
        table.add_row(f"{promise.name}\n[dim]{promise.says}[/]", mark, promise.detail)
    console.print(table)
    failed = [promise.name for promise in report.promises if not promise.held]
    if report.broken:
        found = "was caught" if report.broken in failed else "[bold red]was NOT caught[/]"
        console.print(f"The bug planted against '{report.broken}' {found}.")
    if failed:
        console.print(f"[bold red]Broken: {', '.join(failed)}[/]")
    else:
        console.print(f"[bold green]Every promise held[/] ({report.wall_s:.0f} s)")


def _systems(report: Report) -> list[dict[str, Any]]:
    seen, figures = report.seen, report.run.by_system
    effects = {name: each.effects for name, each in figures.items()}
    return [
        _system(POS, "POS (ARTS POSLog files)", "simulator", len(seen.archived), 0),
        _system(ERP, "ERP (Tryton)", "real", len(seen.erp_milli), effects.get(ERP, 0)),
        _system(
            WEB, "web store (WooCommerce)", "simulator", len(seen.web_milli), effects.get(WEB, 0)
        ),
        *(_systems_of_orders(report.orders) if report.orders else ()),
        _system("hub", "OmniHub (REST API and Kafka topics)", "real", len(seen.hub_milli), 0),
    ]


def _systems_of_orders(orders: OrderVerdict) -> Iterator[dict[str, Any]]:
    """Yield the app, which keeps nothing and is told nothing, and the mail server."""
    app = "app (a client of the hub's Segment-compatible API)"
    yield _system(APP, app, "simulator", orders.in_app, 0)
    yield _system(MAIL, "mail (SMTP server)", "real", orders.mails_sent, orders.mails_sent)


def _system(name: str, kind: str, reality: str, entities: int, effects: int) -> dict[str, Any]:
    named = {"name": name, "kind": kind, "reality": reality}
    return {**named, "entities": entities, "effects": effects}


def _figures(figures: Freshness | None) -> dict[str, Any]:
    if figures is None:
        return {"p50": None, "p99": None, "max": None, "effects": 0}
    rounded = {name: round(getattr(figures, name), 1) for name in ("p50", "p99", "max")}
    return {**rounded, "effects": figures.effects}


def _table_of_systems(report: Report) -> Table:
    table = Table(title="Read back through their own API", header_style="bold")
    for column in ("system", "kind", "reality", "entities", "effects", "p50 ms", "p99 ms"):
        table.add_column(column)
    for row in _systems(report):
        figures = report.run.by_system.get(row["name"])
        ages = (f"{figures.p50:.0f}", f"{figures.p99:.0f}") if figures else ("", "")
        table.add_row(*(str(value) for value in row.values()), *ages)
    return table
