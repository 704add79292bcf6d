"""POSLog in the acceptance kit."""

from pathlib import Path

import pytest

from omnihub.connect.kit.subject import Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite
from omnihub.connect.kit.systems import FolderSuite
from omnihub.connect.sdk import Delivery
from omnihub.model.records import DeliveryKind
from omnihub_connectors.poslog.connector import PosLog

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.xml"))


class TestPosLog(ConfigSuite, MappingSuite, FolderSuite):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        incoming = tmp_path / "incoming"
        incoming.mkdir()
        for path in SAMPLES:
            (incoming / path.name).write_bytes(path.read_bytes())
        return Subject(
            connector=PosLog,
            config={"spool": tmp_path, "time_zone": "America/New_York"},
            samples=[
                Delivery(path.name, path.read_bytes(), kind=DeliveryKind.FILE) for path in SAMPLES
            ],
        )
