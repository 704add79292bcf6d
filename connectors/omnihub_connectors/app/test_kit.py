"""The app in the acceptance kit."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from omnihub.connect.kit.subject import Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite
from omnihub.connect.sdk import Delivery
from omnihub_connectors.app.connector import App
from omnihub_connectors.app.doubles import WRITE_KEY

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))


class TestApp(ConfigSuite, MappingSuite):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=App,
            config={"write_keys": (SecretStr(WRITE_KEY),)},
            samples=[Delivery(path.name, path.read_bytes()) for path in SAMPLES],
        )
