"""`omnihub hospital`: what is parked, why, and what can be done about it.

Guarantees: nothing is asked of a task before it was checked, nothing at all with --dry-run; what
is sealed is opened with --personal only, for whoever may read the master key.
"""

import asyncio
import json
from typing import Annotated, Any

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr, stdout
from omnihub.cli.parked import Asking, chosen, edited, perform, told_queue, wanted_of
from omnihub.model.records import ParkedRecord, ReleaseAction
from omnihub.views.parked import Wanted, causes_of
from omnihub.wiring.hospital import parked_in

app = typer.Typer(help="Parked records.", no_args_is_help=True)
TaskName = Annotated[str | None, typer.Option("--task", help="Only of this task.")]
ErrorClass = Annotated[
    str | None, typer.Option("--error-class", help="Only for this reason, as listed.")
]
Instance = Annotated[
    str | None, typer.Option("--instance", help="Only from or for this connected system.")
]
OlderThan = Annotated[
    str | None, typer.Option("--older-than", help="Only what waits for longer: 90s, 15m, 2h, 3d.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every queue there is.")]
SomeTask = Annotated[str | None, typer.Argument(metavar="TASK", help="Task, as listed.")]
SomeKey = Annotated[str | None, typer.Argument(metavar="KEY", help="Park key, as listed.")]
Task = Annotated[str, typer.Argument(help="Task, as listed.")]
Key = Annotated[str, typer.Argument(help="Park key, as listed.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with what was done.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be asked; ask nothing.")]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", help="Give the same one to repeat a command: it has one effect."),
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Wait up to so many s for the outcome.")]
Personal = Annotated[bool, typer.Option("--personal", help="Open what is sealed.")]
WAIT_S = 5.0
COLUMNS = ("task", "park key", "#", "since", "error", "cure")


@app.command("list")
def list_(
    context: typer.Context,
    task: TaskName = None,
    error_class: ErrorClass = None,
    instance: Instance = None,
    older_than: OlderThan = None,
    counts: Annotated[
        bool, typer.Option("--counts", help="Only how many wait, by task and reason.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List what waits, with reason and cure."""
    wanted = wanted_of(task, error_class, instance, older_than)
    parked = asyncio.run(parked_in(options_of(context).installation()))
    found = [record for record in parked if wanted.includes(record)]
    if counts:
        _print_counts(found, as_json)
    elif as_json:
        print_json(found)
    else:
        print_rows([_row(record) for record in found], COLUMNS, "Nothing is parked.")
        _summarise(found)


@app.command()
def show(
    context: typer.Context,
    task: Task,
    park_key: Key,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show so many records.")] = 20,
    personal: Personal = False,
    as_json: JsonOption = False,
) -> None:
    """Show one queue: each record with its content, and what was done about it by whom and why."""
    install = options_of(context).installation()
    told = told_queue(install, task, park_key, limit, personal=personal)
    if as_json:
        print_json(told)
    else:
        _print_queue(told)
    if not told["records"]:
        stderr().print(f"Nothing is parked under {task} {park_key}.", markup=False)
        raise typer.Exit(Exit.FAILED)


@app.command()
def retry(
    context: typer.Context,
    task: SomeTask = None,
    park_key: SomeKey = None,
    of_task: TaskName = None,
    error_class: ErrorClass = None,
    instance: Instance = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    reason: Why = "retried",
    request_id: RequestId = None,
    wait: Wait = WAIT_S,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Try the first record of a queue alone; what is behind it waits for its release."""
    wanted = chosen(
        task, park_key, everything, wanted_of(of_task, error_class, instance, older_than)
    )
    asking = Asking(ReleaseAction.RETRY, reason, request_id, wait, dry_run, as_json)
    perform(options_of(context).installation(), asking, wanted)


@app.command()
def release(
    context: typer.Context,
    task: SomeTask = None,
    park_key: SomeKey = None,
    of_task: TaskName = None,
    error_class: ErrorClass = None,
    instance: Instance = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    reason: Why = "released",
    request_id: RequestId = None,
    wait: Wait = WAIT_S,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Replay a queue in order, from its first record until one fails."""
    wanted = chosen(
        task, park_key, everything, wanted_of(of_task, error_class, instance, older_than)
    )
    asking = Asking(ReleaseAction.RELEASE, reason, request_id, wait, dry_run, as_json)
    perform(options_of(context).installation(), asking, wanted)


@app.command()
def skip(
    context: typer.Context,
    reason: Why,
    task: SomeTask = None,
    park_key: SomeKey = None,
    of_task: TaskName = None,
    error_class: ErrorClass = None,
    instance: Instance = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    request_id: RequestId = None,
    wait: Wait = WAIT_S,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Give up the first record of a queue, and release those behind it."""
    wanted = chosen(
        task, park_key, everything, wanted_of(of_task, error_class, instance, older_than)
    )
    asking = Asking(ReleaseAction.SKIP, reason, request_id, wait, dry_run, as_json)
    perform(options_of(context).installation(), asking, wanted)


@app.command()
def edit(
    context: typer.Context,
    task: Task,
    park_key: Key,
    reason: Why,
    file: Annotated[
        str | None, typer.Option("--from", help="JSON as `show` tells it; without, $EDITOR opens.")
    ] = None,
    personal: Personal = False,
    request_id: RequestId = None,
    wait: Wait = WAIT_S,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Put another record in the place of a queue's first; a retry or release runs it."""
    install = options_of(context).installation()
    wanted = Wanted(task=task, park_key=park_key)
    value = edited(install, wanted, file, personal=personal)
    if value is None:
        stderr().print("Nothing was changed.")
        return
    asking = Asking(ReleaseAction.EDIT, reason, request_id, wait, dry_run, as_json, value)
    perform(install, asking, wanted)


def _row(record: ParkedRecord) -> dict[str, Any]:
    return {
        "task": record.task,
        "park key": record.park_key,
        "#": record.queue_index,
        "since": moment(record.parked_at_us),
        "error": record.error,
        "cure": record.cure,
    }


def _summarise(found: list[ParkedRecord]) -> None:
    """Tell below a list how much it is."""
    if found:
        queues = len({(record.task, record.park_key) for record in found})
        stderr().print(f"{len(found)} records in {queues} queues.")


def _print_counts(found: list[ParkedRecord], as_json: bool) -> None:
    causes = causes_of(found)
    if as_json:
        print_json(causes)
        return
    rows = [
        {
            "task": cause.task,
            "reason": cause.error_class,
            "records": cause.records,
            "queues": cause.queues,
            "oldest": moment(cause.oldest_at_us),
        }
        for cause in causes
    ]
    print_rows(rows, ("task", "reason", "records", "queues", "oldest"), "Nothing is parked.")


def _print_queue(told: dict[str, Any]) -> None:
    out = stdout()
    for one in told["records"]:
        place = f"{one['topic']}/{one['partition']}/{one['offset']}"
        mark = "  edited" if one["is_edited"] else ""
        line = f"#{one['queue_index']}  {one['record_type']}  {place}"
        out.print(f"{line}  tried {one['attempts']} times{mark}", markup=False, style="bold")
        out.print(f"  {one['error_class']}: {one['error']}", markup=False)
        out.print(f"  cure: {one['cure']}", markup=False)
        text = json.dumps(one["content"], indent=2, ensure_ascii=False)
        out.print("  " + text.replace("\n", "\n  "), markup=False, soft_wrap=True)
    if (more := told["waiting"] - len(told["records"])) > 0:
        out.print(f"and {more} more (--limit)")
    for act in told["acts"]:
        by = f"{act['action']} by {act['requested_by']}: {act['reason']}"
        came = f"{act['outcome']}, {act['records']} left, {act['remaining']} wait"
        out.print(f"{moment(act['accepted_at_us'])}  {by}  ({came})", markup=False)
