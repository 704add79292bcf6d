"""`python -m omnihub_demo`: play a real retailer's week through real systems and judge it.

Exit codes: 0 every promise held, 1 one did not, 2 the demo could not run, 130 interrupted.
"""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from omnihub.model.errors import OmniHubError
from omnihub_demo import kept
from omnihub_demo import report as reports
from omnihub_demo.breaks import Break
from omnihub_demo.folders import DEFAULT_ROOT, Folders
from omnihub_demo.process import DemoError
from omnihub_demo.show import Options, perform

CANNOT_RUN, INTERRUPTED = 2, 130


def parse(arguments: list[str]) -> tuple[Options, Folders]:
    """Return the options as typed."""
    parser = argparse.ArgumentParser(prog="python -m omnihub_demo", description=__doc__)
    parser.add_argument("--week", type=int, default=52, help="week of the data set, 1 to 53")
    parser.add_argument("--seed", type=int, default=7, help="faults, counts and receipts")
    parser.add_argument(
        "--break", dest="broken", type=Break, choices=list(Break), help="plant a bug"
    )
    parser.add_argument("--folder", type=Path, default=DEFAULT_ROOT, help="where everything is")
    parser.add_argument(
        "--keep",
        action="store_true",
        default=bool(os.environ.get("KEEP")),
        help="leave everything running (also: KEEP=1)",
    )
    given = parser.parse_args(arguments)
    options = Options(given.week, given.seed, given.broken, given.keep)
    return options, Folders(given.folder.absolute())


async def run(options: Options, folders: Folders, console: Console) -> int:
    """Perform, report, and end or keep everything; return the exit code."""
    await asyncio.to_thread(kept.stop, folders)
    async with AsyncExitStack() as stack:
        report, stage = await perform(options, folders, console, stack)
        reports.write(report, folders.report)
        reports.show(report, console)
        console.print(f"Report: {folders.report}", highlight=False)
        if options.keep:
            kept.write(options, stage)
            kept.tell(stage, console)
            stack.pop_all()
    return 0 if report.is_kept else 1


async def _until_interrupted(options: Options, folders: Folders, console: Console) -> int:
    task = asyncio.create_task(run(options, folders, console))
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        # Once is enough: a second Ctrl-C must not cut the cleaning short.
        if not task.cancelling():
            console.print("Stopping everything …")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED


def main(arguments: list[str]) -> int:
    """Run the demo."""
    options, folders = parse(arguments)
    console = Console()
    try:
        return asyncio.run(_until_interrupted(options, folders, console))
    except Exception as error:
        first = _first(error)
        if not isinstance(first, DemoError | OmniHubError | ValueError):
            raise
        console.print(f"[bold red]The demo cannot run:[/] {escape(str(first))}", highlight=False)
        return CANNOT_RUN


def _first(error: BaseException) -> BaseException:
    """Return what a group of errors began with."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
