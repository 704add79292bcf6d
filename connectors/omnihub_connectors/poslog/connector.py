"""The POSLog connector: a source that reads a spool folder."""

import asyncio
import os
import time
from typing import Any, ClassVar

from omnihub.connect.sdk import (
    Batch,
    Connector,
    ConnectorConfig,
    Context,
    Finding,
    Health,
    Mapping,
    Offset,
    Stream,
)
from omnihub_connectors.poslog.config import PosLogConfig
from omnihub_connectors.poslog.mapping import PosLogMapping
from omnihub_connectors.poslog.spool import Spool


class PosLog(Connector[PosLogConfig]):
    """Reads `<spool>/incoming/*.xml`; an accepted file moves to `<spool>/archive/`.

    The folder itself is the position: what is still in `incoming` was not accepted yet.
    """

    name: ClassVar[str] = "poslog"
    config_type: ClassVar[type[ConnectorConfig]] = PosLogConfig
    mapping_type: ClassVar[type[Mapping[Any]]] = PosLogMapping

    def __init__(self, config: PosLogConfig, context: Context) -> None:
        super().__init__(config, context)
        self.spool = Spool(config.spool, config.max_file_bytes, config.stale_after_s)

    async def open(self) -> None:
        """Make the folders."""
        await asyncio.to_thread(self.spool.create)

    async def check(self) -> list[Finding]:
        """Look whether both folders are there and may be written."""
        return [
            await asyncio.to_thread(_folder_finding, point, str(folder))
            for point, folder in (
                ("incoming", self.spool.incoming),
                ("archive", self.spool.archive),
            )
        ]

    def streams(self) -> list[Stream]:
        """Return the one folder."""
        return [Stream("spool", self.config.poll_interval_s)]

    async def poll(self, stream: Stream, at: Offset | None, limit: int) -> Batch:
        """Return complete files, oldest first."""
        files, more = await asyncio.to_thread(self.spool.take, limit, time.time())
        return Batch(tuple(files), next=None, more=more)

    async def ack(self, stream: Stream, batch: Batch) -> None:
        """Move accepted files to the archive."""
        await asyncio.to_thread(self._put_away, batch)

    def _put_away(self, batch: Batch) -> None:
        for delivery in batch.deliveries:
            self.spool.put_away(delivery)


def _folder_finding(point: str, folder: str) -> Finding:
    if not os.path.isdir(folder):
        cure = "Create it, or correct connectors.*.config.spool; the first start creates it."
        return Finding(point, Health.WARNING, f"{folder} does not exist", cure)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        cure = "Give this user read and write access to the folder."
        return Finding(point, Health.FAILED, f"{folder} may not be read and written", cure)
    return Finding(point, Health.OK, f"{folder} is there")
