"""The downstream service of the demo: a live board on the hub's public topics alone.

Guarantees: it runs as a process of its own and knows nothing but Kafka and the registry.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from omnihub.broker import tcp
from omnihub.ops.runfile import RunState
from omnihub_demo.folders import Folders
from omnihub_demo.process import ChildProcess, start

MODULE = "omnihub.insight.board"
GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Board:
    """A running board: its process, its page and the file in which it keeps its figures."""

    process: ChildProcess
    url: str
    out: Path


async def start_board(folders: Folders, run: RunState, stack: AsyncExitStack) -> Board:
    """Start the board."""
    out, log = folders.root / "board.json", folders.logs / "board.log"
    port = tcp.choose_free("127.0.0.1", set())
    where = ["--bootstrap", run.bootstrap, "--registry", run.registry_url]
    command = [sys.executable, "-m", MODULE, *where, "--port", str(port), "--out", str(out)]
    process = start(command, str(out), log)
    stack.push_async_callback(asyncio.to_thread, process.end, GRACE_S)
    return Board(process, f"http://127.0.0.1:{port}/", out)
