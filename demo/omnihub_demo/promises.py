"""The promises of the hub, judged over one run, each with what it rests on.

Guarantees: pure; a promise is held only if what would break it was looked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnihub_demo.bars import BARS, MIN_EVENTS, MIN_EVENTS_PER_S, Freshness
from omnihub_demo.killing import Kill
from omnihub_demo.quiet import Quiet
from omnihub_demo.verdict import Verdict

SHOWN = 3
OF_FILES = ("duplicates", "reordered", "late")
OF_WEBHOOKS = ("webhooks_tripled", "updates_before_creation")


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise and whether it held."""

    name: str
    says: str
    held: bool
    detail: str


@dataclass(frozen=True)
class Run:
    """What a run gives to judge."""

    verdict: Verdict
    quiet: Quiet
    events: int
    events_per_s: float
    injected: dict[str, int]
    kills: tuple[Kill, ...]
    by_system: dict[str, Freshness]


def promises(run: Run) -> list[Promise]:
    """Return every promise, in the order in which they are told."""
    return [*_kept(run.verdict, run.quiet), *_bars(run)]


def _kept(verdict: Verdict, quiet: Quiet) -> Iterator[Promise]:
    durable = (*verdict.lost, *verdict.unarchived)
    yield Promise(
        "durable",
        "what was acknowledged (archived, booked) is never lost",
        not durable,
        _named(durable, f"lost or not archived; {len(verdict.lost_after_archive)} after archiving"),
    )
    once = (*verdict.repeated, *verdict.lost_effects)
    yield Promise(
        "exactly-once",
        "every fact and every effect is there once, and nothing that nobody told",
        not once,
        _named(once, "repeated, unexplained or missing"),
    )
    at_fault = [
        f"{each.system}: {each.sku} at {each.location} is {_milli(each.seen_milli)}, "
        f"not {_milli(each.expected_milli)}"
        for each in verdict.divergent
    ]
    conserved = [text for text in at_fault if text.startswith("hub-")]
    yield Promise(
        "conservation",
        "on hand is the newest count and every movement after it, at every place",
        not conserved,
        _named(conserved, "shelves differ from the ledger"),
    )
    yield Promise(
        "same-everywhere",
        "every system shows what the ledger says",
        not at_fault,
        _named(at_fault, "entities differ"),
    )
    yield Promise(
        "no-oversell",
        "the web store offers no unit that is not there",
        not verdict.oversold_units,
        f"{verdict.oversold_units} units too many" if verdict.oversold_units else "none",
    )
    yield Promise(
        "order",
        "the states of a shelf follow each other",
        not verdict.order_faults,
        f"{verdict.order_faults} out of order" if verdict.order_faults else "none out of order",
    )
    is_settled = quiet.is_reached and not verdict.unsettled
    yield Promise(
        "settled",
        "at rest no command is open, nothing is parked, no file waits",
        is_settled,
        "all settled" if is_settled else f"{quiet.moving or f'{verdict.unsettled} open'}",
    )


def _bars(run: Run) -> Iterator[Promise]:
    faults = [name for name in (*OF_FILES, *OF_WEBHOOKS) if not run.injected.get(name)]
    yield Promise(
        "faults-injected",
        "duplicates, reordering, late files, a webhook told thrice, an update before its creation",
        not faults,
        f"missing: {', '.join(faults)}" if faults else _counted(run.injected),
    )
    hit = [kill for kill in run.kills if kill.partitions_owned and kill.lag_at_kill]
    yield Promise(
        "worker-killed",
        "a worker died with partitions and work in hand",
        bool(hit),
        ", ".join(
            f"{kill.worker}: {kill.partitions_owned} partitions, lag {kill.lag_at_kill}"
            for kill in run.kills
        )
        or "none was killed",
    )
    yield Promise(
        "rate",
        f"at least {MIN_EVENTS_PER_S:.0f} events/s",
        run.events_per_s >= MIN_EVENTS_PER_S,
        f"{run.events} events at {run.events_per_s:.0f}/s",
    )
    for system, bar in BARS.items():
        figures = run.by_system.get(system)
        yield Promise(
            f"fresh-{system}",
            f"p50 within {bar.p50_ms:.0f} ms, p99 within {bar.p99_ms:.0f} ms",
            figures is not None and figures.meets(bar),
            f"p50 {figures.p50:.0f}, p99 {figures.p99:.0f} ms over {figures.effects} effects"
            if figures
            else "no effect at all",
        )


def volume(events: int, is_full_week: bool) -> Promise:
    """Return the promise about the size of the play, which only full weeks make."""
    says = f"at least {MIN_EVENTS} events" if is_full_week else "a short week: no least number"
    return Promise("volume", says, not is_full_week or events >= MIN_EVENTS, f"{events} events")


def _named(items: Sequence[str], what: str) -> str:
    if not items:
        return "none"
    shown = "; ".join(items[:SHOWN])
    return f"{len(items)} {what}: {shown}{' …' if len(items) > SHOWN else ''}"


def _counted(injected: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in injected.items())


def _milli(value: int | None) -> str:
    return "absent" if value is None else f"{value / 1000:g}"
