"""The hub of the demo: `omnihub up` as a child process, and its API.

Guarantees: what is read comes from the public REST API with a key of its own; processes are known
from the run file that `omnihub up` publishes. Does not: look into the hub's own database.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from omnihub.ops.keys import KeyRing, Scope
from omnihub.ops.runfile import ProcessRow, RunState, read_run
from omnihub_demo.folders import Folders
from omnihub_demo.ledger import Shelf
from omnihub_demo.process import ChildProcess, DemoError, last_words, start
from omnihub_demo.verdict import WEB_PLACE
from omnihub_demo.waiting import until

API_KEY = "hub_api_key"
START_TIMEOUT_S = 120.0
STOP_GRACE_S = 45.0
PAGE = 500
MAP_PAGE = 500


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub."""

    folders: Folders
    url: str
    process: ChildProcess
    http: httpx.AsyncClient

    def run(self) -> RunState:
        """Return what runs.

        Raises:
            DemoError: the hub ended.
        """
        state = read_run(self.folders.data)
        if state is None:
            raise DemoError(f"the hub ended. {last_words(hub_log(self.folders))}")
        return state

    def workers(self) -> list[ProcessRow]:
        """Return the worker processes."""
        return [row for row in self.run().processes if row.name.startswith("worker-")]

    async def metrics(self, process: ProcessRow) -> dict[str, float]:
        """Return the samples that one process exports, by name with labels; none if it is down."""
        try:
            answer = await self.http.get(f"http://127.0.0.1:{process.port}/metrics", timeout=2.0)
        except httpx.TransportError:
            return {}
        return _samples(answer.text) if answer.is_success else {}

    async def import_map(self, rows: Sequence[tuple[str, str, str, str]]) -> None:
        """Set cross-references."""
        names = ("instance", "kind", "code", "canonical")
        named = [dict(zip(names, row, strict=True)) for row in rows]
        for at in range(0, len(named), MAP_PAGE):
            body = {"rows": named[at : at + MAP_PAGE]}
            answer = await self.http.post("/v1/map/import", json=body)
            answer.raise_for_status()

    async def levels_milli(self) -> dict[Shelf, int]:
        """Return on hand by location and SKU."""
        items = self._items("/v1/stock", {})
        return {(x["location"], x["sku"]): x["on_hand_milli"] async for x in items}

    async def ats_milli(self) -> dict[str, int]:
        """Return what the web channel may sell, by SKU."""
        items = self._items("/v1/stock", {"channel": WEB_PLACE})
        return {x["sku"]: x["ats_milli"] async for x in items}

    async def parked(self) -> int:
        """Return how many records are in the hospital."""
        return len([item async for item in self._items("/v1/hospital", {})])

    async def items(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """Return every item of a paged list."""
        return [item async for item in self._items(path, query)]

    async def get(self, path: str) -> dict[str, Any]:
        """Return one resource."""
        answer = await self.http.get(path)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    async def _items(self, path: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            answer = await self.http.get(path, params={**query, "limit": str(PAGE), **more})
            answer.raise_for_status()
            page = answer.json()
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return


def hub_log(folders: Folders) -> Any:
    """Return where `omnihub up` prints."""
    return folders.logs / "hub.log"


def connect(folders: Folders, url: str, process: ChildProcess) -> Hub:
    """Return a client of a running hub."""
    headers = {"Authorization": f"Bearer {folders.secret(API_KEY)}"}
    return Hub(folders, url, process, httpx.AsyncClient(base_url=url, headers=headers, timeout=30))


async def open_hub(folders: Folders, api_port: int) -> Hub:
    """Start the hub and return when every process is ready.

    Raises:
        DemoError: it ended, or is not ready in time.
    """
    folders.data.mkdir(parents=True, exist_ok=True)
    folders.write_secret(API_KEY, KeyRing(folders.data).add("demo", Scope.ADMIN))
    config = str(folders.config)
    command = [sys.executable, "-m", "omnihub", "--config", config, "up"]
    process = start(command, config, hub_log(folders))
    hub = connect(folders, f"http://127.0.0.1:{api_port}", process)

    async def is_ready() -> bool:
        if not process.is_alive():
            raise DemoError(f"the hub ended. {last_words(hub_log(folders))}")
        state = read_run(folders.data)
        return state is not None and state.ready

    try:
        await until(is_ready, START_TIMEOUT_S, f"not ready. {last_words(hub_log(folders))}")
    except BaseException:
        await asyncio.to_thread(process.end, STOP_GRACE_S)
        raise
    return hub


def _samples(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in pairs}
