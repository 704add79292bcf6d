"""`omnihub replay`: what today's code reads otherwise than the code of its day, corrected."""

import asyncio
import getpass
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr, units
from omnihub.connect.replaying import Difference
from omnihub.connect.replays import Replay, new_replay_id
from omnihub.model.errors import ConfigurationError
from omnihub.model.records import EffectKind, EffectWithheld
from omnihub.model.time import to_us
from omnihub.rules.withholding import WITHHELD_TOPIC
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import codec_of, reader_of
from omnihub.wiring.replay import Chosen, Comparison, Replayer
from omnihub.wiring.shadow import Consequences

KINDS = tuple(kind for kind in EffectKind if kind is not EffectKind.UNKNOWN)
_AGO = {"m": "minutes", "h": "hours", "d": "days"}
app = typer.Typer(help="Read what was delivered under today's code, and correct what differs.")


@app.callback(invoke_without_command=True)
def replay(
    context: typer.Context,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="First moment, UTC (2026-11-28T09:00) or so long ago (36h)."),
    ] = None,
    to: Annotated[str | None, typer.Option(help="First moment not read any more; now.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only this one: TYPE:ID.")] = None,
    connector: Annotated[str | None, typer.Option(help="Only this connector or instance.")] = None,
    with_effects: Annotated[
        list[str] | None,
        typer.Option(help="A kind of effect that may happen: mail, message, payment, label."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what differs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with each correction.")] = "replayed",
    limit: Annotated[int, typer.Option(min=1, help="Most differences to show.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Read raw deliveries under today's code, say what differs, then correct it."""
    if context.invoked_subcommand is not None:
        return
    now_us = time.time_ns() // 1000
    chosen = Chosen(_moment_us("--from", from_, now_us), _moment_us("--to", to or "0m", now_us),
                    entity, connector)  # fmt: skip
    if chosen.from_us >= chosen.to_us:
        raise ConfigurationError("--from is not before --to. Give a range.")
    asked = Replay(
        new_replay_id(now_us), getpass.getuser(), reason, now_us, _effects(with_effects or [])
    )
    if not (dry_run or yes or sys.stdin.isatty()):
        raise ConfigurationError("Nobody can be asked here. Say --dry-run or --yes.")
    install = options_of(context).installation()
    outcome = asyncio.run(_run(install, chosen, asked, dry_run, yes, as_json, limit))
    if as_json:
        print_json(outcome)


async def _run(
    install: Installation,
    chosen: Chosen,
    asked: Replay,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    limit: int,
) -> dict[str, Any]:
    bar = Progress(console=stderr(), transient=True, disable=not sys.stderr.isatty())
    with bar:
        replayer = Replayer(install, _Steps(bar))
        found = await replayer.compare(chosen)
        requests = found.requests(asked)
        consequences = await replayer.consequences(requests)
    outcome = _outcome(asked, chosen, found, consequences)
    if not as_json:
        _show(found, consequences, limit)
    total = sum(map(len, requests.values()))
    if dry_run or total == 0:
        return outcome
    if not yes and not typer.confirm(f"Correct {total} entities?", err=True):
        raise typer.Exit(Exit.FAILED)
    done = await replayer.ask(requests)
    stderr().print(
        f"Asked for the correction of {done} entities as replay {asked.replay_id}. "
        f"What came of it: omnihub explain {asked.replay_id}; "
        "what was withheld: omnihub replay withheld"
    )
    return {**outcome, "asked": done}


@app.command()
def withheld(
    context: typer.Context,
    replay_id: Annotated[str | None, typer.Option("--replay", help="Only of this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the mails, messages, payments and labels that replays kept back."""
    install = options_of(context).installation()
    found = [
        each
        for each in asyncio.run(_withheld(install))
        if replay_id is None or each.replay_id == replay_id
    ]
    if as_json:
        print_json(found)
        return
    rows = [{**_effect_row(each), "replay": each.replay_id} for each in found]
    print_rows(rows, ("replay", "kind", "what", "instance", "order", "at"), "Nothing was withheld.")


async def _withheld(install: Installation) -> list[EffectWithheld]:
    reader = reader_of(install, codec_of(install))
    entries = await reader.read_all([WITHHELD_TOPIC])
    found = [entry.record for entry in entries if isinstance(entry.record, EffectWithheld)]
    return sorted(found, key=lambda each: (each.accepted_at_us, each.effect_id))


def _moment_us(option: str, told: str | None, now_us: int) -> int:
    """Return a moment, told as such or as how long ago.

    Raises:
        ConfigurationError: it is neither.
    """
    wrong = ConfigurationError(
        f"{option} is {told!r}: no moment. Say 2026-11-28T09:00 (UTC), or how long ago: "
        "90m, 36h, 3d."
    )
    if not told:
        raise wrong
    try:
        if (unit := _AGO.get(told[-1])) is not None:
            ago = timedelta(**{unit: float(told[:-1])})
            return now_us - round(ago.total_seconds() * 1_000_000)
        at = datetime.fromisoformat(told)
    except ValueError:
        raise wrong from None
    return to_us(at if at.tzinfo else at.replace(tzinfo=UTC))


def _effects(told: Sequence[str]) -> tuple[EffectKind, ...]:
    by_name = {kind.value.lower(): kind for kind in KINDS}
    for name in told:
        if name.lower() not in by_name:
            known = ", ".join(by_name)
            raise ConfigurationError(f"--with-effects is '{name}': no such kind. Known: {known}.")
    return tuple(dict.fromkeys(by_name[name.lower()] for name in told))


class _Steps:
    """One bar for each thing that is read."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._steps: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._steps:
            self._steps[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._steps[what], completed=done, total=max(total, done))


# -- what it shows ---------------------------------------------------------------------------------


def _show(found: Comparison, consequences: Consequences, limit: int) -> None:
    rows = [row for each in found.found for row in _difference_rows(each)]
    columns = ("instance", "entity", "part", "change", "field", "told", "today", "stays because")
    if rows:
        print_rows(rows[:limit], columns, "")
    if len(rows) > limit:
        stderr().print(f"{len(rows) - limit} more are not shown (--limit, --json).")
    if consequences.levels:
        print_rows([_level_row(each) for each in consequences.levels[:limit]],
                   ("sku", "location", "on hand", "after"), "")  # fmt: skip
    if consequences.withheld:
        rows = [_effect_row(each) for each in consequences.withheld]
        print_rows(rows, ("kind", "what", "instance", "order"), "")
    for name, count in consequences.commands.items():
        stderr().print(f"{count} commands for {name}")
    for refused in consequences.rejected:
        stderr().print(f"would be refused: {refused.reason_code} {refused.subject}")
    for parked in consequences.parked:
        stderr().print(f"would wait: {parked.task} {parked.park_key}: {parked.error}")
    for unread in found.unread[:limit]:
        stderr().print(f"cannot be read today: {unread.about}: {unread.why}", markup=False)
    stderr().print(_summary(found, consequences))


def _summary(found: Comparison, consequences: Consequences) -> str:
    refused = sum(each.refusal is not None for each in found.found)
    return (
        f"{found.deliveries} deliveries, {found.entities} entities, {len(found.found)} differences "
        f"({refused} stay as they are), {len(consequences.withheld)} effects withheld, "
        f"{len(found.unread)} not readable today"
    )


def _difference_rows(each: Difference) -> list[Mapping[str, Any]]:
    head = {
        "instance": each.entity.instance,
        "entity": f"{each.entity.type}:{each.entity.entity_id}",
        "part": each.part,
        "change": each.change.value,
        "stays because": each.refusal,
    }
    fields = each.fields or (None,)
    return [{**(head if at == 0 else {}), **_field_row(field)} for at, field in enumerate(fields)]


def _field_row(field: Any) -> Mapping[str, Any]:
    if field is None:
        return {}
    return {"field": field.path, "told": field.old, "today": field.new}


def _level_row(each: Any) -> Mapping[str, Any]:
    old = None if each.old_milli is None else units(each.old_milli)
    return {"sku": each.sku, "location": each.location, "on hand": old,
            "after": units(each.new_milli)}  # fmt: skip


def _effect_row(each: EffectWithheld) -> dict[str, Any]:
    return {
        "kind": each.kind.value,
        "what": each.about,
        "instance": each.instance,
        "order": each.order_id,
        "at": moment(each.accepted_at_us),
    }


def _outcome(
    asked: Replay, chosen: Chosen, found: Comparison, consequences: Consequences
) -> dict[str, Any]:
    return {
        "replay_id": asked.replay_id,
        "from": moment(chosen.from_us),
        "to": moment(chosen.to_us),
        "deliveries": found.deliveries,
        "entities": found.entities,
        "differences": [_plain(each) for each in found.found],
        "unread": found.unread,
        "consequences": consequences,
        "asked": 0,
    }


def _plain(each: Difference) -> dict[str, Any]:
    return {
        "instance": each.entity.instance,
        "entity": f"{each.entity.type}:{each.entity.entity_id}",
        "part": each.part,
        "change": each.change.value,
        "fields": each.fields,
        "refusal": each.refusal,
    }
