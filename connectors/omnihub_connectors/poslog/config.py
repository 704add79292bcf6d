"""Settings of a POSLog instance."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from omnihub.connect.sdk import ConnectorConfig
from omnihub.model.ids import InstanceId


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such IANA time zone; write one like America/New_York") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class PosLogConfig(ConnectorConfig):
    """Where the tills drop their files, and what their clocks mean."""

    spool: Path = Field(description="folder with incoming/ and archive/")
    time_zone: Zone = Field(description="IANA zone of the stores' clocks, e.g. America/New_York")
    time_zones: dict[str, Zone] = Field(
        default={}, description="zones of stores that differ, by the till's own store code"
    )
    order_source: InstanceId | None = Field(
        default=None,
        description="instance whose own order ids the tills know, for documents that do not say it",
    )
    poll_interval_s: float = Field(
        default=0.05, ge=0.01, le=60, description="pause between two looks at an empty folder"
    )
    max_file_bytes: int = Field(
        default=10_485_760, ge=1_000, le=10_485_760, description="larger files are parked unread"
    )
    stale_after_s: float = Field(
        default=60, ge=1, description="a file without its end is read after so long untouched"
    )

    def zone_of(self, store: str) -> str:
        """Return the IANA zone of a store's clocks."""
        return self.time_zones.get(store, self.time_zone)
